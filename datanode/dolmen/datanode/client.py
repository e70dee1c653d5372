"""Fragments over the wire: what gateways and maintenance use. One connection to each datanode, multiplexed.

Frames that are queued for one peer in one turn of the loop leave in one write; replies resolve futures directly, without a
task for each request. Errors are all ``DatanodeError``: the caller decides whether parity, another group or a 503 follows.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec
from crc32c import crc32c
from typing_extensions import Buffer

from dolmen.core import wire
from dolmen.core.address import UnixAddress, enlarge_buffers, parse_address
from dolmen.core.checksums import block_crcs
from dolmen.core.cluster_map import ClusterMap, Disk
from dolmen.core.errors import Unavailable
from dolmen.core.fragment import FragmentMeta
from dolmen.core.frames import FrameReader
from dolmen.core.wire import ErrorCode, MessageKind

JOIN_BYTES_MAX = 16 * 1024  # payloads up to this are copied behind their header: cheaper than a buffer of its own in the write


class DatanodeError(Unavailable):
    """A datanode did not do what was asked."""


class Unreachable(DatanodeError):
    """No connection, or no progress on it."""


class NotHere(DatanodeError):
    """The disk has no such fragment; never to be read as "the object does not exist"."""


class FragmentCorrupt(DatanodeError):
    """The fragment is there, but it is not what it should be."""


class DiskFull(DatanodeError):
    pass


class DiskFailed(DatanodeError):
    pass


class NoSuchDisk(DatanodeError):
    pass


class StaleEpoch(DatanodeError):
    pass


class Overloaded(DatanodeError):
    pass


class ProtocolError(DatanodeError):
    pass


_ERRORS: dict[int, type[DatanodeError]] = {
    ErrorCode.NO_SUCH_DISK: NoSuchDisk,
    ErrorCode.DISK_FAILED: DiskFailed,
    ErrorCode.DISK_FULL: DiskFull,
    ErrorCode.STALE_EPOCH: StaleEpoch,
    ErrorCode.NOT_HERE: NotHere,
    ErrorCode.FRAGMENT_CORRUPT: FragmentCorrupt,
    ErrorCode.OVERLOADED: Overloaded,
    ErrorCode.DRAINING: Overloaded,
}


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of one peer's connection."""

    requests_max: int = 4096  # in flight: beyond this a caller is told Overloaded at once
    connect_seconds: float = 2.0
    progress_seconds: float = 2.0  # silent that long although something is awaited, a ping included: given up (SIGSTOP, dead host)
    backoff_seconds_min: float = 0.05
    backoff_seconds_max: float = 2.0  # a datanode that returns is used again within this


@dataclass(frozen=True, slots=True)
class Fragment:
    """Whole blocks of a fragment, their CRCs and identity already verified."""

    meta: FragmentMeta
    fragment_length: int
    first_block: int
    payload: memoryview
    block_crcs: tuple[int, ...] = ()  # of the blocks in ``payload``


def proof(key: bytes, role: str, client_nonce: bytes, server_nonce: bytes) -> bytes:
    """What shows knowledge of the cluster key without telling it."""
    return hmac.digest(key, role.encode() + client_nonce + server_nonce, hashlib.sha256)


T = TypeVar("T")
_REPLIES: dict[int, msgspec.msgpack.Decoder[msgspec.Struct]] = {
    kind: msgspec.msgpack.Decoder(cast("type[msgspec.Struct]", struct))
    for kind, struct in (
        (MessageKind.HELLO_REPLY, wire.HelloReply),
        (MessageKind.OK, wire.Ok),
        (MessageKind.ERROR, wire.Error),
        (MessageKind.PUT_REPLY, wire.PutReply),
        (MessageKind.GET_REPLY, wire.GetReply),
        (MessageKind.TRASH_REPLY, wire.TrashReply),
        (MessageKind.INVENTORY_REPLY, wire.InventoryReply),
        (MessageKind.STATUS_REPLY, wire.StatusReply),
        (MessageKind.STAT_REPLY, wire.StatReply),
        (MessageKind.METAS_REPLY, wire.MetasReply),
        (MessageKind.GET_MAP_REPLY, wire.GetMapReply),
    )
}


