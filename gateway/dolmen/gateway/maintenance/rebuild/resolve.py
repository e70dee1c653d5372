"""What writes that no row knows would be as rows: pure. The rules, of which each is a guess where the volumes cannot tell:

* A write begun while its bucket was versioned is a version. Of those begun otherwise, the newest one is the null version of its
  key; the older ones are what it replaced.
* Versions stand in the order in which their last run of stripes was begun, and that time is their time of change. Their ids are
  new, made of that time and the id of the write, so that a repetition makes the same ones.
* Whether an upload was completed, the volumes do not say. Its parts become an upload in progress, or an object when the caller
  wants that, the parts are 1 to N without a gap, each but the last one has S3's least size, and nothing newer took the key.
* Bytes that were moved to another storage class tell which bytes they replaced, and the version's own id, time and ETag.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Sequence

import msgspec

from dolmen.core.ids import run_base
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms.sealed_keys import SSE_DUAL
from dolmen.gateway.maintenance.rebuild.writes import Write
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    Encryption,
    UploadRecord,
    Versioning,
    VersionRecord,
)
from dolmen.gateway.objects.description import ENCRYPTION, PARTS
from dolmen.gateway.objects.joined_parts import PART_BYTES_MIN
from dolmen.gateway.objects.sealing import DataKeys

_SEQ_BYTES = 7  # as in ``metadata.versions``


class PlannedVersion(msgspec.Struct, frozen=True):
    """A version to be; without ``settled``, its ETag and checksum are still to be computed from ``bodies``."""

    record: VersionRecord
    bodies: tuple[Write, ...]  # in the order of the object's bytes
    upload: UploadRecord | None = None  # that it was completed from
    settled: bool = False


class PlannedUpload(msgspec.Struct, frozen=True):
    """An upload in progress to be, with its parts in order."""

    upload: UploadRecord
    parts: tuple[Write, ...]


class Refused(msgspec.Struct, frozen=True):
    """A write that becomes no row."""

    write: Write
    reason: str


class Held(msgspec.Struct, frozen=True):
    """What rows there are already of the key."""

    seqs: frozenset[int] = frozenset()
    has_null: bool = False
    parts: frozenset[tuple[str, int]] = frozenset()  # (upload id, part number)


class Plan(msgspec.Struct):
    """What becomes of the writes of one key."""

    versions: list[PlannedVersion]
    uploads: list[PlannedUpload]
    refused: list[Refused]


NOTHING_HELD = Held()


def resolve(writes: Sequence[Write], held: Held = NOTHING_HELD, *, complete_uploads: bool = False) -> Plan:
    """What to make of ``writes``, all of one key, none of them known to a row."""
    plan = Plan([], [], [])
    usable: list[Write] = []
    for write in writes:
        reason = write.problem or _left_out(write)
        if reason:
            plan.refused.append(Refused(write, reason))
        else:
            usable.append(write)
    usable = _without_former(usable, plan)
    plain = [write for write in usable if write.facts.upload is None]
    uploads = _uploads(usable, held, plan)
    candidates = [_plain(write) for write in plain]
    for upload in uploads:
        if complete_uploads and _can_be_complete(upload, plain):
            candidates.append(_completed(upload))
        else:
            plan.uploads.append(upload)
    plan.versions = _in_order(candidates, held, plan)
    return plan


def _left_out(write: Write) -> str:
    """What was too long for the description and cannot be missed."""
    description = write.description
    assert description is not None
    if ENCRYPTION in description.left_out:
        return "how it is encrypted was too long to be described"
    if PARTS in description.left_out and description.facts.mutable.encryption is not None:
        return "it is encrypted part by part, and its parts were too many to be described"
    return ""


def _without_former(writes: Sequence[Write], plan: Plan) -> list[Write]:
    """Bytes that others replaced when their version moved to another storage class go."""
    former = {run_base(write.facts.version.former) for write in writes if write.facts.version and write.facts.version.former}
    ended = {
        write.facts.upload.upload_id for write in writes if write.facts.upload is not None and not former.isdisjoint(write.bases)
    }
    kept = []
    for write in writes:
        upload = write.facts.upload
        if not former.isdisjoint(write.bases) or (upload is not None and upload.upload_id in ended):
            plan.refused.append(Refused(write, "its version moved to another storage class"))
        else:
            kept.append(write)
    return kept


def _plain(write: Write) -> PlannedVersion:
    facts = write.facts
    told = facts.version
    if told is not None:
        record = VersionRecord(
            key=write.key,
            version_id=told.version_id,
            seq=told.seq,
            size=told.size,
            etag=told.etag,
            mtime_us=told.mtime_us,
            owner=facts.owner,
            attributes=facts.attributes,
            mutable=facts.mutable,
            layout=write.layout,
        )
        return PlannedVersion(record, (write,), settled=True)
    return PlannedVersion(_version(write, [write]), (write,))


def _version(last: Write, bodies: Sequence[Write]) -> VersionRecord:
    """Of ``bodies`` in order; ``last`` is the newest of them. Its sequence may still be moved."""
    facts = last.facts
    return VersionRecord(
        key=last.key,
        version_id="" if _is_versioned(last) else NULL_VERSION,
        seq=last.time_us,
        size=sum(plain_size(body.layout.length, facts.mutable.encryption) for body in bodies),
        mtime_us=last.time_us,
        owner=facts.owner,
        attributes=facts.attributes,
        mutable=facts.mutable,
        layout=ObjectLayout(tuple(segment for body in bodies for segment in body.layout.segments)),
    )


def _is_versioned(write: Write) -> bool:
    assert write.description is not None
    return write.description.bucket.versioning == Versioning.ENABLED


def layers_of(encryption: Encryption | None) -> int:
    """How many times the bytes are sealed."""
    if encryption is None:
        return 0
    return 2 if encryption.algorithm == SSE_DUAL else 1


def plain_size(stored: int, encryption: Encryption | None) -> int:
    """The client's bytes of a body that takes ``stored`` bytes."""
    return DataKeys((b"",) * layers_of(encryption)).opened_length(stored)


