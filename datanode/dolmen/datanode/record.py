"""What lies in a volume file. Format 1.

A volume is a superblock page and then records, each on a 4 KiB boundary::

    record  = header (whole pages) + payload (padded to whole pages; none for a trash record)
    header  = offset size
              0      4   magic "DLMR"
              4      2   format
              6      2   kind: 1 fragment, 2 trash
              8      8   sequence: counts the records of the disk, over all volumes
              16     8   durable: bytes of THIS volume that an fdatasync covered when the record was written
              24     4   payload length
              28     4   body length
              32     4   CRC32C of bytes 0..31 and of the body, seeded with the CRC of the volume's uuid: bytes that a
                         client stored can never pass for a record, nor can a record of another volume
              36     -   body (msgpack): a fragment's meta and block CRCs, or the fragments that go to trash

The payload is covered by the block CRCs of the body. Nothing is ever appended to a volume of an earlier start, and nothing is
cut off: a record that cannot be read is left where it is, whether it is a torn tail that nobody was told of or rot in
acknowledged data, and what follows it is found again. ``durable`` tells the two apart in reports: a later record that says
these bytes were durable makes it rot.
"""

from __future__ import annotations

import struct

import msgspec
from crc32c import crc32c

from dolmen.core.fragment import FragmentMeta

PAGE_BYTES = 4096
MAGIC = 0x444C4D52
FORMAT = 1
KIND_FRAGMENT = 1
KIND_TRASH = 2
_PREFIX = struct.Struct(">IHHQQII")
_BODY_AT = _PREFIX.size + 4
HEADER_PAGES_MAX = 64  # a trash record of the largest batch, or the block CRCs of an 8 MiB fragment


class FragmentBody(msgspec.Struct, frozen=True, array_like=True):
    meta: FragmentMeta
    block_crcs: tuple[int, ...]


class TrashBody(msgspec.Struct, frozen=True, array_like=True):
    fragments: tuple[tuple[bytes, int], ...]


class Header(msgspec.Struct, frozen=True):
    """A decoded header; ``body`` stays encoded until somebody needs it."""

    kind: int
    sequence: int
    durable: int
    payload_length: int
    header_length: int  # whole pages
    body: bytes

    @property
    def record_length(self) -> int:
        return self.header_length + padded(self.payload_length)


_encoder = msgspec.msgpack.Encoder()
_fragment_decoder = msgspec.msgpack.Decoder(FragmentBody)
_trash_decoder = msgspec.msgpack.Decoder(TrashBody)


def padded(length: int) -> int:
    """Rounded up to whole pages."""
    return -(-length // PAGE_BYTES) * PAGE_BYTES


def encode_header(
    seed: int, kind: int, sequence: int, durable: int, payload_length: int, body: msgspec.Struct
) -> bytes:
    """The header's pages; ``seed`` is the volume's (see the top of this module)."""
    raw = _encoder.encode(body)
    prefix = _PREFIX.pack(MAGIC, FORMAT, kind, sequence, durable, payload_length, len(raw))
    crc = crc32c(raw, crc32c(prefix, seed))
    used = b"".join((prefix, crc.to_bytes(4, "big"), raw))
    return used.ljust(padded(len(used)), b"\0")


def header_length_of(page: bytes) -> int | None:
    """How many bytes the header that begins with ``page`` has; None when it is no header."""
    if len(page) < _BODY_AT:
        return None
    magic, version, _, _, _, _, body_length = _PREFIX.unpack_from(page)
    length = padded(_BODY_AT + body_length)
    if magic != MAGIC or version != FORMAT or length > HEADER_PAGES_MAX * PAGE_BYTES:
        return None
    return length


def decode_header(seed: int, raw: bytes) -> Header | None:
    """None unless ``raw`` begins with a whole header whose CRC holds."""
    length = header_length_of(raw)
    if length is None or len(raw) < length:
        return None
    _, _, kind, sequence, durable, payload_length, body_length = _PREFIX.unpack_from(raw)
    body = raw[_BODY_AT : _BODY_AT + body_length]
    if crc32c(body, crc32c(raw[: _PREFIX.size], seed)) != int.from_bytes(raw[_PREFIX.size : _BODY_AT], "big"):
        return None
    return Header(kind, sequence, durable, payload_length, length, body)


def fragment_body(header: Header) -> FragmentBody:
    """Raises ``msgspec.MsgspecError`` when the body is of another kind."""
    return _fragment_decoder.decode(header.body)


def trash_body(header: Header) -> TrashBody:
    """Raises ``msgspec.MsgspecError`` when the body is of another kind."""
    return _trash_decoder.decode(header.body)
