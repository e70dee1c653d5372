"""The embedded backend of the metadata port: SQLite in one file, several processes on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.embedded import documents, moves, objects, uploads
from dolmen.gateway.metadata.embedded.checkpoint import Checkpointer
from dolmen.gateway.metadata.embedded.database import SqliteError, blob, connect, integer, ours, prepare, translated
from dolmen.gateway.metadata.embedded.documents import EmbeddedDocuments
from dolmen.gateway.metadata.embedded.events import EmbeddedEvents
from dolmen.gateway.metadata.embedded.intents import EmbeddedIntent, alive
from dolmen.gateway.metadata.embedded.uploads import EmbeddedUploads
from dolmen.gateway.metadata.embedded.writer import Transaction, Writer
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
    Usage,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import (
    SCAN_ROWS_MAX,
    BucketChanged,
    BucketExists,
    BucketNotEmpty,
    Intent,
    NoSuchBucket,
    ScanMemo,
    StaleEpoch,
)

_encoder = msgspec.msgpack.Encoder()
_bucket = msgspec.msgpack.Decoder(BucketRecord)
_layout = msgspec.msgpack.Decoder(ObjectLayout)
_repair = msgspec.msgpack.Decoder(RepairRow)


class EmbeddedStore(EmbeddedUploads, EmbeddedEvents, EmbeddedDocuments):
    """See ``MetadataStore``."""

    def __init__(self, path: str, clock: Clock, *, garbage_grace_seconds: float) -> None:
        self._path = path
        self._clock = clock
        self._grace_us = int(garbage_grace_seconds * 1_000_000)

    async def open(self) -> None:
        prepare(self._path)
        self._checkpointer = Checkpointer(self._path)
        self._writer = Writer(self._path, self._clock, self._checkpointer.committed)
        self._reader = connect(self._path, readonly=True)
        self._read = self._reader.cursor().execute

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._checkpointer.close)
        self._reader.close()

    def reasons(self) -> list[str]:
        return []

    async def upkeep(self) -> int:
        return 0

    # ---- buckets -------------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: BucketRecord) -> None:
        def run(transaction: Transaction) -> None:
            found = transaction.execute("SELECT owner FROM buckets WHERE name = ?", (bucket.name,)).fetchall()
            if found:
                raise BucketExists(found[0][0])
            transaction.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?)",
                (bucket.name, bucket.bucket_id, bucket.owner, bucket.rev, bucket.versioning, _encoder.encode(bucket)),
            )

        await self._writer.submit(run)

    async def get_bucket(self, name: str) -> BucketRecord | None:
        try:
            found = self._read("SELECT record FROM buckets WHERE name = ?", (name,)).fetchall()
        except SqliteError as error:
            raise ours(error) from error
        return _bucket.decode(found[0][0]) if found else None

    async def list_buckets(self, owner: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        with translated():
            rows = self._read(
                "SELECT record FROM buckets WHERE owner = ? AND name > ? AND name >= ? AND substr(name, 1, ?) = ? "
                "ORDER BY name LIMIT ?",
                (owner, after, prefix, len(prefix), prefix, _bounded(limit)),
            ).fetchall()
        return [_bucket.decode(blob(raw)) for (raw,) in rows]

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        with translated():
            query = "SELECT record FROM buckets WHERE name > ? ORDER BY name LIMIT ?"
            rows = self._read(query, (after, _bounded(limit))).fetchall()
        return [_bucket.decode(blob(raw)) for (raw,) in rows]

    async def update_bucket(self, bucket: BucketRecord) -> BucketRecord:
        changed = msgspec.structs.replace(bucket, rev=bucket.rev + 1)

        def run(transaction: Transaction) -> BucketRecord:
            found = transaction.execute(
                "SELECT rev FROM buckets WHERE name = ? AND bucket_id = ?", (bucket.name, bucket.bucket_id)
            ).fetchall()
            if not found:
                raise NoSuchBucket(bucket.name)
            if found[0][0] != bucket.rev:
                raise BucketChanged(bucket.name)
            transaction.execute(
                "UPDATE buckets SET rev = ?, versioning = ?, owner = ?, record = ? WHERE name = ?",
                (changed.rev, changed.versioning, changed.owner, _encoder.encode(changed), bucket.name),
            )
            transaction.versioning.pop(bucket.bucket_id, None)
            return changed

        return await self._writer.submit(run)

    async def delete_bucket(self, name: str, bucket_id: bytes) -> None:
        def run(transaction: Transaction) -> None:
            execute = transaction.execute
            if not execute("SELECT 1 FROM buckets WHERE name = ? AND bucket_id = ?", (name, bucket_id)).fetchall():
                raise NoSuchBucket(name)
            if execute("SELECT 1 FROM versions WHERE bucket_id = ? LIMIT 1", (bucket_id,)).fetchall():
                raise BucketNotEmpty(name)
            uploads.end_all(execute, bucket_id, self._clock.now_us() + self._grace_us)
            documents.drop_space(execute, f"bucket/{bucket_id.hex()}")
            transaction.versioning.pop(bucket_id, None)
            execute("DELETE FROM usage WHERE bucket_id = ?", (bucket_id,))
            execute("DELETE FROM buckets WHERE name = ?", (name,))

        await self._writer.submit(run)

    async def usage(self, bucket_id: bytes) -> Usage:
        with translated():
            return objects.usage(self._read, bucket_id)

    # ---- objects -------------------------------------------------------------------------------------------------

    async def begin(self, bucket: BucketRecord, key: bytes) -> EmbeddedIntent:
        with translated():
            if not objects.bucket_exists(self._read, bucket.bucket_id):
                raise NoSuchBucket(bucket.name)
        return EmbeddedIntent(bucket.bucket_id, key, self._clock.monotonic_seconds())

    async def commit(
        self,
        intent: Intent,
        version: NewVersion,
        condition: WriteCondition,
        repairs: Sequence[RepairRow] = (),
        event: bytes = b"",
    ) -> Committed:
        own = alive(intent, self._clock)

        def run(transaction: Transaction) -> Committed:
            now_us = self._clock.now_us()
            committed = objects.put(
                transaction, own.bucket_id, own.key, version, condition, now_us, now_us + self._grace_us, event
            )
            objects.note_repairs(transaction.execute, repairs)
            return committed

        return await self._writer.submit(run)

    async def abort(self, intent: Intent, garbage: ObjectLayout) -> None:
        if garbage.segments:
            await self.add_garbage(garbage)

    async def get_version(self, bucket_id: bytes, key: bytes, version_id: str | None = None) -> VersionRecord | None:
        try:
            return objects.read_version(self._read, bucket_id, key, version_id)
        except SqliteError as error:
            raise ours(error) from error

    async def delete(self, bucket: BucketRecord, request: DeleteRequest) -> Deleted:
        def run(transaction: Transaction) -> Deleted:
            now_us = self._clock.now_us()
            return objects.delete(transaction, bucket, request, now_us, now_us + self._grace_us)

        return await self._writer.submit(run)

    async def delete_many(self, bucket: BucketRecord, requests: Sequence[DeleteRequest]) -> list[Deleted | Exception]:
        def operation(request: DeleteRequest) -> Callable[[Transaction], Deleted]:
            def run(transaction: Transaction) -> Deleted:
                now_us = self._clock.now_us()
                return objects.delete(transaction, bucket, request, now_us, now_us + self._grace_us)

            return run

        if not requests:
            return []
        outcomes = await self._writer.submit_all([operation(request) for request in requests])
        return cast("list[Deleted | Exception]", outcomes)

    async def update_mutable(
        self,
        bucket_id: bytes,
        key: bytes,
        version_id: str | None,
        mutable: MutablePart,
        event: bytes = b"",
        seq: int | None = None,
    ) -> VersionRecord:
        return await self._writer.submit(
            lambda transaction: objects.update_mutable(
                transaction.execute, bucket_id, key, version_id, mutable, event, self._clock.now_us(), seq
            )
        )

    async def replace_data(
        self, bucket_id: bytes, record: VersionRecord, layout: ObjectLayout, storage_class: str, event: bytes = b""
    ) -> VersionRecord:
        def run(transaction: Transaction) -> VersionRecord:
            now_us = self._clock.now_us()
            return moves.replace_data(
                transaction, bucket_id, record, layout, storage_class, event, now_us, now_us + self._grace_us
            )

        return await self._writer.submit(run)

    async def rename(
        self,
        bucket: BucketRecord,
        source: bytes,
        target: bytes,
        source_condition: WriteCondition,
        target_condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        def run(transaction: Transaction) -> Committed:
            now_us = self._clock.now_us()
            conditions = source_condition, target_condition
            return moves.rename(
                transaction, bucket, source, target, *conditions, event, now_us, now_us + self._grace_us
            )

        return await self._writer.submit(run)

    async def scan(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo | None = None
    ) -> list[ListRow]:
        try:
            return objects.scan(self._read, bucket_id, start, end, _bounded(limit))
        except SqliteError as error:
            raise ours(error) from error

    async def scan_versions(
        self,
        bucket_id: bytes,
        start: bytes,
        start_seq: int | None,
        end: bytes | None,
        limit: int,
        memo: ScanMemo | None = None,
    ) -> list[ListRow]:
        with translated(), self._reader:  # one snapshot
            rows = objects.scan_versions(self._read, bucket_id, start, start_seq, end, _bounded(limit))
        return rows

    # ---- maintenance ---------------------------------------------------------------------------------------------

    async def add_garbage(self, layout: ObjectLayout) -> None:
        due_us = self._clock.now_us() + self._grace_us
        await self._writer.submit(lambda transaction: objects.note_garbage(transaction.execute, layout, due_us))

    async def due_garbage(self, now_us: int, limit: int) -> list[GarbageNote]:
        with translated():
            rows = self._read(
                "SELECT note_id, due_us, layout FROM garbage WHERE due_us <= ? ORDER BY due_us LIMIT ?", (now_us, limit)
            ).fetchall()
        return [GarbageNote(note_id=blob(note), due_us=integer(due), layout=_layout.decode(blob(raw))) for note, due, raw in rows]

    async def finish_garbage(self, note_ids: Sequence[bytes]) -> None:
        def run(transaction: Transaction) -> None:
            for note in note_ids:
                transaction.execute("DELETE FROM garbage WHERE note_id = ?", (note,))

        await self._writer.submit(run)

    async def _count(self, query: str) -> int:
        with translated():
            return integer(self._read(query).fetchall()[0][0])

    async def garbage_count(self) -> int:
        return await self._count("SELECT count(*) FROM garbage")

    async def add_repairs(self, rows: Sequence[RepairRow]) -> None:
        with translated():
            fresh = [row for row in rows if objects.merged_repair(self._read, row) is not None]
        if fresh:  # a rotten fragment may be read often; it is written down once
            await self._writer.submit(lambda transaction: objects.note_repairs(transaction.execute, fresh))

    async def list_repairs(self, after: bytes, limit: int) -> list[RepairRow]:
        with translated():
            rows = self._read(
                "SELECT record FROM repairs WHERE stripe_id > ? ORDER BY stripe_id LIMIT ?", (after, limit)
            ).fetchall()
        return [_repair.decode(blob(raw)) for (raw,) in rows]

    async def finish_repairs(self, rows: Sequence[RepairRow]) -> None:
        await self._writer.submit(lambda transaction: objects.finish_repairs(transaction.execute, rows))

    async def repair_count(self) -> int:
        return await self._count("SELECT count(*) FROM repairs")

    # ---- cluster -------------------------------------------------------------------------------------------------

    async def get_map(self) -> tuple[int, bytes] | None:
        with translated():
            found = self._read("SELECT epoch, raw FROM cluster_map").fetchall()
        return (found[0][0], found[0][1]) if found else None

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        def run(transaction: Transaction) -> None:
            found = transaction.execute("SELECT epoch FROM cluster_map").fetchall()
            held = found[0][0] if found else 0
            if held != expected_epoch or epoch <= held:
                raise StaleEpoch(f"epoch {expected_epoch} was expected, {held} is published")
            transaction.execute("INSERT OR REPLACE INTO cluster_map VALUES (1, ?, ?)", (epoch, raw))

        await self._writer.submit(run)

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        def run(transaction: Transaction) -> Lease | None:
            now_us = self._clock.now_us()
            found = transaction.execute("SELECT owner, until_us, rev FROM leases WHERE name = ?", (name,)).fetchall()
            holder, until_us, rev = found[0] if found else (owner, 0, 0)
            if holder != owner and until_us > now_us:
                return None
            rev += 1
            lease = Lease(name=name, owner=owner, until_us=now_us + int(seconds * 1_000_000), rev=rev)
            transaction.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (name, owner, lease.until_us, rev)
            )
            return lease

        return await self._writer.submit(run)

    async def release_lease(self, lease: Lease) -> None:
        def run(transaction: Transaction) -> None:
            transaction.execute(
                "DELETE FROM leases WHERE name = ? AND owner = ? AND rev = ?", (lease.name, lease.owner, lease.rev)
            )

        await self._writer.submit(run)


def _bounded(limit: int) -> int:
    """Reads run in the event loop: one that would hold it for long is a programming error."""
    if limit > SCAN_ROWS_MAX:
        raise ValueError(f"{limit} rows at once, {SCAN_ROWS_MAX} are allowed")
    return limit
