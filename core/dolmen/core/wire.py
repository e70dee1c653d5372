"""The internode protocol: frames between a gateway (client) and a datanode (server). No I/O here.

A connection is TCP (or a Unix socket), persistent and multiplexed. Every message is one frame::

    offset size
    0      2    magic 0xD01E
    2      1    protocol version
    3      1    kind (MessageKind)
    4      4    request id: chosen by the client, repeated in the reply
    8      8    epoch of the sender's cluster map
    16     4    header length (bytes), HEADER_BYTES_MAX at most
    20     4    payload length (bytes), PAYLOAD_BYTES_MAX at most
    24     4    CRC32C over bytes 0..23 and the header
    28     -    header: a msgspec-encoded array (one Struct for each kind, below)
    -      -    payload: raw bytes of a fragment

The payload is protected by the CRC32C of each 64 KiB block, which travel in the header: the receiver verifies them,
and a datanode stores them with the record, so no byte is summed twice. Integers are big-endian.

First on a connection: HELLO (client nonce, cluster id) -> HELLO_REPLY (server nonce, proof) -> AUTH (proof) -> OK. The proofs
are HMAC-SHA256 under the cluster key over both nonces and the role.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

import msgspec
from crc32c import crc32c

from dolmen.core.errors import DolmenError
from dolmen.core.fragment import FragmentMeta

MAGIC: Final = 0xD01E
VERSION: Final = 1
PREFIX: Final = struct.Struct(">HBBIQIII")
PREFIX_BYTES: Final = PREFIX.size  # 28
CRC_AT: Final = 24
HEADER_BYTES_MAX: Final = 1 << 20  # the largest header is an inventory page
PAYLOAD_BYTES_MAX: Final = 8 << 20  # a fragment is at most 1 MiB; the rest is room for other schemes


class MessageKind(enum.IntEnum):
    """Never renumber: these reach the wire of mixed versions."""

    HELLO = 1
    HELLO_REPLY = 2
    AUTH = 3
    OK = 4
    ERROR = 5
    PUT = 10
    PUT_REPLY = 11
    GET = 12
    GET_REPLY = 13
    TRASH = 14
    TRASH_REPLY = 15
    INVENTORY = 16
    INVENTORY_REPLY = 17
    STATUS = 18
    STATUS_REPLY = 19
    PUSH_MAP = 20
    STAT = 21
    STAT_REPLY = 22
    PING = 23  # answered by OK from the event loop, whatever the disks do
    METAS = 24
    METAS_REPLY = 25
    GET_MAP = 26
    GET_MAP_REPLY = 27


class ErrorCode(enum.IntEnum):
    """Why a datanode refused. Never renumber."""

    BAD_FRAME = 1  # the frame or its payload failed its CRC, or a limit
    UNAUTHENTICATED = 2
    FOREIGN_CLUSTER = 3  # another cluster id
    NO_SUCH_DISK = 4  # this process does not serve that disk uuid (any more)
    DISK_FAILED = 5  # the disk is quarantined or its directory is gone
    DISK_FULL = 6
    STALE_EPOCH = 7  # write from an epoch older than the one that took this slot away
    NOT_HERE = 8  # no such fragment on this disk: never to be read as "does not exist"
    FRAGMENT_CORRUPT = 9  # it is here, but its identity or a CRC is wrong
    OVERLOADED = 10
    DRAINING = 11
    INTERNAL = 12


class Hello(msgspec.Struct, frozen=True, array_like=True):
    cluster_id: str
    nonce: bytes  # 32 bytes


class HelloReply(msgspec.Struct, frozen=True, array_like=True):
    cluster_id: str
    nonce: bytes
    proof: bytes


class Auth(msgspec.Struct, frozen=True, array_like=True):
    proof: bytes


class Ok(msgspec.Struct, frozen=True, array_like=True):
    pass


class Error(msgspec.Struct, frozen=True, array_like=True):
    code: int
    message: str


class Put(msgspec.Struct, frozen=True, array_like=True):
    """Payload: the fragment. Answered after the covering fdatasync."""

    disk: str
    meta: FragmentMeta
    block_crcs: tuple[int, ...]


class PutReply(msgspec.Struct, frozen=True, array_like=True):
    crc: int  # CRC32C over the packed block CRCs (big-endian u32 each) as the datanode verified them


class Get(msgspec.Struct, frozen=True, array_like=True):
    """Bytes [offset, offset+length) of a fragment; the reply is widened to whole blocks."""

    disk: str
    stripe_id: bytes
    slot: int
    offset: int
    length: int  # -1: to the end


class GetReply(msgspec.Struct, frozen=True, array_like=True):
    """Payload: blocks from ``first_block`` on; the last block of a fragment may be short."""

    meta: FragmentMeta
    fragment_length: int
    first_block: int
    block_crcs: tuple[int, ...]  # of the blocks in the payload


class Trash(msgspec.Struct, frozen=True, array_like=True):
    """Fragments to delete; those not present are counted as gone. Answered after the records are durable."""

    disk: str
    fragments: tuple[tuple[bytes, int], ...]  # (stripe id, slot), TRASH_FRAGMENTS_MAX at most


class TrashReply(msgspec.Struct, frozen=True, array_like=True):
    trashed: int
    absent: int


class Inventory(msgspec.Struct, frozen=True, array_like=True):
    """Fragments of one group on one disk in order of stripe id, after ``after`` (exclusive, b"" from the start)."""

    disk: str
    pg: int
    after: bytes
    limit: int  # INVENTORY_LIMIT_MAX at most


class InventoryReply(msgspec.Struct, frozen=True, array_like=True):
    fragments: tuple[tuple[bytes, int, int], ...]  # (stripe id, slot, fragment length)
    complete: bool  # False: more follow


class Metas(msgspec.Struct, frozen=True, array_like=True):
    """As ``Inventory``, with what every fragment says of itself, read from the disk: for a rebuild of metadata."""

    disk: str
    pg: int
    after: bytes
    limit: int  # METAS_LIMIT_MAX at most


class MetasReply(msgspec.Struct, frozen=True, array_like=True):
    # (stripe id, slot, fragment length, meta); None when the header cannot be read or is another fragment's
    fragments: tuple[tuple[bytes, int, int, FragmentMeta | None], ...]
    complete: bool  # False: more follow


class Stat(msgspec.Struct, frozen=True, array_like=True):
    """Is this fragment here, and whole when ``verify``: then its bytes are read and summed."""

    disk: str
    stripe_id: bytes
    slot: int
    verify: bool


class StatReply(msgspec.Struct, frozen=True, array_like=True):
    meta: FragmentMeta
    fragment_length: int


class StatusRequest(msgspec.Struct, frozen=True, array_like=True):
    pass


class Ping(msgspec.Struct, frozen=True, array_like=True):
    """Is the process there at all?"""


class DiskStatus(msgspec.Struct, frozen=True):
    """Encoded as a map, so that fields can be added."""

    uuid: str  # "" while a location has no usable disk
    location: str
    state: str  # "ready", "full", "failed", "missing", "foreign"
    reason: str = ""
    capacity_bytes: int = 0
    free_bytes: int = 0
    used_bytes: int = 0  # live fragments
    trash_bytes: int = 0
    fragments: int = 0


class StatusReply(msgspec.Struct, frozen=True):
    node: str
    epoch: int
    disks: tuple[DiskStatus, ...]


class GetMap(msgspec.Struct, frozen=True, array_like=True):
    """The cluster map that this datanode holds: for when there is no metadata store to ask."""


class GetMapReply(msgspec.Struct, frozen=True, array_like=True):
    cluster_map: bytes  # JSON; empty when it holds none


class PushMap(msgspec.Struct, frozen=True, array_like=True):
    """The JSON of a ClusterMap; an older epoch than the one held is ignored. Answered by OK."""

    cluster_map: bytes


INVENTORY_LIMIT_MAX: Final = 8192  # ~40 bytes each: a reply stays far below HEADER_BYTES_MAX
METAS_LIMIT_MAX: Final = 64  # one read of a page each, in the event loop of the datanode: a millisecond or two of a warm disk
TRASH_FRAGMENTS_MAX: Final = 8192

_encoder = msgspec.msgpack.Encoder()


class BadFrame(DolmenError):
    """The peer sent bytes that are not a frame of this protocol; the connection cannot go on."""


def encode(
    kind: MessageKind, request_id: int, epoch: int, header: msgspec.Struct, payload_length: int = 0
) -> bytes:
    """Prefix and header of a frame; the caller sends ``payload_length`` bytes of payload right after."""
    body = _encoder.encode(header)
    head = PREFIX.pack(MAGIC, VERSION, kind, request_id, epoch, len(body), payload_length, 0)[:24]
    crc = crc32c(body, crc32c(head))
    return b"".join((head, crc.to_bytes(4, "big"), body))
