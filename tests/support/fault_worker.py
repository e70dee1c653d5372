"""A process of its own with a metadata store on Cassandra, driven by its parent over a socket (``fault_gateways``).

A request is msgpack [number, name, arguments], an answer [number, result, errors]: ``errors`` tell how often the store said that it
is away, or does not know. A surprise is answered as text in ``result`` with the number negated. The process ends with its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import random
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from history_load import Listed, Told
from history_stores import OWNER, PortStore

from dolmen.core.clock import SystemClock
from dolmen.core.errors import Unavailable
from dolmen.core.layout import ObjectLayout, Run, Segment
from dolmen.gateway.metadata.cassandra import intents, split, split_duty, sweep
from dolmen.gateway.metadata.cassandra import store as store_module
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.split_map import RangeRow
from dolmen.gateway.metadata.cassandra.store import CassandraStore
from dolmen.gateway.metadata.records import (
    Attributes,
    BucketRecord,
    NewVersion,
    PartRecord,
    UploadRecord,
    Versioning,
    WriteCondition,
)
from dolmen.gateway.metadata.store import BucketExists
from dolmen.gateway.metadata.versions import new_upload_id

FRAME_BYTES_MAX = 1 << 26
SHARDS_MAX = 12  # of the bucket: then ranges are merged
FANOUTS = (1, 2, 3)
MULTIPART_BYTES = 1000  # larger bodies of ``history_load`` are uploaded in one part

errors_of_request: contextvars.ContextVar[list[str]] = contextvars.ContextVar("errors_of_request")


class Job(msgspec.Struct, frozen=True):
    """What a process is started with. Times are shorter than in production, so that a test sees the end of them."""

    url: str
    fd: int = -1
    alive_seconds: float = 1.0
    dead_seconds: float = 6.0
    lease_seconds: float = 8.0
    look_seconds: float = 10.0  # until somebody looks at a split, and again


def layout_named(etag: str) -> ObjectLayout:
    """The data of one write: its only run has the ETag's bytes as its id, so that garbage tells whose it is."""
    return ObjectLayout((Segment(10, 4, 2, 1 << 20, 1 << 17, (Run(1, bytes.fromhex(etag), 0, 1),), bytes(4)),))