def _uploads(writes: Iterable[Write], held: Held, plan: Plan) -> list[PlannedUpload]:
    """Parts by upload: of each number the newest one."""
    found: dict[str, dict[int, Write]] = {}
    for write in sorted(writes, key=_age):
        upload = write.facts.upload
        if upload is None:
            continue
        if (upload.upload_id, write.part_number) in held.parts:
            plan.refused.append(Refused(write, "the upload has another part of this number"))
            continue
        parts = found.setdefault(upload.upload_id, {})
        before = parts.get(write.part_number)
        if before is not None:
            plan.refused.append(Refused(before, "a newer part of the same number took its place"))
        parts[write.part_number] = write
    ordered = [tuple(parts[number] for number in sorted(parts)) for parts in found.values()]
    return [PlannedUpload(upload_of(parts[0]), parts) for parts in ordered]


def upload_of(write: Write) -> UploadRecord:
    """The upload that a part belongs to."""
    facts, told = write.facts, write.facts.upload
    assert told is not None
    return UploadRecord(
        bucket_id=write.bucket_id,
        key=write.key,
        upload_id=told.upload_id,
        initiated_us=told.initiated_us,
        owner=facts.owner,
        initiator=told.initiator,
        attributes=facts.attributes,
        mutable=facts.mutable,
        checksum_algorithm=told.checksum_algorithm,
        checksum_type=told.checksum_type,
    )


def _can_be_complete(planned: PlannedUpload, plain: Iterable[Write]) -> bool:
    parts = planned.parts
    if [part.part_number for part in parts] != list(range(1, len(parts) + 1)):
        return False
    encryption = planned.upload.mutable.encryption
    if any(plain_size(part.layout.length, encryption) < PART_BYTES_MIN for part in parts[:-1]):
        return False
    newest = max(parts, key=_age)
    return _is_versioned(newest) or all(_is_versioned(write) or _age(write) < _age(newest) for write in plain)


def _completed(planned: PlannedUpload) -> PlannedVersion:
    return PlannedVersion(_version(max(planned.parts, key=_age), planned.parts), planned.parts, planned.upload)


def _in_order(candidates: Iterable[PlannedVersion], held: Held, plan: Plan) -> list[PlannedVersion]:
    """Sequences without doubles, ids, and one null version at most."""
    ordered = sorted(candidates, key=lambda version: (version.record.seq, version.bodies[-1].write_id))
    nulls = [version for version in ordered if version.record.version_id == NULL_VERSION]
    lost = nulls if held.has_null else nulls[:-1]
    reason = "the key has a null version already" if held.has_null else "a newer write took its place"
    plan.refused += [Refused(body, reason) for version in lost for body in version.bodies]
    taken: set[int] = set(held.seqs)
    versions = []
    for version in ordered:
        if any(version is other for other in lost):
            continue
        record = version.record
        if version.settled and record.seq in taken:
            plan.refused += [Refused(body, "the version has other bytes") for body in version.bodies]
            continue
        seq = _free(record.seq, taken)
        taken.add(seq)
        version_id = record.version_id or version_id_of(seq, version.bodies[-1].write_id)
        settled = msgspec.structs.replace(record, seq=seq, version_id=version_id)
        versions.append(msgspec.structs.replace(version, record=settled))
    return versions


def _free(seq: int, taken: Collection[int]) -> int:
    while seq in taken:
        seq += 1
    return seq


def version_id_of(seq: int, write_id: bytes) -> str:
    """As ``metadata.versions.new_version_id`` makes it, with the beginning of the write's id for chance."""
    return base64.b32encode(seq.to_bytes(_SEQ_BYTES, "big") + write_id[:8]).decode()


def _age(write: Write) -> tuple[int, bytes]:
    return write.time_us, write.write_id
