"""The rows of one key beside the writes that the volumes have of it: pure.

A row and the writes that its layout names belong together, whatever key the writes were made for: so a renamed object is one
difference, not two. ETag and checksum are compared where the data was read; ids, sequences and times of change are not in the
volumes, but for versions that moved to another storage class.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.gateway.maintenance.rebuild.differences import (
    DIFFERENT,
    ROWS_ONLY,
    VOLUMES_ONLY,
    Difference,
    FieldDifference,
    compared,
    field,
    fields_left_out,
    key_text,
)
from dolmen.gateway.maintenance.rebuild.resolve import Held, Plan, Refused, plain_size
from dolmen.gateway.maintenance.rebuild.rows import Row
from dolmen.gateway.maintenance.rebuild.writes import Write, by_base, unmarked
from dolmen.gateway.metadata.records import NULL_VERSION, UploadRecord, VersionRecord

_DATA_ONLY = ("checksum", "parts")  # of attributes: known when the data was read


class Match(msgspec.Struct, frozen=True):
    """A row and the writes that hold its bytes, in order; all of them can be read and are described."""

    row: Row
    bodies: tuple[Write, ...]


class Compared(msgspec.Struct):
    """What came of one key."""

    differences: list[Difference]
    matches: list[Match]
    unknown: list[Write]  # no row names them, and no garbage note
    held: Held


def compare(bucket: str, rows: Sequence[Row], writes: Sequence[Write]) -> Compared:
    """``rows`` and ``writes`` of one key."""
    found = Compared([], [], [], _held(rows))
    owners = by_base(writes)
    named: set[bytes] = set()  # write ids and part numbers may repeat only by mistake: told apart by their first stripe
    for row in rows:
        if not row.layout.segments:
            found.differences += _without_bytes(bucket, row, writes)
            continue
        bodies = _bodies(row, owners)
        if bodies is None:
            found.differences.append(_told(bucket, row, ROWS_ONLY, "no volume has some of the stripes that it names"))
            named.update(body.first_stripe for body in _some_bodies(row, owners))
            continue
        named.update(body.first_stripe for body in bodies)
        damaged = next((body.problem for body in bodies if not body.is_whole), "")
        if damaged:
            found.differences.append(_told(bucket, row, ROWS_ONLY, f"its bytes cannot be read: {damaged}"))
            continue
        problem = next((body.problem for body in bodies if body.problem), "")
        fields = _layout_fields(row, bodies)
        if problem:
            found.differences.append(_told(bucket, row, ROWS_ONLY, problem, fields))
            continue
        found.matches.append(Match(row, bodies))
        fields += _fields(row, bodies)
        if fields:
            reason = "it was changed after it was written, or not all of it was described"
            found.differences.append(_told(bucket, row, DIFFERENT, reason, fields))
    found.unknown = [write for write in writes if write.first_stripe not in named and not write.is_garbage]
    return found


def _held(rows: Sequence[Row]) -> Held:
    versions = [row.version for row in rows if row.version is not None]
    return Held(
        seqs=frozenset(version.seq for version in versions),
        has_null=any(version.version_id == NULL_VERSION for version in versions),
        parts=frozenset(
            (row.upload.upload_id, row.part.number) for row in rows if row.upload is not None and row.part is not None
        ),
    )


def _without_bytes(bucket: str, row: Row, writes: Sequence[Write]) -> list[Difference]:
    """Rows of which nothing can be in the volumes. An upload is as good as described when a part of it is there."""
    if row.upload is not None and row.part is None:
        upload = row.upload
        parts = [write for write in writes if _is_part_of(write, upload)]
        if not parts:
            return [_told(bucket, row, ROWS_ONLY, "an upload without a part has nothing in the volumes")]
        fields = _upload_fields(upload, parts[0])
        return [_told(bucket, row, DIFFERENT, "not all of it was described", fields)] if fields else []
    version = row.version
    marker = version is not None and version.is_delete_marker
    reason = "a delete marker has nothing in the volumes" if marker else "what is empty has nothing in the volumes"
    return [_told(bucket, row, ROWS_ONLY, reason)]


def _is_part_of(write: Write, upload: UploadRecord) -> bool:
    if write.problem or write.facts.upload is None:
        return False
    return write.facts.upload.upload_id == upload.upload_id


def _some_bodies(row: Row, owners: dict[bytes, Write]) -> list[Write]:
    bases = dict.fromkeys(run.base for segment in row.layout.segments for run in segment.runs)
    return list({owner.first_stripe: owner for base in bases if (owner := owners.get(base)) is not None}.values())


def _bodies(row: Row, owners: dict[bytes, Write]) -> tuple[Write, ...] | None:
    """The writes that a row's layout names, in order; None when a run of it is nowhere."""
    bases = dict.fromkeys(run.base for segment in row.layout.segments for run in segment.runs)
    if any(base not in owners for base in bases):
        return None
    return tuple(_some_bodies(row, owners))


