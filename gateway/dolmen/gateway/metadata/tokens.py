"""Continuation tokens: an opaque position with a kind and a check value.

A token is only a place to go on from. It carries no authority (every page is authorised anew), so a CRC against
damage and mixing-up is enough; a forged one shows nothing that start-after would not.
"""

from __future__ import annotations

import base64
import binascii
import zlib

import msgspec

from dolmen.core.errors import ClientFault

TOKEN_CHARS_MAX = 4096  # a key of 1024 bytes makes about 1400 characters: anything longer is not ours
_FORMAT = 1
_CRC_BYTES = 4


class InvalidToken(ClientFault):
    """The token was not made by us, or for another kind of list (400 InvalidArgument)."""


class _Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    kind: str
    position: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Position)


def encode_token(kind: str, position: bytes) -> str:
    """A token for ``position`` in lists of ``kind`` (e.g. "objects"): URL-safe text."""
    raw = _encoder.encode(_Position(_FORMAT, kind, position))
    return base64.urlsafe_b64encode(raw + _crc(raw)).decode().rstrip("=")


def decode_token(kind: str, token: str) -> bytes:
    """The position of a token of this kind. Raises ``InvalidToken``."""
    if len(token) > TOKEN_CHARS_MAX:
        raise InvalidToken("the continuation token is too long")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
        if crc != _crc(body):
            raise InvalidToken("the continuation token is damaged")
        found = _decoder.decode(body)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidToken("the continuation token is not one of ours") from error
    if found.format != _FORMAT or found.kind != kind or encode_token(kind, found.position) != token:
        raise InvalidToken("the continuation token belongs to another list")
    return found.position


def _crc(raw: bytes) -> bytes:
    return zlib.crc32(raw).to_bytes(_CRC_BYTES, "big")