class _Link(asyncio.BufferedProtocol):
    """One TCP or Unix connection to a peer; the next one is another object, so that a late end of this one harms nothing."""

    def __init__(self, peer: _Peer) -> None:
        self._peer = peer
        self._reader = FrameReader(
            peer.answered, header_bytes_max=wire.HEADER_BYTES_MAX, payload_bytes_max=wire.PAYLOAD_BYTES_MAX
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        enlarge_buffers(transport)
        self._peer.link_made(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer.link_lost(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._peer.heard()
        try:
            self._reader.received(nbytes)
        except (wire.BadFrame, msgspec.MsgspecError) as error:
            self._peer.broken(self, str(error))


class _Peer:
    """One datanode: connects when first needed, fails what is in flight when the connection is lost."""

    def __init__(self, client: DatanodeClient, address: str, limits: ClientLimits) -> None:
        self._client = client
        self._address = parse_address(address)
        self._name = address
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._ready = False
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self._queue: list[bytes | memoryview] = []
        self._flush_scheduled = False
        self._next_id = 1
        self._link: _Link | None = None
        self._progress = False
        self._pinged = False
        self._unsent_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._backoff_seconds = 0.0
        self._retry_at = 0.0
        self._closed = False

    # ---- requests ------------------------------------------------------------------------------------------------

    def request(self, kind: MessageKind, header: msgspec.Struct, payload: Buffer | None = None) -> asyncio.Future[object]:
        """Queue one frame; the future gets the decoded reply or a ``DatanodeError``."""
        future: asyncio.Future[object] = self._loop.create_future()
        if self._closed or len(self._waiting) >= self._limits.requests_max:
            busy = Overloaded(f"{self._name}: too many requests in flight")
            future.set_exception(Unreachable("the client is closed") if self._closed else busy)
            return future
        if not self._ready and self._connecting is None:
            if self._loop.time() < self._retry_at:
                future.set_exception(Unreachable(f"{self._name}: not reachable a moment ago"))
                return future
            self._connecting = self._loop.create_task(self._connect())
        self._send(kind, header, payload, future)
        if self._watch is None:
            self._progress = True  # counts from now
            self._schedule_watch()
        return future

    def _send(
        self, kind: MessageKind, header: msgspec.Struct, payload: Buffer | None, future: asyncio.Future[object]
    ) -> None:
        request_id = self._next_id
        self._next_id = (self._next_id % 0xFFFF_FFFF) + 1
        self._waiting[request_id] = future
        if payload is None:
            self._queue.append(wire.encode(kind, request_id, self._client.epoch, header))
        else:
            size = memoryview(payload).nbytes
            frame = wire.encode(kind, request_id, self._client.epoch, header, size)
            if size <= JOIN_BYTES_MAX:
                self._queue.append(b"".join((frame, payload)))
            else:
                self._queue += (frame, memoryview(payload))
        if self._ready and not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._transport is not None and self._queue:
            queue, self._queue = self._queue, []
            self._transport.writelines(queue)

    def _schedule_watch(self) -> None:
        self._watch = self._loop.call_later(self._limits.progress_seconds / 2, self._check_progress)

    def _check_progress(self) -> None:
        """Silence while something is awaited: first a ping (a slow disk is no dead process), then the end.

        A send buffer that shrinks is progress too: a slow network delays the ping behind our own data.
        """
        self._watch = None
        if not self._waiting:
            return
        unsent_bytes = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._progress or unsent_bytes < self._unsent_bytes:
            self._progress = self._pinged = False
        elif self._pinged:
            self._pinged = False
            self._fail(Unreachable(f"{self._name}: no sign of life for {self._limits.progress_seconds} s"))
            return
        elif self._ready:
            self._pinged = True
            pong: asyncio.Future[object] = self._loop.create_future()
            pong.add_done_callback(lambda future: future.exception())  # its failure is everybody's: told elsewhere
            self._send(MessageKind.PING, wire.Ping(), None, pong)
        self._unsent_bytes = unsent_bytes
        self._schedule_watch()

    # ---- connection ----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        pending, self._queue = self._queue, []
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                if isinstance(self._address, UnixAddress):
                    await self._loop.create_unix_connection(lambda: _Link(self), self._address.path)
                else:
                    await self._loop.create_connection(lambda: _Link(self), self._address.host, self._address.port)
                await self._handshake()
        except (OSError, TimeoutError, DatanodeError) as error:
            self._connecting = None
            self._fail(error if isinstance(error, DatanodeError) else Unreachable(f"{self._name}: {error or 'time-out'}"))
            return
        self._connecting = None
        self._ready = True
        self._backoff_seconds = 0.0
        self._queue = pending + self._queue
        self._flush()

    async def _handshake(self) -> None:
        nonce = os.urandom(32)
        reply = await self._early(MessageKind.HELLO, wire.Hello(self._client.cluster_id, nonce))
        if not isinstance(reply, wire.HelloReply) or not hmac.compare_digest(
            reply.proof, proof(self._client.key, "datanode", nonce, reply.nonce)
        ):
            raise ProtocolError(f"{self._name}: the peer does not know the cluster key")
        await self._early(MessageKind.AUTH, wire.Auth(proof(self._client.key, "client", nonce, reply.nonce)))

    def _early(self, kind: MessageKind, header: msgspec.Struct) -> asyncio.Future[object]:
        """A frame of the handshake goes out before everything that is queued."""
        future: asyncio.Future[object] = self._loop.create_future()
        later, self._queue = self._queue, []
        self._send(kind, header, None, future)
        self._flush()
        self._queue = later
        return future

    def link_made(self, link: _Link, transport: asyncio.Transport) -> None:
        self._link, self._transport = link, transport

    def link_lost(self, link: _Link) -> None:
        if link is self._link:
            self._transport = None
            self._fail(Unreachable(f"{self._name}: connection lost"))

    def broken(self, link: _Link, reason: str) -> None:
        """The peer sent what is no frame of this protocol."""
        if link is self._link:
            self._fail(ProtocolError(f"{self._name}: {reason}"))

    def heard(self) -> None:
        """Bytes came."""
        self._progress = True

    def _fail(self, error: DatanodeError) -> None:
        """Everything in flight ends with ``error``; the next request connects again, after a pause."""
        transport, self._transport, self._link = self._transport, None, None
        if transport is not None:
            transport.abort()
        self._ready = False
        self._queue = []
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._backoff_seconds = min(
                max(2 * self._backoff_seconds, self._limits.backoff_seconds_min), self._limits.backoff_seconds_max
            )
            self._retry_at = self._loop.time() + self._backoff_seconds
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._fail(Unreachable("the client is closed"))

    # ---- replies -------------------------------------------------------------------------------------------------

    def answered(
        self, kind: int, request_id: int, _epoch: int, header: bytes | memoryview, payload: bytes | memoryview
    ) -> None:
        """One reply arrived."""
        future = self._waiting.pop(request_id, None)
        if future is None or future.done():
            return
        reply = _REPLIES[kind].decode(header) if kind in _REPLIES else None
        if isinstance(reply, wire.GetReply):
            if block_crcs(payload) != reply.block_crcs:
                future.set_exception(FragmentCorrupt(f"{self._name}: block CRC does not match on arrival"))
                return
            fragment = Fragment(
                reply.meta, reply.fragment_length, reply.first_block, memoryview(payload), reply.block_crcs
            )
            future.set_result(fragment)
        elif isinstance(reply, wire.Error):
            future.set_exception(_ERRORS.get(reply.code, ProtocolError)(f"{self._name}: {reply.message}"))
        else:
            future.set_result(reply)


class DatanodeClient:
    """All datanodes of the current map; one for each process, made on its loop."""

    def __init__(self, *, cluster_id: str, cluster_key: bytes, limits: ClientLimits | None = None) -> None:
        self.cluster_id = cluster_id
        self.key = cluster_key
        self._limits = limits or ClientLimits()
        self._peers: dict[str, _Peer] = {}
        self.epoch = 0

    def set_map(self, cluster_map: ClusterMap) -> None:
        """Send this epoch from now on; connections to addresses that left the map are closed."""
        self.epoch = cluster_map.epoch
        addresses = {disk.address for disk in cluster_map.disks}
        for address in [known for known in self._peers if known not in addresses]:
            self._peers.pop(address).close()

    def _peer(self, address: str) -> _Peer:
        peer = self._peers.get(address)
        if peer is None:
            peer = self._peers[address] = _Peer(self, address, self._limits)
        return peer

    def put(
        self, disk: Disk, meta: FragmentMeta, payload: Buffer, block_crcs: tuple[int, ...]
    ) -> asyncio.Future[wire.PutReply]:
        """Store a fragment; resolved after the covering fdatasync."""
        future = self._peer(disk.address).request(MessageKind.PUT, wire.Put(disk.uuid, meta, block_crcs), payload)
        return cast("asyncio.Future[wire.PutReply]", future)

    def get(
        self, disk: Disk, stripe_id: bytes, slot: int, offset: int = 0, length: int = -1
    ) -> asyncio.Future[Fragment]:
        """Read a range of a fragment, widened to whole blocks."""
        header = wire.Get(disk.uuid, stripe_id, slot, offset, length)
        return cast("asyncio.Future[Fragment]", self._peer(disk.address).request(MessageKind.GET, header))

    async def trash(self, disk: Disk, fragments: Sequence[tuple[bytes, int]]) -> wire.TrashReply:
        """Delete fragments; at most ``wire.TRASH_FRAGMENTS_MAX``."""
        header = wire.Trash(disk.uuid, tuple(fragments))
        return cast("wire.TrashReply", await self._peer(disk.address).request(MessageKind.TRASH, header))

    async def inventory(self, disk: Disk, pg: int, after: bytes, limit: int) -> wire.InventoryReply:
        """Fragments of one group on one disk by stripe id."""
        header = wire.Inventory(disk.uuid, pg, after, limit)
        return cast("wire.InventoryReply", await self._peer(disk.address).request(MessageKind.INVENTORY, header))

    async def metas(self, disk: Disk, pg: int, after: bytes, limit: int) -> wire.MetasReply:
        """As ``inventory``, with what the fragments say of themselves; at most ``wire.METAS_LIMIT_MAX``."""
        header = wire.Metas(disk.uuid, pg, after, limit)
        return cast("wire.MetasReply", await self._peer(disk.address).request(MessageKind.METAS, header))

    async def stat(self, disk: Disk, stripe_id: bytes, slot: int, verify: bool) -> wire.StatReply:
        """Is the fragment there (and whole, when ``verify``)."""
        header = wire.Stat(disk.uuid, stripe_id, slot, verify)
        return cast("wire.StatReply", await self._peer(disk.address).request(MessageKind.STAT, header))

    async def status(self, address: str) -> wire.StatusReply:
        """What a datanode says of its disks."""
        return cast("wire.StatusReply", await self._peer(address).request(MessageKind.STATUS, wire.StatusRequest()))

    async def get_map(self, address: str) -> bytes:
        """The JSON of the cluster map that a datanode holds; empty when it holds none."""
        reply = await self._peer(address).request(MessageKind.GET_MAP, wire.GetMap())
        return cast("wire.GetMapReply", reply).cluster_map

    async def push_map(self, address: str, raw: bytes) -> None:
        """Hand a cluster map to a datanode."""
        await self._peer(address).request(MessageKind.PUSH_MAP, wire.PushMap(raw))

    async def close(self) -> None:
        """Everything in flight fails."""
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()


def crc_of_blocks(crcs: Sequence[int]) -> int:
    """What a PutReply says: CRC32C over the block CRCs as the datanode verified them."""
    return crc32c(b"".join(crc.to_bytes(4, "big") for crc in crcs))