def _layout_fields(row: Row, bodies: Sequence[Write]) -> list[FieldDifference]:
    segments = tuple(segment for body in bodies for segment in body.layout.segments)
    return field("layout.segments", unmarked(row.layout).segments, segments)


def _fields(row: Row, bodies: tuple[Write, ...]) -> list[FieldDifference]:
    if row.version is not None:
        return _version_fields(row.version, bodies)
    assert row.part is not None
    body = bodies[0]
    encryption = body.facts.mutable.encryption
    return [
        *field("key", key_text(row.key), key_text(body.key)),
        *field("part_number", row.part.number, body.part_number),
        *field("size", row.part.size, plain_size(body.layout.length, encryption)),
    ]


def _version_fields(version: VersionRecord, bodies: tuple[Write, ...]) -> list[FieldDifference]:
    body = bodies[-1]
    assert body.description is not None
    facts, left_out = body.facts, fields_left_out(body.description.left_out)
    fields = field("key", key_text(version.key), key_text(body.key))
    told = facts.version
    if told is not None:
        fields += field("size", version.size, told.size)
        fields += field("version_id", version.version_id, told.version_id)
        fields += field("seq", version.seq, told.seq)
        fields += field("mtime_us", version.mtime_us, told.mtime_us)
        fields += field("etag", version.etag, told.etag)
        fields += compared("attributes.", version.attributes, facts.attributes, ())
    else:
        sizes = sum(plain_size(one.layout.length, facts.mutable.encryption) for one in bodies)
        fields += field("size", version.size, sizes)
        fields += compared("attributes.", version.attributes, facts.attributes, _DATA_ONLY)
        numbers = [part.number for part in version.attributes.parts if part.size]
        fields += field("parts", numbers, [one.part_number for one in bodies if one.part_number])
    fields += field("owner", version.owner, facts.owner)
    fields += compared("mutable.", version.mutable, facts.mutable, ())
    return [one if not _was_left_out(one, left_out) else _noted(one) for one in fields]


def _was_left_out(one: FieldDifference, left_out: frozenset[str]) -> bool:
    return one.field.rpartition(".")[2] in left_out


def _noted(one: FieldDifference) -> FieldDifference:
    return FieldDifference(one.field, one.rows, "(left out: too long)")


def _upload_fields(upload: UploadRecord, part: Write) -> list[FieldDifference]:
    facts, told = part.facts, part.facts.upload
    assert told is not None
    return [
        *field("initiated_us", upload.initiated_us, told.initiated_us),
        *field("owner", upload.owner, facts.owner),
        *field("initiator", upload.initiator, told.initiator),
        *field("checksum_algorithm", upload.checksum_algorithm, told.checksum_algorithm),
        *field("checksum_type", upload.checksum_type, told.checksum_type),
        *compared("attributes.", upload.attributes, facts.attributes, ()),
        *compared("mutable.", upload.mutable, facts.mutable, ()),
    ]


def _told(
    bucket: str, row: Row, kind: str, reason: str, fields: Sequence[FieldDifference] = ()
) -> Difference:
    version = row.version
    what = "version"
    if version is None:
        what = "upload" if row.part is None else "part"
    elif version.is_delete_marker:
        what = "delete marker"
    return Difference(
        kind=ROWS_ONLY if kind == ROWS_ONLY else DIFFERENT,
        what=what,
        bucket=bucket,
        key=key_text(row.key),
        reason=reason,
        version_id="" if version is None else version.version_id,
        upload_id="" if row.upload is None else row.upload.upload_id,
        part_number=0 if row.part is None else row.part.number,
        fields=tuple(fields),
    )


def told_plan(bucket: str, plan: Plan) -> list[Difference]:
    """What would become of writes that no row knows, as differences."""
    found = [
        Difference(
            kind=VOLUMES_ONLY,
            what="version",
            bucket=bucket,
            key=key_text(version.record.key),
            reason="its row is lost, or it was never committed",
            version_id=version.record.version_id,
            write_id=version.bodies[-1].write_id.hex(),
            upload_id="" if version.upload is None else version.upload.upload_id,
            taken=True,
        )
        for version in plan.versions
    ]
    for planned in plan.uploads:
        found += [
            Difference(
                kind=VOLUMES_ONLY,
                what="part",
                bucket=bucket,
                key=key_text(part.key),
                reason="its row is lost, or its upload was completed, or it was never acknowledged",
                upload_id=planned.upload.upload_id,
                part_number=part.part_number,
                write_id=part.write_id.hex(),
                taken=True,
            )
            for part in planned.parts
        ]
    return found + [_told_refused(bucket, refused) for refused in plan.refused]


def _told_refused(bucket: str, refused: Refused) -> Difference:
    write = refused.write
    return Difference(
        kind=VOLUMES_ONLY,
        what="write",
        bucket=bucket,
        key=key_text(write.key),
        reason=refused.reason,
        write_id=write.write_id.hex(),
        part_number=write.part_number,
    )
