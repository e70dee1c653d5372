"""Checksums in native code: the only importer of awscrt and isal.

Digests are bytes, big-endian, as S3 shows them (before base64). CRCs of parts combine into that of the whole without
reading a byte again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from awscrt import checksums as crt  # type: ignore[import-untyped]
from crc32c import crc32c
from isal import isal_zlib
from typing_extensions import Buffer

from dolmen.core.fragment import BLOCK_BYTES

__all__ = ["ALGORITHMS", "DIGEST_BYTES", "Hasher", "block_crcs", "combine", "composite", "crc32c", "joined_crc", "new_hasher"]


class Hasher(Protocol):
    """An incremental checksum."""

    def update(self, data: Buffer, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A CRC as a hasher."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[Buffer, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    """An xxHash as a hasher; the library's object can be finished once only."""

    __slots__ = ("_digest", "_hash")

    def __init__(self, xxhash: crt.XXHash) -> None:
        self._hash = xxhash
        self._digest: bytes | None = None

    def update(self, data: Buffer, /) -> None:
        self._hash.update(data if isinstance(data, bytes) else bytes(data))  # awscrt takes nothing but bytes here

    def digest(self) -> bytes:
        if self._digest is None:
            self._digest = self._hash.finalize()
        return self._digest


_CRCS: dict[str, tuple[Callable[[Buffer, int], int], Callable[[int, int, int], int], int]] = {
    "CRC32": (isal_zlib.crc32, crt.combine_crc32, 4),
    "CRC32C": (crc32c, crt.combine_crc32c, 4),
    "CRC64NVME": (crt.crc64nvme, crt.combine_crc64nvme, 8),
}
_HASHES = {"SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512", "MD5": "md5"}
_XXHASHES: dict[str, Callable[[], crt.XXHash]] = {
    "XXHASH64": crt.XXHash.new_xxhash64,
    "XXHASH3": crt.XXHash.new_xxhash3_64,
    "XXHASH128": crt.XXHash.new_xxhash3_128,
}
ALGORITHMS = frozenset({*_CRCS, *_HASHES, *_XXHASHES})
DIGEST_BYTES = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "MD5": 16,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}


def new_hasher(algorithm: str) -> Hasher:
    """A fresh hasher; raises ``ValueError`` for a name that S3 does not know."""
    if algorithm in _CRCS:
        function, _, size = _CRCS[algorithm]
        return _Crc(function, size)
    if algorithm in _HASHES:
        return hashlib.new(_HASHES[algorithm], usedforsecurity=False)
    if algorithm in _XXHASHES:
        return _XxHash(_XXHASHES[algorithm]())
    raise ValueError(f"unknown checksum algorithm {algorithm!r}")


def combine(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> bytes:
    """The CRC of a concatenation from (digest, length) of each part; CRCs only."""
    _, join, size = _CRCS[algorithm]
    value = 0
    for digest, length in parts:
        value = join(value, int.from_bytes(digest, "big"), length)
    return value.to_bytes(size, "big")


def composite(algorithm: str, digests: Sequence[bytes]) -> bytes:
    """S3's checksum of checksums."""
    hasher = new_hasher(algorithm)
    hasher.update(b"".join(digests))
    return hasher.digest()


_HOLD_GIL = 0  # a block takes 3 µs: giving the GIL up and getting it back, with other threads about, costs more


def block_crcs(payload: Buffer) -> tuple[int, ...]:
    """CRC32C of each block of ``BLOCK_BYTES``; the last may be short."""
    view = memoryview(payload)
    if len(view) <= BLOCK_BYTES:
        return (crc32c(view, 0, _HOLD_GIL),) if view else ()
    return tuple([crc32c(view[at : at + BLOCK_BYTES], 0, _HOLD_GIL) for at in range(0, len(view), BLOCK_BYTES)])


def joined_crc(parts: Iterable[tuple[Sequence[int], int]]) -> int:
    """CRC32C of a concatenation from (block CRCs, length in bytes) of each part: a tenth of the price of reading it again."""
    value = 0
    for blocks, length in parts:
        left = length
        for crc in blocks:
            value = crt.combine_crc32c(value, crc, min(left, BLOCK_BYTES))
            left -= BLOCK_BYTES
    return value
