"""The Cassandra backend of the metadata port: composed of its parts, which do the work."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra import objects
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.commits import Decision, nothing_happened
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.intents import ALIVE_SECONDS, INTENT_SECONDS, REFRESH_SECONDS, Announced, BucketClosed
from dolmen.gateway.metadata.cassandra.moves import Wanted
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.cassandra.ports import Maintained
from dolmen.gateway.metadata.cassandra.truth import Head, new_op
from dolmen.gateway.metadata.cassandra.usage import FLUSH_SECONDS
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
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
    SCAN_ROWS_MAX,
    BucketChanged,
    Intent,
    IntentExpired,
    MetadataUnavailable,
    NoSuchBucket,
    ScanMemo,
)

CLOSED_ROUNDS_MAX = 4  # deletions of its bucket that were given up, before a change is
EXPIRED_SECONDS = INTENT_SECONDS - REFRESH_SECONDS  # a write that took so long must not commit: its intent may go any moment
DELETES_AT_ONCE = 32  # of one DeleteObjects: each is some statements of its own partition

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class CassandraIntent:
    """See ``Intent``."""

    bucket: BucketRecord
    key: bytes
    write_id: bytes
    announced: Announced
    head: Head | None
    begun_seconds: float


class CassandraStore(Maintained):
    """See ``MetadataStore``."""

    def __init__(
        self,
        address: CassandraAddress,
        clock: Clock,
        *,
        garbage_grace_seconds: float,
        on_statement: Callable[[], None] | None = None,
    ) -> None:
        self._address = address
        self._clock = clock
        self._grace_us = int(garbage_grace_seconds * 1_000_000)
        self._on_statement = on_statement
        self._log = get_logger("metadata")
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Does not wait for a cluster that is down: then every operation is refused until it answers."""
        self._session = CassandraSession(self._address, self._clock, on_statement=self._on_statement)
        await self._session.connect()
        self._parts = Parts(self._session, self._address, self._clock, 1 + secrets.randbits(62), self._grace_us)
        self._background = [asyncio.create_task(self._live()), asyncio.create_task(self._count())]

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._parts.close()
        await self._session.close()

    def reasons(self) -> list[str]:
        """Why this process should get no traffic; empty when it may."""
        return self._session.ready()

    async def _live(self) -> None:
        while True:
            try:
                await self._parts.intents.show_life()
            except DolmenError as error:
                self._log.debug("no sign of life could be left", error=str(error))
            await asyncio.sleep(ALIVE_SECONDS)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._parts.flush()

    # ---- buckets -------------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: BucketRecord) -> None:
        await self._parts.buckets.create(bucket)

    async def get_bucket(self, name: str) -> BucketRecord | None:
        return await self._parts.buckets.get(name)

    async def list_buckets(self, owner: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        return await self._parts.buckets.list(owner, prefix, after, limit)

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        return await self._parts.buckets.all(after, limit)

    async def update_bucket(self, bucket: BucketRecord) -> BucketRecord:
        return await self._parts.buckets.update(bucket)

    async def delete_bucket(self, name: str, bucket_id: bytes) -> None:
        await self._parts.buckets.delete(name, bucket_id)

    async def usage(self, bucket_id: bytes) -> Usage:
        await self._parts.follow.idle()
        return await self._parts.usage.of(bucket_id)

    async def _fresh(self, bucket: BucketRecord) -> BucketRecord:
        self._parts.names.put(bucket.bucket_id, bucket.name)
        return await self._parts.buckets.fresh(bucket.name, bucket.bucket_id)

    async def _unless_closed(self, bucket: BucketRecord, work: Callable[[], Awaitable[T]]) -> T:
        """The result of ``work``, which is done again when the bucket was about to be deleted, and then was not.

        ``BucketClosed`` comes before anything is changed. Raises ``NoSuchBucket``.
        """
        for _ in range(CLOSED_ROUNDS_MAX):
            try:
                return await work()
            except BucketClosed:
                await self._parts.buckets.wait_for_end_of_deletion(bucket.name, bucket.bucket_id)
        raise MetadataUnavailable("somebody tries to delete the bucket again and again")

    # ---- objects -------------------------------------------------------------------------------------------------

    async def begin(self, bucket: BucketRecord, key: bytes) -> CassandraIntent:
        with nothing_happened():
            # The head comes first: whoever finds the intent and moves the key on makes a change decided on this head fail.
            head = await self._parts.truth.head(bucket.bucket_id, key)
            announced = await self._unless_closed(
                bucket, lambda: self._parts.intents.announce(bucket.bucket_id, key, new_op())
            )
        return CassandraIntent(
            bucket, key, secrets.token_bytes(16), announced, head, self._clock.monotonic_seconds()
        )

    async def _still(self, intent: Intent) -> CassandraIntent:
        """The intent as ours. Raises ``IntentExpired``."""
        assert isinstance(intent, CassandraIntent)
        age_seconds = self._clock.monotonic_seconds() - intent.begun_seconds
        if age_seconds > EXPIRED_SECONDS:
            raise IntentExpired("the upload took longer than its intent lives")
        if age_seconds > REFRESH_SECONDS:
            with nothing_happened():
                await self._unless_closed(intent.bucket, lambda: self._parts.intents.check_again(intent.announced))
        return intent

    async def commit(
        self,
        intent: Intent,
        version: NewVersion,
        condition: WriteCondition,
        repairs: Sequence[RepairRow] = (),
        event: bytes = b"",
    ) -> Committed:
        own = await self._still(intent)

        async def decide(head: Head) -> Decision[Committed]:
            bucket = await self._fresh(own.bucket)
            return objects.put(
                bucket, own.key, head, version, condition, self._clock.now_us(), tuple(repairs), event
            )

        apply = self._parts.commits.apply
        return await self._unless_closed(
            own.bucket, lambda: apply(own.bucket.bucket_id, own.key, decide, own.announced, own.head)
        )

    async def abort(self, intent: Intent, garbage: ObjectLayout) -> None:
        assert isinstance(intent, CassandraIntent)
        self._parts.follow.withdraw(intent.announced)
        if garbage.segments:
            await self.add_garbage(garbage)

    async def get_version(self, bucket_id: bytes, key: bytes, version_id: str | None = None) -> VersionRecord | None:
        if version_id is None:
            return await self._parts.truth.current(bucket_id, key)
        return (await self._parts.truth.exact(bucket_id, key, version_id))[1]

    async def delete(self, bucket: BucketRecord, request: DeleteRequest) -> Deleted:
        async def decide(head: Head) -> Decision[Deleted]:
            now = await self._fresh(bucket)
            return await objects.delete(self._parts.truth, now, request, head, self._clock.now_us())

        return await self._unless_closed(
            bucket, lambda: self._parts.commits.apply(bucket.bucket_id, request.key, decide)
        )

    async def delete_many(self, bucket: BucketRecord, requests: Sequence[DeleteRequest]) -> list[Deleted | Exception]:
        room = asyncio.Semaphore(DELETES_AT_ONCE)
        after: dict[bytes, asyncio.Task[Deleted]] = {}  # requests for one key are kept in their order

        async def one(request: DeleteRequest, before: asyncio.Task[Deleted] | None) -> Deleted:
            if before is not None:
                await asyncio.wait([before])
            async with room:
                return await self.delete(bucket, request)

        tasks = []
        for request in requests:
            task = asyncio.ensure_future(one(request, after.get(request.key)))
            after[request.key] = task
            tasks.append(task)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome
        return list(outcomes)  # type: ignore[arg-type]  # checked just above

    async def update_mutable(
        self,
        bucket_id: bytes,
        key: bytes,
        version_id: str | None,
        mutable: MutablePart,
        event: bytes = b"",
        seq: int | None = None,
    ) -> VersionRecord:
        parts = self._parts
        decide = objects.update_mutable(parts.truth, self._clock, bucket_id, key, version_id, mutable, event, seq)
        return await parts.commits.apply(bucket_id, key, decide)

    async def replace_data(
        self, bucket_id: bytes, record: VersionRecord, layout: ObjectLayout, storage_class: str, event: bytes = b""
    ) -> VersionRecord:
        parts = self._parts
        decide = objects.replace_data(parts.truth, self._clock, bucket_id, record, layout, storage_class, event)
        try:
            return await parts.commits.apply(bucket_id, record.key, decide)
        except BucketClosed:
            raise NoSuchBucket("the bucket is gone, or going") from None

    async def rename(
        self,
        bucket: BucketRecord,
        source: bytes,
        target: bytes,
        source_condition: WriteCondition,
        target_condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        if (await self._fresh(bucket)).versioning is not Versioning.OFF:
            raise BucketChanged("the bucket has versions")
        wanted = Wanted(bucket.bucket_id, source, target, source_condition, target_condition, event)
        return await self._unless_closed(bucket, lambda: self._parts.moves.rename(wanted))

    async def scan(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo | None = None
    ) -> list[ListRow]:
        return await self._parts.scanner.scan(bucket_id, start, end, _bounded(limit), memo)

    async def scan_versions(
        self,
        bucket_id: bytes,
        start: bytes,
        start_seq: int | None,
        end: bytes | None,
        limit: int,
        memo: ScanMemo | None = None,
    ) -> list[ListRow]:
        return await self._parts.scanner.scan_versions(bucket_id, start, start_seq, end, _bounded(limit), memo)

    # ---- multipart uploads ---------------------------------------------------------------------------------------

    async def create_upload(self, upload: UploadRecord) -> None:
        try:
            await self._parts.uploads.create_upload(upload)
        except BucketClosed:
            raise NoSuchBucket("the bucket is gone, or going") from None

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        return await self._parts.uploads.get_upload(bucket_id, key, upload_id)

    async def put_part(self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()) -> None:
        await self._parts.uploads.put_part(upload, part, repairs)

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        return await self._parts.uploads.list_parts(upload, after, limit)

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        return await self._parts.uploads.list_uploads(bucket_id, start, after_upload_id, end, limit)

    async def abort_upload(self, upload: UploadRecord) -> None:
        await self._parts.uploads.abort_upload(upload)

    async def complete_upload(
        self,
        intent: Intent,
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        own = await self._still(intent)
        fresh, complete = partial(self._fresh, own.bucket), self._parts.completion.complete
        return await self._unless_closed(
            own.bucket, lambda: complete(own.announced, fresh, upload, parts, version, condition, event)
        )


def _bounded(limit: int) -> int:
    if limit > SCAN_ROWS_MAX:
        raise ValueError(f"{limit} rows at once are more than the {SCAN_ROWS_MAX} allowed")
    return limit
