"""The datanode's side of the protocol: one connection is one ``Connection``, one disk has one ``Committer``.

Group commit without a timer: what arrived while the last fdatasync ran is the next batch. Commits run in the disk's own
thread, so that a slow disk holds up neither reads nor the other disks.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar, cast

import msgspec
from prometheus_client import Counter
from typing_extensions import Buffer

from dolmen.core import wire
from dolmen.core.address import enlarge_buffers
from dolmen.core.checksums import block_crcs
from dolmen.core.cluster_map import ClusterMap, decode_map
from dolmen.core.fragment import DESCRIPTION_BYTES_MAX, FragmentMeta
from dolmen.core.frames import HEADER_BYTES_MAX_EARLY, FrameReader
from dolmen.core.telemetry.log import get_logger
from dolmen.core.wire import ErrorCode, MessageKind
from dolmen.datanode.client import JOIN_BYTES_MAX, crc_of_blocks, proof
from dolmen.datanode.disk import Disk, Refused
from dolmen.datanode.disk_thread import DiskThread

BATCH_RECORDS_MAX = 256  # of one group commit: bounds what one failed fdatasync takes with it
BATCH_BYTES_MAX = 8 << 20
QUEUE_BYTES_MAX = 64 << 20  # waiting for one disk: beyond this a writer is told to go elsewhere
CONNECTION_BYTES_MAX = 32 << 20  # received and not yet answered on one connection: beyond this reading pauses
NODE_BYTES_MAX = 128 << 20  # the same over all connections: what the process holds of fragments on their way to disks
REPLY_BYTES_MAX = 8 << 20  # replies that a client has not taken yet: beyond this none of its requests is looked at
REQUEST_BYTES = 1024  # what a request costs in memory beside its payload, roughly
CONNECTIONS_MAX = 512  # one for each gateway process and maintenance task; 64 KiB of buffer each
HANDSHAKE_SECONDS = 5.0  # a connection that has not shown the cluster key by then is closed
PUNCH_MAX = 256  # holes punched after one commit: trash must not hold up writes

COMMITS = Counter("dolmen_datanode_commits_total", "Group commits (one fdatasync each)")
PUTS = Counter("dolmen_datanode_fragments_written_total", "Fragments made durable")
GETS = Counter("dolmen_datanode_fragments_read_total", "Fragment reads answered")
CONNECTIONS_REFUSED = Counter("dolmen_datanode_connections_refused_total", "Connections closed for the limit or the handshake")
REFUSALS = Counter("dolmen_datanode_refusals_total", "Requests refused", ["code"])

T = TypeVar("T")
PutItem = tuple[FragmentMeta, tuple[int, ...], Buffer, Callable[[Refused | None], None]]
TrashItem = tuple[list[tuple[bytes, int]], Callable[[Refused | int], None]]


class Committer:
    """Batches the writes of one disk."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._puts: deque[PutItem] = deque()
        self._trash: deque[TrashItem] = deque()
        self._queued_bytes = 0
        self._running: asyncio.Task[None] | None = None
        self._thread = DiskThread("commit")
        self._log = get_logger("commit")

    def put(self, item: PutItem) -> None:
        """Queue one fragment; its callback hears the outcome. Raises ``Refused`` when the queue is full."""
        self.disk.check_writable()
        size = memoryview(item[2]).nbytes
        if self._queued_bytes + size > QUEUE_BYTES_MAX:
            raise Refused(ErrorCode.OVERLOADED, "too many writes are waiting for this disk")
        self._queued_bytes += size
        self._puts.append(item)
        self.start()

    def trash(self, item: TrashItem) -> None:
        """Queue deletions; the callback hears how many were here."""
        self.disk.check_writable()
        self._trash.append(item)
        self.start()

    def start(self) -> None:
        """See to what waits: writes, then chores such as punching the holes of trash."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await asyncio.sleep(0)  # what this turn of the loop still brings belongs to the batch
            while self._puts or self._trash:
                await self._commit_batch()
                await self._chore()
            while not (self._puts or self._trash) and self.disk.has_chores:
                await self._chore()
        finally:
            self._running = None
        if self._puts or self._trash:
            self.start()

    async def _commit_batch(self) -> None:
        puts = self._next_batch()
        trash = [self._trash.popleft() for _ in range(min(1, len(self._trash)))]
        outcome: Refused | int
        try:
            keys = self.disk.here(trash[0][0]) if trash else []
            batch = [(meta, crcs, payload) for meta, crcs, payload, _ in puts]
            written = await self.in_thread(partial(self.disk.write, batch, keys))
            self.disk.publish(written)
            outcome = len(written.trashed)
            COMMITS.inc()
            PUTS.inc(len(puts))
        except Refused as refused:
            outcome = refused
        except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
            self._log.error("commit failed unexpectedly", disk=self.disk.location, error=repr(error))
            self.disk.lose(f"unexpected error: {error!r}")
            outcome = Refused(ErrorCode.INTERNAL, "unexpected error")
        for item in puts:
            item[3](outcome if isinstance(outcome, Refused) else None)
        for trashed in trash:
            trashed[1](outcome)

    async def _chore(self) -> None:
        if self.disk.has_chores:
            task = self.disk.next_chore(PUNCH_MAX)
            if task is not None:
                self.disk.finish_chore(await self.in_thread(task))

    def in_thread(self, task: Callable[[], T]) -> asyncio.Future[T]:
        """Run something in the thread of this disk, after what is there already."""
        return self._thread.run(task)

    def _next_batch(self) -> list[PutItem]:
        batch: list[PutItem] = []
        size = 0
        while self._puts and len(batch) < BATCH_RECORDS_MAX and size < BATCH_BYTES_MAX:
            item = self._puts.popleft()
            size += memoryview(item[2]).nbytes
            batch.append(item)
        self._queued_bytes -= size
        return batch

    async def drain(self) -> None:
        """Wait until everything queued is committed."""
        while self._running is not None:
            await self._running
        self._thread.stop()


class Node:
    """The disks of one process and what every connection shares."""

    def __init__(self, name: str, cluster_id: str, key: bytes, connections_max: int = CONNECTIONS_MAX) -> None:
        self.connections_max = connections_max
        self.name = name
        self.cluster_id = cluster_id
        self.key = key
        self.draining = False
        self.map: ClusterMap | None = None
        self.map_raw = b""  # as it was pushed: maintenance keeps more in it than a datanode reads
        self.committers: dict[str, Committer] = {}
        self.absent: dict[str, wire.DiskStatus] = {}  # by location: what has no usable disk now
        self.log = get_logger("node")
        self.connections: set[Connection] = set()
        self.unanswered_bytes = 0  # over all connections

    @property
    def epoch(self) -> int:
        return self.map.epoch if self.map is not None else 0

    def committer(self, disk_uuid: str) -> Committer:
        """Raises ``Refused``."""
        committer = self.committers.get(disk_uuid)
        if committer is None:
            raise Refused(ErrorCode.NO_SUCH_DISK, "this datanode does not serve that disk")
        return committer

    def check_epoch(self, epoch: int, disk_uuid: str, meta: FragmentMeta) -> None:
        """A write from before the epoch that gave this slot away is refused."""
        if self.map is None or epoch >= self.map.epoch:
            return
        for group in self.map.groups:
            if group.pg == meta.pg and meta.slot < len(group.slots) and group.slots[meta.slot] == disk_uuid:
                return
        raise Refused(ErrorCode.STALE_EPOCH, f"epoch {epoch} is older than {self.map.epoch}, which moved this slot")

    async def push_map(self, raw: bytes) -> None:
        """Keep the newest map, on the disks too: a restarted datanode still refuses stale writers. Raises ``Refused``."""
        try:
            pushed = decode_map(raw)
        except msgspec.MsgspecError as error:
            raise Refused(ErrorCode.BAD_FRAME, "the cluster map cannot be read") from error
        if pushed.cluster_id != self.cluster_id:
            raise Refused(ErrorCode.FOREIGN_CLUSTER, "the cluster map is of another cluster")
        if pushed.epoch <= self.epoch:
            return
        self.map, self.map_raw = pushed, raw
        committers = list(self.committers.values())
        results = await asyncio.gather(
            *(committer.in_thread(partial(committer.disk.keep_map, raw)) for committer in committers), return_exceptions=True
        )
        for committer, result in zip(committers, results, strict=True):
            if isinstance(result, OSError):
                self.log.warning("cluster map cannot be kept", disk=committer.disk.location, error=str(result))
            elif result is not None:
                raise result

    def learn(self, disk: Disk) -> None:
        """A disk was opened: it may remember a newer map than this process knows."""
        kept = disk.kept_map()
        if kept is not None and kept[0].cluster_id == self.cluster_id and kept[0].epoch > self.epoch:
            self.map, self.map_raw = kept

    def status(self) -> wire.StatusReply:
        disks = [committer.disk.status() for committer in self.committers.values()]
        return wire.StatusReply(self.name, self.epoch, (*disks, *self.absent.values()))


_REQUESTS: dict[int, msgspec.msgpack.Decoder[msgspec.Struct]] = {
    kind: msgspec.msgpack.Decoder(cast("type[msgspec.Struct]", struct))
    for kind, struct in (
        (MessageKind.HELLO, wire.Hello),
        (MessageKind.AUTH, wire.Auth),
        (MessageKind.PUT, wire.Put),
        (MessageKind.GET, wire.Get),
        (MessageKind.TRASH, wire.Trash),
        (MessageKind.INVENTORY, wire.Inventory),
        (MessageKind.STATUS, wire.StatusRequest),
        (MessageKind.PUSH_MAP, wire.PushMap),
        (MessageKind.STAT, wire.Stat),
        (MessageKind.PING, wire.Ping),
        (MessageKind.METAS, wire.Metas),
        (MessageKind.GET_MAP, wire.GetMap),
    )
}


class Connection(asyncio.BufferedProtocol):
    """One client: handshake first, then any number of requests in flight."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(self._dispatch, header_bytes_max=HEADER_BYTES_MAX_EARLY, payload_bytes_max=0)
        self._hello: tuple[bytes, bytes] | None = None
        self._authenticated = False
        self._deadline: asyncio.TimerHandle | None = None
        self._queue: list[bytes | memoryview] = []
        self._queued_bytes = 0
        self._unanswered_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread = False  # the client does not take its replies
        self._paused = False
        self._log = get_logger("connection")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._node.connections) >= self._node.connections_max:
            self._log.warning("connection refused: too many", connections=len(self._node.connections))
            CONNECTIONS_REFUSED.inc()
            self._transport.abort()
            return
        enlarge_buffers(transport)
        self._transport.set_write_buffer_limits(high=REPLY_BYTES_MAX)
        self._deadline = self._loop.call_later(HANDSHAKE_SECONDS, self._too_late)
        self._node.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        self._node.connections.discard(self)

    def _too_late(self) -> None:
        CONNECTIONS_REFUSED.inc()
        self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._deliver(lambda: self._reader.received(nbytes))

    def _deliver(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (wire.BadFrame, msgspec.MsgspecError) as error:
            self._log.warning("connection is closed after a bad frame", error=str(error))
            self.abort()

    # ---- back-pressure -------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        self._unread = True
        self.balance()

    def resume_writing(self) -> None:
        self._unread = False
        self.balance()

    def balance(self) -> None:
        """Read on, or hold back, as the limits say."""
        full = self._unanswered_bytes > CONNECTION_BYTES_MAX or self._node.unanswered_bytes > NODE_BYTES_MAX
        if self._transport is None or self._transport.is_closing():
            return
        if not self._paused and (full or self._unread):
            self._paused = True
            self._transport.pause_reading()
            self._reader.hold()
        elif self._paused and not self._unread and self._unanswered_bytes <= CONNECTION_BYTES_MAX // 2 and not full:
            self._paused = False
            self._transport.resume_reading()
            self._deliver(self._reader.resume)

    def _hold_bytes(self, size: int) -> None:
        self._unanswered_bytes += size
        self._node.unanswered_bytes += size
        self.balance()

    def _release_bytes(self, size: int) -> None:
        self._unanswered_bytes -= size
        self._node.unanswered_bytes -= size
        if self._paused:
            self.balance()
        elif self._node.unanswered_bytes + size > NODE_BYTES_MAX >= self._node.unanswered_bytes:
            for connection in list(self._node.connections):
                connection.balance()

    # ---- requests ------------------------------------------------------------------------------------------------

    def _dispatch(
        self, kind: int, request_id: int, epoch: int, header: bytes | memoryview, payload: bytes | memoryview
    ) -> None:
        decoder = _REQUESTS.get(kind)
        if decoder is None:
            raise wire.BadFrame(f"unknown kind {kind}")
        request = decoder.decode(header)
        try:
            if isinstance(request, (wire.Hello, wire.Auth)):
                self._handshake(request_id, request)
            elif not self._authenticated:
                raise Refused(ErrorCode.UNAUTHENTICATED, "handshake first")
            elif isinstance(request, wire.Put):
                self._put(request_id, epoch, request, payload)
            elif isinstance(request, wire.Trash):
                self._trash(request_id, request)
            else:
                self._answer_now(request_id, request)
        except Refused as refused:
            self._refuse(request_id, refused)

    def _handshake(self, request_id: int, request: wire.Hello | wire.Auth) -> None:
        node = self._node
        if isinstance(request, wire.Hello):
            if request.cluster_id != node.cluster_id:
                raise Refused(ErrorCode.FOREIGN_CLUSTER, f"this datanode is of cluster {node.cluster_id}")
            self._hello = (request.nonce, os.urandom(32))
            reply = wire.HelloReply(node.cluster_id, self._hello[1], proof(node.key, "datanode", *self._hello))
            self._reply(MessageKind.HELLO_REPLY, request_id, reply)
            return
        if self._hello is None or not hmac.compare_digest(request.proof, proof(node.key, "client", *self._hello)):
            raise Refused(ErrorCode.UNAUTHENTICATED, "the client does not know the cluster key")
        self._authenticated = True
        self._reader.header_bytes_max, self._reader.payload_bytes_max = wire.HEADER_BYTES_MAX, wire.PAYLOAD_BYTES_MAX
        if self._deadline is not None:
            self._deadline.cancel()
        self._reply(MessageKind.OK, request_id, wire.Ok())

    def _put(self, request_id: int, epoch: int, request: wire.Put, payload: bytes | memoryview) -> None:
        node = self._node
        if node.draining:
            raise Refused(ErrorCode.DRAINING, "this datanode is stopping")
        committer = node.committer(request.disk)
        node.check_epoch(epoch, request.disk, request.meta)
        if len(request.meta.description) > DESCRIPTION_BYTES_MAX:
            raise Refused(ErrorCode.BAD_FRAME, "the description of an object is too long")
        if block_crcs(payload) != request.block_crcs:
            raise Refused(ErrorCode.BAD_FRAME, "a block does not match its CRC on arrival")

        held_bytes = len(payload) + REQUEST_BYTES

        def done(refused: Refused | None) -> None:
            self._release_bytes(held_bytes)
            if refused is not None:
                self._refuse(request_id, refused)
            else:
                self._reply(MessageKind.PUT_REPLY, request_id, wire.PutReply(crc_of_blocks(request.block_crcs)))

        committer.put((request.meta, request.block_crcs, payload, done))
        self._hold_bytes(held_bytes)

    def _trash(self, request_id: int, request: wire.Trash) -> None:
        if len(request.fragments) > wire.TRASH_FRAGMENTS_MAX:
            raise Refused(ErrorCode.BAD_FRAME, "too many fragments in one request")
        wanted = list(dict.fromkeys(request.fragments))

        def done(outcome: Refused | int) -> None:
            if isinstance(outcome, Refused):
                self._refuse(request_id, outcome)
            else:
                self._reply(MessageKind.TRASH_REPLY, request_id, wire.TrashReply(outcome, len(wanted) - outcome))

        self._node.committer(request.disk).trash((wanted, done))

    def _answer_now(self, request_id: int, request: msgspec.Struct) -> None:
        node = self._node
        if isinstance(request, wire.Get):
            reply, payload = node.committer(request.disk).disk.read(
                request.stripe_id, request.slot, request.offset, request.length
            )
            GETS.inc()
            self._reply(MessageKind.GET_REPLY, request_id, reply, payload)
        elif isinstance(request, wire.Stat):
            disk = node.committer(request.disk).disk
            self._reply(MessageKind.STAT_REPLY, request_id, disk.stat(request.stripe_id, request.slot, request.verify))
        elif isinstance(request, wire.Inventory):
            limit = min(request.limit, wire.INVENTORY_LIMIT_MAX)
            disk = node.committer(request.disk).disk
            self._reply(MessageKind.INVENTORY_REPLY, request_id, disk.inventory(request.pg, request.after, limit))
        elif isinstance(request, wire.Metas):
            limit = min(request.limit, wire.METAS_LIMIT_MAX)
            disk = node.committer(request.disk).disk
            self._reply(MessageKind.METAS_REPLY, request_id, disk.metas(request.pg, request.after, limit))
        elif isinstance(request, wire.GetMap):
            self._reply(MessageKind.GET_MAP_REPLY, request_id, wire.GetMapReply(node.map_raw))
        elif isinstance(request, wire.PushMap):
            self._later(request_id, node.push_map(request.cluster_map))
        elif isinstance(request, wire.Ping):
            self._reply(MessageKind.OK, request_id, wire.Ok())
        else:
            self._reply(MessageKind.STATUS_REPLY, request_id, node.status())

    def _later(self, request_id: int, work: Coroutine[None, None, None]) -> None:
        """Answer OK when ``work`` is done."""

        async def run() -> None:
            try:
                await work
            except Refused as refused:
                self._refuse(request_id, refused)
            else:
                self._reply(MessageKind.OK, request_id, wire.Ok())

        task = self._loop.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refuse(self, request_id: int, refused: Refused) -> None:
        REFUSALS.labels(refused.code.name).inc()
        self._reply(MessageKind.ERROR, request_id, wire.Error(refused.code, str(refused)))

    def _reply(self, kind: MessageKind, request_id: int, header: msgspec.Struct, payload: bytes | memoryview = b"") -> None:
        """Queue a reply; those of one turn of the loop leave in one write."""
        if self._transport is None:
            return
        if not self._queue:
            self._loop.call_soon(self._flush)
        size = len(payload)
        frame = wire.encode(kind, request_id, self._node.epoch, header, size)
        if not size:
            self._queue.append(frame)
        elif size <= JOIN_BYTES_MAX:
            self._queue.append(b"".join((frame, payload)))
        else:
            self._queue += (frame, payload)
        self._queued_bytes += len(frame) + size
        if self._queued_bytes > REPLY_BYTES_MAX:
            self._flush()

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        self._queued_bytes = 0
        if self._transport is not None and queue:
            self._transport.writelines(queue)