class NotingStore:
    """Notes what clients of HTTP would see as 503."""

    def __init__(self, store: CassandraStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def noted(*arguments: object) -> object:
            try:
                return await method(*arguments)
            except Unavailable as error:
                errors_of_request.get().append(f"{name}: {type(error).__name__}: {error}")
                raise

        return noted


class NamedData(PortStore):
    """Each write has data of its own, named by its ETag."""

    _etag = ""

    def __init__(self, store: Any, bucket: BucketRecord) -> None:
        super().__init__(store, bucket, lambda: layout_named(self._etag))

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told:
        condition = WriteCondition(if_match=(if_match,) if if_match else (), if_none_match=("*",) if if_absent else ())
        if len(body) >= MULTIPART_BYTES:
            return await self._put_in_parts(key, etag, condition)
        self._etag = etag  # ``put`` asks for the layout before it waits for anything
        return await super().put(key, body, etag, if_match, if_absent)

    async def _put_in_parts(self, key: bytes, etag: str, condition: WriteCondition) -> Told:
        layout, now_us = layout_named(etag), time.time_ns() // 1000
        upload = UploadRecord(
            bucket_id=self.bucket.bucket_id,
            key=key,
            upload_id=new_upload_id(now_us),
            initiated_us=now_us,
            owner=OWNER,
            initiator=OWNER,
            attributes=Attributes(),
        )
        part = PartRecord(number=1, size=10, etag=etag, mtime_us=now_us, checksum=None, layout=layout)
        version = NewVersion(size=10, etag=etag, owner=OWNER, attributes=Attributes(), layout=layout)
        try:
            await self.store.create_upload(upload)
            await self.store.put_part(upload, part)
            intent = await self.store.begin(self.bucket, key)
        except Unavailable:
            return Told("failed")
        outcome = await self._outcome(self.store.complete_upload(intent, upload, [part], version, condition))
        if outcome not in ("ok", "unknown"):
            with contextlib.suppress(Unavailable):
                await self.store.abort(intent, ObjectLayout())
                await self.store.abort_upload(upload)
        return Told(outcome)


class Worker:
    """The names that a request may call."""

    def __init__(self, job: Job, store: CassandraStore) -> None:
        self.job = job
        self.store = store
        self.noting = NotingStore(store)
        self.data: NamedData | None = None
        self._reshaping = asyncio.Lock()
        self._upkeep = asyncio.Lock()

    def _port(self) -> NamedData:
        assert self.data is not None, "use_bucket comes first"
        return self.data

    async def ready(self) -> list[str]:
        return self.store.reasons()

    async def create_bucket(self, name: str, versioning: str = "Off") -> str:
        """ "ok", or "exists"."""
        bucket = BucketRecord(
            name=name,
            bucket_id=os.urandom(16),
            owner=OWNER,
            region="us-east-1",
            created_us=1,
            versioning=Versioning[versioning.upper()],
        )
        try:
            await self.noting.create_bucket(bucket)
        except BucketExists:
            return "exists"
        except Unavailable as error:
            return type(error).__name__
        return "ok"

    async def bucket_id(self, name: str) -> bytes | None:
        found = await self.store.get_bucket(name)
        return None if found is None else found.bucket_id

    async def use_bucket(self, name: str) -> bytes:
        found = await self.store.get_bucket(name)
        assert found is not None
        self.data = NamedData(self.noting, found)
        return found.bucket_id

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told:
        return await self._port().put(key, body, etag, if_match, if_absent)

    async def delete(self, key: bytes, if_match: str | None) -> Told:
        return await self._port().delete(key, if_match)

    async def get(self, key: bytes) -> Told:
        return await self._port().get(key)

    async def list(self, prefix: bytes, after: bytes, limit: int) -> Listed | None:
        return await self._port().list(prefix, after, limit)

    async def upkeep(self) -> int:
        """A round of everything that is done in the background; how much there was. -1: the cluster did not answer."""
        if self._upkeep.locked():
            return 0
        async with self._upkeep:
            try:
                return await self.store.upkeep()
            except Unavailable:
                return -1

    async def unsettled(self) -> int:
        return self.store._parts.follow.unsettled_count

    async def idle(self) -> None:
        await self.store._parts.follow.idle()

    # ---- ranges --------------------------------------------------------------------------------------------------------

    def _splitter(self) -> split.Splitter:
        parts = self.store._parts
        return split.Splitter(
            self.store._session,
            parts.shard_map,
            parts.listing,
            TimeQueue(self.store._session, "shards", parts.clock),
            parts.clock,
            parts.stamps,
            split.SplitSettings(self.job.lease_seconds, page_rows=64),
        )

    async def reshape(self, key: bytes, seed: int) -> str:
        """Split the range of ``key``, merge it with the next one, or give it another fanout; what became of it."""
        bucket, splitter, draw = self._port().bucket, self._splitter(), random.Random(seed)
        if self._reshaping.locked():
            return "busy"
        async with self._reshaping:
            try:
                row = await splitter.rows.covering(bucket.bucket_id, key)
                after = await splitter.rows.after(bucket.bucket_id, row.lo)
                kind, proposed = await self._proposed(splitter, row, after, draw)
                if proposed is None:
                    return "nothing to do"
                await splitter.run(proposed)
            except Unavailable as error:
                return type(error).__name__
        return kind

    async def _proposed(
        self, splitter: split.Splitter, row: RangeRow, after: RangeRow | None, draw: random.Random
    ) -> tuple[str, split.Split | None]:
        bucket = self._port().bucket
        shards = len(await self.store._parts.shard_map.shards(bucket.bucket_id))
        kinds = ["fanout", "split" if shards < SHARDS_MAX else "merge", "merge" if after is not None else "split"]
        kind = draw.choice(kinds)
        if kind == "fanout":
            fanout = draw.choice([fanout for fanout in FANOUTS if fanout != row.fanout])
            return kind, splitter.propose_fanout(bucket.name, bucket.bucket_id, row, fanout)
        if kind == "merge" and after is not None:
            return kind, splitter.propose_merge(bucket.name, bucket.bucket_id, row, after)
        return "split", await splitter.propose_split(bucket.name, bucket.bucket_id, row)

    async def answer(self, name: str, arguments: list[object]) -> tuple[object, list[str], bool]:
        """(result, errors, whether it was a surprise)."""
        errors: list[str] = []
        errors_of_request.set(errors)
        try:
            return await getattr(self, name)(*arguments), errors, False
        except Exception:  # noqa: BLE001 - the parent fails its test with it
            return traceback.format_exc(), errors, True


async def serve(job: Job) -> None:
    """Until the parent closes the socket."""
    intents.DEAD_SECONDS = sweep.DEAD_SECONDS = job.dead_seconds
    store_module.ALIVE_SECONDS = job.alive_seconds
    split.LOOK_SECONDS = split_duty.LOOK_AGAIN_SECONDS = split_duty.NEVER_BEGUN_SECONDS = job.look_seconds
    store = CassandraStore(parse_address(job.url), SystemClock(), garbage_grace_seconds=0.0)
    await store.open()
    worker = Worker(job, store)
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=job.fd))
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, name: str, arguments: list[object]) -> None:
        result, errors, surprise = await worker.answer(name, arguments)
        raw = msgspec.msgpack.encode((-number if surprise else number, result, errors))
        writer.write(len(raw).to_bytes(4, "big") + raw)

    while True:
        try:
            size = int.from_bytes(await reader.readexactly(4), "big")
            number, name, arguments = msgspec.msgpack.decode(await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        task = asyncio.create_task(one(number, name, arguments))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)  # as a process that is killed: nothing is finished


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=Job)))
