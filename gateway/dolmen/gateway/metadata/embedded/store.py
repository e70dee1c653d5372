"""The embedded backend of the metadata port: SQLite in one file, several processes on it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.embedded import objects, uploads
from dolmen.gateway.metadata.embedded.database import Connection, Writer, blob, connect, integer, prepare, translated
from dolmen.gateway.metadata.embedded.uploads import EmbeddedUploads
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
    GarbageNote,
    Lease,
    ListRow,
    MutablePart,
    NewVersion,
    RepairRow,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import (
    BucketChanged,
    BucketExists,
    BucketNotEmpty,
    Intent,
    IntentExpired,
    NoSuchBucket,
    StaleEpoch,
)

INTENT_SECONDS = 24 * 3600.0  # an upload that takes longer must not commit: its data may be condemned as an orphan

_encoder = msgspec.msgpack.Encoder()
_bucket = msgspec.msgpack.Decoder(BucketRecord)
_layout = msgspec.msgpack.Decoder(ObjectLayout)
_repair = msgspec.msgpack.Decoder(RepairRow)


@dataclass(frozen=True, slots=True)
class EmbeddedIntent:
    """A write in flight; the transaction of its commit is all the protection that one file needs."""

    bucket_id: bytes
    key: bytes
    begun_seconds: float
    write_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))


class EmbeddedStore(EmbeddedUploads):
    """See ``MetadataStore``."""

    def __init__(self, path: str, clock: Clock, *, garbage_grace_seconds: float) -> None:
        self._path = path
        self._clock = clock
        self._grace_us = int(garbage_grace_seconds * 1_000_000)

    async def open(self) -> None:
        prepare(self._path)
        self._writer = Writer(self._path)
        self._reader = connect(self._path, readonly=True)

    async def close(self) -> None:
        await self._writer.close()
        self._reader.close()

    # ---- buckets -------------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: BucketRecord) -> None:
        def run(connection: Connection) -> None:
            found = connection.execute("SELECT owner FROM buckets WHERE name = ?", (bucket.name,)).fetchone()
            if found is not None:
                raise BucketExists(found[0])
            connection.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)",
                (bucket.name, bucket.bucket_id, bucket.owner, bucket.rev, bucket.versioning, _encoder.encode(bucket)),
            )

        await self._writer.submit(run)

    async def get_bucket(self, name: str) -> BucketRecord | None:
        with translated():
            found = self._reader.execute("SELECT record FROM buckets WHERE name = ?", (name,)).fetchone()
        return None if found is None else _bucket.decode(found[0])

    async def list_buckets(self, owner: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        with translated():
            rows = self._reader.execute(
                "SELECT record FROM buckets WHERE owner = ? AND name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                (owner, after, len(prefix), prefix, limit),
            ).fetchall()
        return [_bucket.decode(blob(raw)) for (raw,) in rows]

    async def update_bucket(self, bucket: BucketRecord) -> BucketRecord:
        changed = msgspec.structs.replace(bucket, rev=bucket.rev + 1)

        def run(connection: Connection) -> BucketRecord:
            found = connection.execute(
                "SELECT rev FROM buckets WHERE name = ? AND bucket_id = ?", (bucket.name, bucket.bucket_id)
            ).fetchone()
            if found is None:
                raise NoSuchBucket(bucket.name)
            if found[0] != bucket.rev:
                raise BucketChanged(bucket.name)
            connection.execute(
                "UPDATE buckets SET rev = ?, versioning = ?, owner = ?, record = ? WHERE name = ?",
                (changed.rev, changed.versioning, changed.owner, _encoder.encode(changed), bucket.name),
            )
            return changed

        return await self._writer.submit(run)

    async def delete_bucket(self, name: str, bucket_id: bytes) -> None:
        def run(connection: Connection) -> None:
            if (
                connection.execute("SELECT 1 FROM buckets WHERE name = ? AND bucket_id = ?", (name, bucket_id)).fetchone()
                is None
            ):
                raise NoSuchBucket(name)
            for query in (
                "SELECT 1 FROM versions WHERE bucket_id = ? LIMIT 1",
                "SELECT 1 FROM uploads WHERE bucket_id = ? AND completed_us IS NULL LIMIT 1",
            ):
                if connection.execute(query, (bucket_id,)).fetchone() is not None:
                    raise BucketNotEmpty(name)
            connection.execute("DELETE FROM uploads WHERE bucket_id = ?", (bucket_id,))
            connection.execute("DELETE FROM buckets WHERE name = ?", (name,))

        await self._writer.submit(run)

    # ---- objects -------------------------------------------------------------------------------------------------

    async def begin(self, bucket: BucketRecord, key: bytes) -> EmbeddedIntent:
        with translated():
            objects.versioning_of(self._reader, bucket.bucket_id)
        return EmbeddedIntent(bucket.bucket_id, key, self._clock.monotonic_seconds())

    def _own(self, intent: Intent) -> EmbeddedIntent:
        assert isinstance(intent, EmbeddedIntent)
        if self._clock.monotonic_seconds() - intent.begun_seconds > INTENT_SECONDS:
            raise IntentExpired("the upload took longer than its intent lives")
        return intent

    async def commit(
        self, intent: Intent, version: NewVersion, condition: WriteCondition, repairs: Sequence[RepairRow] = ()
    ) -> Committed:
        own = self._own(intent)

        def run(connection: Connection) -> Committed:
            now_us = self._clock.now_us()
            committed = objects.put(
                connection, own.bucket_id, own.key, version, condition, now_us, now_us + self._grace_us
            )
            objects.note_repairs(connection, repairs)
            return committed

        return await self._writer.submit(run)

    async def abort(self, intent: Intent, garbage: ObjectLayout) -> None:
        if garbage.segments:
            await self.add_garbage(garbage)

    async def get_version(self, bucket_id: bytes, key: bytes, version_id: str | None = None) -> VersionRecord | None:
        with translated(), self._reader:  # one snapshot
            found = objects.read_version(self._reader, bucket_id, key, version_id)
        return found

    async def delete(self, bucket: BucketRecord, request: DeleteRequest) -> Deleted:
        def run(connection: Connection) -> Deleted:
            now_us = self._clock.now_us()
            return objects.delete(connection, bucket, request, now_us, now_us + self._grace_us)

        return await self._writer.submit(run)

    async def delete_many(self, bucket: BucketRecord, requests: Sequence[DeleteRequest]) -> list[Deleted | Exception]:
        def run(connection: Connection) -> list[Deleted | Exception]:
            now_us = self._clock.now_us()
            outcomes: list[Deleted | Exception] = []
            for request in requests:
                try:
                    outcomes.append(objects.delete(connection, bucket, request, now_us, now_us + self._grace_us))
                except uploads.REFUSALS as error:  # raised before anything is written
                    outcomes.append(error)
            return outcomes

        return await self._writer.submit(run)

    async def update_mutable(
        self, bucket_id: bytes, key: bytes, version_id: str | None, mutable: MutablePart
    ) -> VersionRecord:
        return await self._writer.submit(
            lambda connection: objects.update_mutable(connection, bucket_id, key, version_id, mutable)
        )

    async def scan(self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int) -> list[ListRow]:
        with translated():
            return objects.scan(self._reader, bucket_id, start, end, limit)

    async def scan_versions(
        self, bucket_id: bytes, start: bytes, start_seq: int | None, end: bytes | None, limit: int
    ) -> list[ListRow]:
        with translated(), self._reader:
            rows = objects.scan_versions(self._reader, bucket_id, start, start_seq, end, limit)
        return rows

    # ---- maintenance ---------------------------------------------------------------------------------------------

    async def add_garbage(self, layout: ObjectLayout) -> None:
        due_us = self._clock.now_us() + self._grace_us
        await self._writer.submit(lambda connection: objects.note_garbage(connection, layout, due_us))

    async def due_garbage(self, now_us: int, limit: int) -> list[GarbageNote]:
        with translated():
            rows = self._reader.execute(
                "SELECT note_id, due_us, layout FROM garbage WHERE due_us <= ? ORDER BY due_us LIMIT ?", (now_us, limit)
            ).fetchall()
        return [GarbageNote(note_id=blob(note), due_us=integer(due), layout=_layout.decode(blob(raw))) for note, due, raw in rows]

    async def finish_garbage(self, note_ids: Sequence[bytes]) -> None:
        def run(connection: Connection) -> None:
            connection.executemany("DELETE FROM garbage WHERE note_id = ?", [(note,) for note in note_ids])

        await self._writer.submit(run)

    async def _count(self, query: str) -> int:
        with translated():
            return integer(self._reader.execute(query).fetchall()[0][0])

    async def garbage_count(self) -> int:
        return await self._count("SELECT count(*) FROM garbage")

    async def list_repairs(self, after: bytes, limit: int) -> list[RepairRow]:
        with translated():
            rows = self._reader.execute(
                "SELECT record FROM repairs WHERE stripe_id > ? ORDER BY stripe_id LIMIT ?", (after, limit)
            ).fetchall()
        return [_repair.decode(blob(raw)) for (raw,) in rows]

    async def finish_repairs(self, rows: Sequence[RepairRow]) -> None:
        def run(connection: Connection) -> None:
            connection.executemany("DELETE FROM repairs WHERE stripe_id = ?", [(row.stripe_id,) for row in rows])

        await self._writer.submit(run)

    async def repair_count(self) -> int:
        return await self._count("SELECT count(*) FROM repairs")

    # ---- cluster -------------------------------------------------------------------------------------------------

    async def get_map(self) -> tuple[int, bytes] | None:
        with translated():
            found = self._reader.execute("SELECT epoch, raw FROM cluster_map").fetchone()
        return None if found is None else (found[0], found[1])

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        def run(connection: Connection) -> None:
            found = connection.execute("SELECT epoch FROM cluster_map").fetchone()
            held = 0 if found is None else found[0]
            if held != expected_epoch or epoch <= held:
                raise StaleEpoch(f"epoch {expected_epoch} was expected, {held} is published")
            connection.execute("INSERT OR REPLACE INTO cluster_map VALUES (1, ?, ?)", (epoch, raw))

        await self._writer.submit(run)

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        def run(connection: Connection) -> Lease | None:
            now_us = self._clock.now_us()
            found = connection.execute("SELECT owner, until_us, rev FROM leases WHERE name = ?", (name,)).fetchone()
            if found is not None and found[0] != owner and found[1] > now_us:
                return None
            rev = 1 if found is None else found[2] + 1
            lease = Lease(name=name, owner=owner, until_us=now_us + int(seconds * 1_000_000), rev=rev)
            connection.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (name, owner, lease.until_us, rev)
            )
            return lease

        return await self._writer.submit(run)

    async def release_lease(self, lease: Lease) -> None:
        def run(connection: Connection) -> None:
            connection.execute(
                "DELETE FROM leases WHERE name = ? AND owner = ? AND rev = ?", (lease.name, lease.owner, lease.rev)
            )

        await self._writer.submit(run)
