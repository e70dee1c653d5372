"""The metadata port in memory: the reference that backends are tested against. Nothing is durable.

Everything is one dictionary and one list, changed between two awaits, so that it is right by inspection. It shares no code
with the backends: what a write does to a key is written down a second time here, on purpose.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.memory_notes import MemoryNotes
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
    GarbageNote,
    Lease,
    ListRow,
    MutablePart,
    NewVersion,
    PartRecord,
    RepairRow,
    UploadRecord,
    UploadRow,
    Usage,
    Versioning,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import (
    BucketChanged,
    BucketExists,
    BucketNotEmpty,
    Intent,
    InvalidPart,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    ObjectChanged,
    ObjectLocked,
    PreconditionFailed,
    ScanMemo,
    StaleEpoch,
)
from dolmen.gateway.metadata.versions import new_version_id

replace = msgspec.structs.replace


@dataclass(frozen=True)
class MemoryIntent:
    bucket_id: bytes
    key: bytes
    write_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))


@dataclass
class _Bucket:
    record: BucketRecord
    keys: dict[bytes, list[VersionRecord]] = field(default_factory=dict)  # each oldest first


@dataclass
class _Upload:
    record: UploadRecord
    parts: dict[int, PartRecord] = field(default_factory=dict)


class MemoryStore(MemoryNotes):
    """See ``MetadataStore``."""

    def __init__(self, clock: Clock, *, garbage_grace_seconds: float = 0.0) -> None:
        super().__init__()
        self._clock = clock
        self._grace_us = int(garbage_grace_seconds * 1_000_000)
        self._buckets: dict[bytes, _Bucket] = {}
        self._uploads: dict[tuple[bytes, bytes, str], _Upload] = {}
        self._garbage: list[GarbageNote] = []
        self._repairs: dict[bytes, RepairRow] = {}
        self._map: tuple[int, bytes] | None = None
        self._leases: dict[str, Lease] = {}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def reasons(self) -> list[str]:
        return []

    async def upkeep(self) -> int:
        return 0

    # ---- buckets -------------------------------------------------------------------------------------------------

    def _named(self, name: str) -> _Bucket | None:
        return next((bucket for bucket in self._buckets.values() if bucket.record.name == name), None)

    def _alive(self, bucket_id: bytes) -> _Bucket:
        if bucket_id not in self._buckets:
            raise NoSuchBucket("the bucket is gone")
        return self._buckets[bucket_id]

    async def create_bucket(self, bucket: BucketRecord) -> None:
        taken = self._named(bucket.name)
        if taken is not None:
            raise BucketExists(taken.record.owner)
        self._buckets[bucket.bucket_id] = _Bucket(bucket)

    async def get_bucket(self, name: str) -> BucketRecord | None:
        found = self._named(name)
        return None if found is None else found.record

    async def list_buckets(self, owner: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        records = [bucket.record for bucket in self._buckets.values() if bucket.record.owner == owner]
        wanted = [r for r in records if r.name.startswith(prefix) and r.name.encode() > after.encode()]
        return sorted(wanted, key=lambda record: record.name.encode())[:limit]

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        records = [bucket.record for bucket in self._buckets.values() if bucket.record.name.encode() > after.encode()]
        return sorted(records, key=lambda record: record.name.encode())[:limit]

    async def update_bucket(self, bucket: BucketRecord) -> BucketRecord:
        found = self._alive(bucket.bucket_id)
        if found.record.rev != bucket.rev:
            raise BucketChanged(bucket.name)
        found.record = replace(bucket, rev=bucket.rev + 1)
        return found.record

    async def delete_bucket(self, name: str, bucket_id: bytes) -> None:
        if any(self._alive(bucket_id).keys.values()):
            raise BucketNotEmpty(name)
        for place in [place for place in self._uploads if place[0] == bucket_id]:
            for part in self._uploads.pop(place).parts.values():
                self._note(part.layout)
        self._drop_space(f"bucket/{bucket_id.hex()}")
        del self._buckets[bucket_id]

    async def usage(self, bucket_id: bytes) -> Usage:
        bucket = self._buckets.get(bucket_id)
        versions = [v for key in bucket.keys.values() for v in key if not v.is_delete_marker] if bucket is not None else []
        return Usage(objects=len(versions), size_bytes=sum(version.size for version in versions))

    # ---- objects -------------------------------------------------------------------------------------------------

    async def begin(self, bucket: BucketRecord, key: bytes) -> MemoryIntent:
        self._alive(bucket.bucket_id)
        return MemoryIntent(bucket.bucket_id, key)

    async def commit(
        self,
        intent: Intent,
        version: NewVersion,
        condition: WriteCondition,
        repairs: Sequence[RepairRow] = (),
        event: bytes = b"",
    ) -> Committed:
        assert isinstance(intent, MemoryIntent)
        committed = self._put(intent.bucket_id, intent.key, version, condition, event)
        self._repair(repairs)
        return committed

    def _put(
        self, bucket_id: bytes, key: bytes, version: NewVersion, condition: WriteCondition, event: bytes
    ) -> Committed:
        versions, state = self._versions(bucket_id, key)
        _check(condition, versions[-1] if versions else None)
        now_us = self._clock.now_us()
        seq = max(now_us, versions[-1].seq + 1) if versions else now_us
        mtime_us = now_us if version.mtime_us is None else version.mtime_us
        added = VersionRecord(
            key=key,
            version_id=new_version_id(seq) if state is Versioning.ENABLED else NULL_VERSION,
            seq=seq,
            size=version.size,
            etag=version.etag,
            mtime_us=mtime_us,
            owner=version.owner,
            attributes=version.attributes,
            mutable=version.mutable,
            layout=version.layout,
        )
        if state is not Versioning.ENABLED:
            self._refuse_locked(versions, NULL_VERSION)
            self._drop(versions, NULL_VERSION)
        versions.append(added)
        self._tell(bucket_id, added, event, now_us)
        return Committed(version_id=added.version_id, seq=seq, mtime_us=mtime_us, versioning=state, etag=version.etag)

    def _versions(self, bucket_id: bytes, key: bytes) -> tuple[list[VersionRecord], Versioning]:
        bucket = self._alive(bucket_id)
        return bucket.keys.setdefault(key, []), bucket.record.versioning

    def _refuse_locked(self, versions: list[VersionRecord], version_id: str, *, bypass: bool = False) -> None:
        for version in versions:
            lock = version.mutable.lock
            if version.version_id == version_id and lock is not None:
                retained = lock.mode == "COMPLIANCE" or (lock.mode == "GOVERNANCE" and not bypass)
                if lock.legal_hold or (retained and lock.until_us > self._clock.now_us()):
                    raise ObjectLocked(version_id)

    def _drop(self, versions: list[VersionRecord], version_id: str) -> VersionRecord | None:
        for version in versions:
            if version.version_id == version_id:
                versions.remove(version)
                self._note(version.layout)
                return version
        return None

    async def abort(self, intent: Intent, garbage: ObjectLayout) -> None:
        self._note(garbage)

    async def get_version(self, bucket_id: bytes, key: bytes, version_id: str | None = None) -> VersionRecord | None:
        bucket = self._buckets.get(bucket_id)
        versions = bucket.keys.get(key, []) if bucket is not None else []
        for version in reversed(versions):
            if version_id in {None, version.version_id}:
                return replace(version, is_latest=version is versions[-1])
        return None

    async def delete(self, bucket: BucketRecord, request: DeleteRequest) -> Deleted:
        versions, state = self._versions(bucket.bucket_id, request.key)
        if request.version_id is not None:
            named = next((v for v in versions if v.version_id == request.version_id), None)
            _check_seq(request, named)
            if request.if_noncurrent and named is not None and named is versions[-1]:
                raise ObjectChanged("the version is the current one now")
            _check(request.condition, named)
            if named is None:
                return Deleted()
            self._refuse_locked(versions, named.version_id, bypass=request.bypass_governance)
            self._drop(versions, named.version_id)
            self._tell(bucket.bucket_id, named, request.event, self._clock.now_us())
            return Deleted(version_id=named.version_id, is_delete_marker=named.is_delete_marker, existed=True)
        current = versions[-1] if versions else None
        _check_seq(request, current)
        _check(request.condition, current)
        now_us = self._clock.now_us()
        if state is not Versioning.ENABLED:
            self._refuse_locked(versions, NULL_VERSION, bypass=request.bypass_governance)
        if state is Versioning.OFF:
            dropped = self._drop(versions, NULL_VERSION)
            if dropped is not None:
                self._tell(bucket.bucket_id, dropped, request.event, now_us)
            return Deleted(existed=dropped is not None)
        seq = now_us if current is None else max(now_us, current.seq + 1)
        version_id = new_version_id(seq)
        if state is Versioning.SUSPENDED:
            version_id = NULL_VERSION
            self._drop(versions, NULL_VERSION)
        marker = VersionRecord(
            key=request.key, version_id=version_id, seq=seq, is_delete_marker=True, mtime_us=now_us, owner=bucket.owner
        )
        versions.append(marker)
        self._tell(bucket.bucket_id, marker, request.event, now_us)
        existed = current is not None and not current.is_delete_marker
        return Deleted(version_id=version_id, is_delete_marker=True, existed=existed)

    async def delete_many(self, bucket: BucketRecord, requests: Sequence[DeleteRequest]) -> list[Deleted | Exception]:
        outcomes: list[Deleted | Exception] = []
        for request in requests:
            try:
                outcomes.append(await self.delete(bucket, request))
            except (PreconditionFailed, NoSuchKey, NoSuchBucket, ObjectLocked, ObjectChanged) as error:
                outcomes.append(error)
        return outcomes

    async def update_mutable(
        self,
        bucket_id: bytes,
        key: bytes,
        version_id: str | None,
        mutable: MutablePart,
        event: bytes = b"",
        seq: int | None = None,
    ) -> VersionRecord:
        found = await self.get_version(bucket_id, key, version_id)
        if found is None:
            raise NoSuchKey("no such object") if version_id is None else NoSuchVersion(version_id)
        if found.mutable.rev != mutable.rev or seq not in {None, found.seq}:
            raise ObjectChanged("the object was changed meanwhile")
        changed = replace(found, mutable=replace(mutable, rev=mutable.rev + 1))
        self._swap(bucket_id, found, changed)
        self._tell(bucket_id, changed, event, self._clock.now_us())
        return changed

    def _swap(self, bucket_id: bytes, found: VersionRecord, changed: VersionRecord) -> None:
        versions = self._buckets[bucket_id].keys[found.key]
        versions[[version.seq for version in versions].index(found.seq)] = changed

    async def replace_data(
        self, bucket_id: bytes, record: VersionRecord, layout: ObjectLayout, storage_class: str, event: bytes = b""
    ) -> VersionRecord:
        found = await self.get_version(bucket_id, record.key, record.version_id)
        if found is None:
            raise NoSuchVersion(record.version_id)
        if found.seq != record.seq or found.layout != record.layout or found.mutable.rev != record.mutable.rev:
            raise ObjectChanged("the object was changed meanwhile")
        changed = replace(
            found,
            layout=layout,
            attributes=replace(found.attributes, storage_class=storage_class),
            mutable=replace(found.mutable, rev=found.mutable.rev + 1),
        )
        if layout != found.layout:
            self._note(found.layout)
        self._swap(bucket_id, found, changed)
        self._tell(bucket_id, changed, event, self._clock.now_us())
        return changed

    async def rename(
        self,
        bucket: BucketRecord,
        source: bytes,
        target: bytes,
        source_condition: WriteCondition,
        target_condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        moving, state = self._versions(bucket.bucket_id, source)
        staying, _ = self._versions(bucket.bucket_id, target)
        if state is not Versioning.OFF:
            raise BucketChanged("the bucket has versions")
        _check(source_condition, moving[-1] if moving else None)
        if not moving:
            raise NoSuchKey("nothing to rename")
        _check(target_condition, staying[-1] if staying else None)
        for versions in (moving, staying):
            self._refuse_locked(versions, NULL_VERSION)
        moved = moving[-1]
        if source != target:
            now_us = self._clock.now_us()
            seq = max(now_us, staying[-1].seq + 1) if staying else now_us
            moving.clear()
            self._drop(staying, NULL_VERSION)
            moved = replace(moved, key=target, seq=seq)
            staying.append(moved)
            self._tell(bucket.bucket_id, moved, event, now_us)
        return Committed(
            version_id=moved.version_id, seq=moved.seq, mtime_us=moved.mtime_us, versioning=state, etag=moved.etag
        )

    async def scan(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo | None = None
    ) -> list[ListRow]:
        rows = await self.scan_versions(bucket_id, start, None, end, 1 << 30)
        return [row for row in rows if row.is_latest and not row.is_delete_marker][:limit]

    async def scan_versions(
        self,
        bucket_id: bytes,
        start: bytes,
        start_seq: int | None,
        end: bytes | None,
        limit: int,
        memo: ScanMemo | None = None,
    ) -> list[ListRow]:
        bucket = self._buckets.get(bucket_id)
        rows: list[ListRow] = []
        for key, versions in sorted(bucket.keys.items()) if bucket is not None else ():
            if key < start or (end is not None and key >= end):
                continue
            seen = [v for v in reversed(versions) if key != start or start_seq is None or v.seq < start_seq]
            rows += [_row(version, version is versions[-1]) for version in seen]
        return rows[:limit]

    # ---- multipart uploads ---------------------------------------------------------------------------------------

    def _upload(self, upload: UploadRecord) -> _Upload:
        found = self._uploads.get((upload.bucket_id, upload.key, upload.upload_id))
        if found is None or found.record.completed is not None:
            raise NoSuchUpload(upload.upload_id)
        return found

    async def create_upload(self, upload: UploadRecord) -> None:
        self._alive(upload.bucket_id)
        self._uploads[upload.bucket_id, upload.key, upload.upload_id] = _Upload(upload)

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        found = self._uploads.get((bucket_id, key, upload_id))
        return None if found is None else found.record

    async def put_part(self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()) -> None:
        found = self._upload(upload)
        if part.number in found.parts:
            self._note(found.parts[part.number].layout)
        found.parts[part.number] = part
        self._repair(repairs)

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        found = self._uploads.get((upload.bucket_id, upload.key, upload.upload_id))
        parts = sorted(found.parts.items()) if found is not None else []
        return [part for number, part in parts if number > after][:limit]

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        rows = []
        for place, upload in sorted(self._uploads.items()):
            _, key, upload_id = place
            if place[0] != bucket_id or upload.record.completed is not None:
                continue
            if (key, upload_id) <= (start, after_upload_id) or (end is not None and key >= end):
                continue
            rows.append(_upload_row(upload.record))
        return rows[:limit]

    async def abort_upload(self, upload: UploadRecord) -> None:
        for part in self._upload(upload).parts.values():
            self._note(part.layout)
        del self._uploads[upload.bucket_id, upload.key, upload.upload_id]

    async def complete_upload(
        self,
        intent: Intent,
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        earlier = await self.get_upload(upload.bucket_id, upload.key, upload.upload_id)
        if earlier is not None and earlier.completed is not None and earlier.completed.etag == version.etag:
            return earlier.completed
        found = self._upload(upload)
        for part in parts:
            if found.parts.get(part.number) != part:
                raise InvalidPart(part.number)
        committed = self._put(upload.bucket_id, upload.key, version, condition, event)
        for number in found.parts.keys() - {part.number for part in parts}:
            self._note(found.parts[number].layout)
        found.parts.clear()
        found.record = replace(found.record, completed=committed)
        return committed

    # ---- maintenance ---------------------------------------------------------------------------------------------

    def _note(self, layout: ObjectLayout) -> None:
        if layout.segments:
            due_us = self._clock.now_us() + self._grace_us
            self._garbage.append(GarbageNote(note_id=secrets.token_bytes(16), due_us=due_us, layout=layout))

    async def add_garbage(self, layout: ObjectLayout) -> None:
        self._note(layout)

    async def due_garbage(self, now_us: int, limit: int) -> list[GarbageNote]:
        due = [note for note in self._garbage if note.due_us <= now_us]
        return sorted(due, key=lambda note: note.due_us)[:limit]

    async def finish_garbage(self, note_ids: Sequence[bytes]) -> None:
        self._garbage = [note for note in self._garbage if note.note_id not in note_ids]

    async def garbage_count(self) -> int:
        return len(self._garbage)

    def _repair(self, rows: Sequence[RepairRow]) -> None:
        for row in rows:
            known = self._repairs.get(row.stripe_id)
            slots = {*row.slots, *(known.slots if known is not None else ())}
            self._repairs[row.stripe_id] = RepairRow(row.pg, row.stripe_id, tuple(sorted(slots)))

    async def add_repairs(self, rows: Sequence[RepairRow]) -> None:
        self._repair(rows)

    async def list_repairs(self, after: bytes, limit: int) -> list[RepairRow]:
        return [row for stripe_id, row in sorted(self._repairs.items()) if stripe_id > after][:limit]

    async def finish_repairs(self, rows: Sequence[RepairRow]) -> None:
        for row in rows:
            known = self._repairs.pop(row.stripe_id, None)
            left = tuple(slot for slot in known.slots if slot not in row.slots) if known is not None else ()
            if left:
                self._repairs[row.stripe_id] = RepairRow(row.pg, row.stripe_id, left)

    async def repair_count(self) -> int:
        return len(self._repairs)

    # ---- cluster -------------------------------------------------------------------------------------------------

    async def get_map(self) -> tuple[int, bytes] | None:
        return self._map

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        held = 0 if self._map is None else self._map[0]
        if held != expected_epoch or epoch <= held:
            raise StaleEpoch(f"epoch {expected_epoch} was expected, {held} is published")
        self._map = epoch, raw

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        now_us = self._clock.now_us()
        held = self._leases.get(name)
        if held is not None and held.owner != owner and held.until_us > now_us:
            return None
        rev = 1 if held is None else held.rev + 1
        self._leases[name] = Lease(name=name, owner=owner, until_us=now_us + int(seconds * 1_000_000), rev=rev)
        return self._leases[name]

    async def release_lease(self, lease: Lease) -> None:
        held = self._leases.get(lease.name)
        if held is not None and (held.owner, held.rev) == (lease.owner, lease.rev):
            del self._leases[lease.name]


def _check(condition: WriteCondition, version: VersionRecord | None) -> None:
    """Raises what ``MetadataStore.commit`` and ``delete`` say; a delete marker counts as nothing."""
    exists = version is not None and not version.is_delete_marker
    if version is None or not exists:
        if condition.if_match:
            raise NoSuchKey("If-Match, and there is no object")
        return
    if condition.if_match and not {"*", version.etag} & set(condition.if_match):
        raise PreconditionFailed("If-Match")
    if {"*", version.etag} & set(condition.if_none_match):
        raise PreconditionFailed("If-None-Match")
    if condition.if_match_size not in {None, version.size}:
        raise PreconditionFailed("x-amz-if-match-size")
    wanted_us = condition.if_match_mtime_us
    if wanted_us is not None and wanted_us // 1_000_000 != version.mtime_us // 1_000_000:
        raise PreconditionFailed("x-amz-if-match-last-modified-time")


def _check_seq(request: DeleteRequest, version: VersionRecord | None) -> None:
    if request.if_seq is not None and (version is None or version.seq != request.if_seq):
        raise ObjectChanged("another version is there now")


def _row(version: VersionRecord, is_latest: bool) -> ListRow:
    checksum = version.attributes.checksum
    return ListRow(
        key=version.key,
        size=version.size,
        etag=version.etag,
        mtime_us=version.mtime_us,
        storage_class=version.attributes.storage_class,
        owner=version.owner,
        checksum_algorithm="" if checksum is None else checksum.algorithm,
        checksum_type="" if checksum is None else checksum.type,
        version_id=version.version_id,
        seq=version.seq,
        is_delete_marker=version.is_delete_marker,
        is_latest=is_latest,
    )


def _upload_row(upload: UploadRecord) -> UploadRow:
    return UploadRow(
        key=upload.key,
        upload_id=upload.upload_id,
        initiated_us=upload.initiated_us,
        owner=upload.owner,
        initiator=upload.initiator,
        storage_class=upload.attributes.storage_class,
        checksum_algorithm=upload.checksum_algorithm,
        checksum_type=upload.checksum_type,
    )
