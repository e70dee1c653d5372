"""Bodies as authenticated ciphertext, and ranges of them back: AES-256-GCM in chunks, in order, with a marked end.

A sealed body is a header of 32 bytes (format, size of the chunks, salt) and then its chunks of 64 KiB, each with a tag of 16
bytes. The key of a body is HKDF-SHA256(data key, salt, header); the nonce of a chunk is its number and whether it is the last
one (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). So a chunk that was changed, moved, cut off,
added, or taken from another body does not open. An empty body is nothing at all: its size is in the row.

Everything is arithmetic on sizes of plaintext: those of an object's parts are in its row, and each part is a body of its own.
Two layers (``aws:kms:dsse``) are a sealed body sealed again under another key.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dolmen.core.errors import Corruption
from dolmen.core.process import new_buffer
from dolmen.gateway.objects.segment_write import HASH_INLINE_BYTES_MAX

KEY_BYTES = 32
CHUNK_BYTES_LOG2 = 16
CHUNK_BYTES = 1 << CHUNK_BYTES_LOG2  # a range reads at most this much too much at each end; the tags are 0.02 % of the data
TAG_BYTES = 16
SALT_BYTES = 24
HEADER_BYTES = 32
BATCH_BYTES = 4 * CHUNK_BYTES  # sealed and hashed at a time; an upload holds three of them beside its stripes
_FORMAT = bytes((1, CHUNK_BYTES_LOG2, 0, 0, 0, 0, 0, 0))  # version, size of the chunks, reserved
_CHUNK_NUMBER_BYTES = 11  # with the mark of the end: the 12 bytes of a nonce
_SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES

Update = Callable[[memoryview], None]
Source = Callable[[int, int], AsyncGenerator[list[memoryview], None]]  # bytes [start, end) of what is stored


class SealBroken(Corruption):
    """Stored bytes are not what was sealed: changed, cut off, or under another key."""


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The keys of one object's bodies, one for each layer, the innermost first."""

    layers: tuple[bytes, ...] = field(repr=False)

    def sealed_length(self, length: int) -> int:
        """Stored bytes of a body of ``length`` bytes."""
        for _ in self.layers:
            length = sealed_length(length)
        return length

    def opened_length(self, length: int) -> int:
        """The size of the body that is stored in so many bytes."""
        for _ in self.layers:
            length -= HEADER_BYTES + TAG_BYTES * -(-(length - HEADER_BYTES) // _SEALED_CHUNK_BYTES) if length else 0
        return length

    def etag(self, md5_hex: str) -> str:
        """32 hex digits for an ETag that must not tell the MD5 of the data."""
        return hmac.digest(self.layers[0], b"dolmen/etag" + bytes.fromhex(md5_hex), "sha256")[:16].hex()


def sealed_length(length: int) -> int:
    """Bytes of a body of ``length`` bytes under one layer."""
    return length + HEADER_BYTES + TAG_BYTES * -(-length // CHUNK_BYTES) if length else 0


def new_key() -> bytes:
    """A fresh data key."""
    return os.urandom(KEY_BYTES)


def _cipher(key: bytes, header: bytes) -> AESGCM:
    """The cipher of one body: the whole header goes into its key, so that a changed one opens nothing."""
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=header[-SALT_BYTES:], info=b"dolmen/body" + header[:-SALT_BYTES]).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_CHUNK_NUMBER_BYTES, "big") + (b"\x01" if last else b"\x00")


class Sealer:
    """Seals one body, batch by batch; use once."""

    def __init__(self, key: bytes) -> None:
        self._header = _FORMAT + os.urandom(SALT_BYTES)
        self._cipher = _cipher(key, self._header)
        self._number = 0

    def seal(self, batch: memoryview, *, last: bool) -> memoryview:
        """The next stored bytes. ``batch`` is whole chunks unless it is the ``last`` one, which must not be empty."""
        chunks = -(-len(batch) // CHUNK_BYTES)
        assert chunks
        assert last or len(batch) % CHUNK_BYTES == 0
        at = HEADER_BYTES if self._number == 0 else 0
        out = new_buffer(at + len(batch) + chunks * TAG_BYTES)
        if at:
            out[:at] = self._header
        for index in range(chunks):
            chunk = batch[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            end = at + len(chunk) + TAG_BYTES
            nonce = _nonce(self._number, last and index == chunks - 1)
            self._cipher.encrypt_into(nonce, chunk, None, out[at:end])
            self._number += 1
            at = end
        return out


async def sealed(
    pieces: AsyncIterator[memoryview], length: int | None, keys: DataKeys, update: Update
) -> AsyncGenerator[memoryview, None]:
    """The stored bytes of a body that comes in ``pieces``; ``update`` is fed with the plaintext, in order, in threads when large.

    ``length`` only sizes buffers. When the last piece is out, everything was fed to ``update``. Raises what ``pieces`` raises.
    """
    async with AsyncExitStack() as stack:
        for key in keys.layers:
            pieces = await stack.enter_async_context(aclosing(_sealed_once(pieces, length, key, update)))
            update = _nothing
            length = None if length is None else sealed_length(length)
        async for piece in pieces:
            yield piece


def _nothing(_: memoryview) -> None:
    """Digests are of the plaintext: ciphertext feeds none."""


async def _sealed_once(
    pieces: AsyncIterator[memoryview], length: int | None, key: bytes, update: Update
) -> AsyncGenerator[memoryview, None]:
    sealer = Sealer(key)
    room = BATCH_BYTES if length is None else min(BATCH_BYTES, -(-max(length, 1) // CHUNK_BYTES) * CHUNK_BYTES)
    buffer, filled = new_buffer(room), 0
    hashing: asyncio.Future[None] | None = None
    try:
        async for piece in pieces:
            while len(piece):
                if filled == room:  # only now it is known that this batch is not the last one
                    hashing = await _hash(buffer, update, hashing)
                    yield sealer.seal(buffer, last=False)
                    buffer, filled = new_buffer(room), 0
                taken = min(room - filled, len(piece))
                buffer[filled : filled + taken] = piece[:taken]
                filled += taken
                piece = piece[taken:]
        if filled:
            hashing = await _hash(buffer[:filled], update, hashing)
            yield sealer.seal(buffer[:filled], last=True)
    finally:
        if hashing is not None:
            await hashing


async def _hash(data: memoryview, update: Update, before: asyncio.Future[None] | None) -> asyncio.Future[None] | None:
    """Feed the digests while the same bytes are sealed: hashes let other threads run, this cipher does not."""
    if before is not None:
        await before
    if update is _nothing:
        return None
    if len(data) < HASH_INLINE_BYTES_MAX:
        update(data)
        return None
    return asyncio.get_running_loop().run_in_executor(None, update, data)


class _Unit(NamedTuple):
    """A header or a chunk in the order of storage, and what of its plaintext is wanted."""

    number: int  # of the chunk within its body; -1 for the header
    length: int  # stored
    last: bool = False
    low: int = 0
    high: int = 0


class _Plan(NamedTuple):
    """What to read for bytes [start, end) of several bodies in a row."""

    header_at: int  # of a header that must be read by itself; -1 when the first one lies in the range
    start: int  # of the stored bytes
    end: int


def _bodies(sizes: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(stored offset, size, low, high) of each body that holds some of [start, end)."""
    offset = stored = 0
    for size in sizes:
        low, high = max(start - offset, 0), min(end - offset, size)
        if low < high:
            yield stored, size, low, high
        offset += size
        stored += sealed_length(size)
        if offset >= end:
            return


def plan(sizes: Sequence[int], start: int, end: int) -> _Plan:
    """Which stored bytes hold the plaintext [start, end); it must not be empty."""
    found = list(_bodies(sizes, start, end))
    stored, _, low, _ = found[0]
    first_chunk = low // CHUNK_BYTES
    begin = stored + HEADER_BYTES + first_chunk * _SEALED_CHUNK_BYTES
    stored_last, size, _, high = found[-1]
    chunks = -(-high // CHUNK_BYTES)
    finish = stored_last + HEADER_BYTES + min(chunks * CHUNK_BYTES, size) + chunks * TAG_BYTES
    return _Plan(stored if first_chunk else -1, begin if first_chunk else stored, finish)


def _units(sizes: Sequence[int], start: int, end: int) -> Iterator[_Unit]:
    for index, (_, size, low, high) in enumerate(_bodies(sizes, start, end)):
        first = low // CHUNK_BYTES
        if index or not first:
            yield _Unit(-1, HEADER_BYTES)
        for number in range(first, -(-high // CHUNK_BYTES)):
            at = number * CHUNK_BYTES
            plain = min(CHUNK_BYTES, size - at)
            yield _Unit(number, plain + TAG_BYTES, at + plain == size, max(low - at, 0), min(high - at, plain))


class _Cutter:
    """Stored bytes as they come, cut into units."""

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []
        self._length = 0

    def feed(self, pieces: list[memoryview]) -> None:
        self._pieces += pieces
        self._length += sum(map(len, pieces))

    def take(self, length: int) -> bytearray | memoryview | None:
        """The next ``length`` bytes, as they lie there when they lie together; None until they are here."""
        if self._length < length:
            return None
        self._length -= length
        first = self._pieces[0]
        if len(first) >= length:
            self._pieces[:1] = [first[length:]] if len(first) > length else []
            return first[:length]
        joined = bytearray()
        while len(joined) < length:
            piece = self._pieces.pop(0)
            wanted = length - len(joined)
            joined += piece[:wanted]
            if len(piece) > wanted:
                self._pieces.insert(0, piece[wanted:])
        return joined

    def own(self) -> None:
        """Keep a copy of what is left (less than a chunk), so that nothing refers to the reader's buffers any more."""
        self._pieces = [memoryview(b"".join(self._pieces))] if self._length else []


async def _opened(source: Source, sizes: Sequence[int], key: bytes, start: int, end: int) -> AsyncGenerator[list[memoryview], None]:
    """One layer: plaintext [start, end) of bodies of these sizes in a row. Raises ``SealBroken`` and what ``source`` raises."""
    wanted = plan(sizes, start, end)
    units = _units(sizes, start, end)
    cutter = _Cutter()
    cipher: AESGCM | None = None
    if wanted.header_at >= 0:
        async with aclosing(source(wanted.header_at, wanted.header_at + HEADER_BYTES)) as stream:
            cipher = _cipher_of(key, b"".join([bytes(piece) async for group in stream for piece in group]))
    unit = next(units, None)
    async with aclosing(source(wanted.start, wanted.end)) as stream:
        async for group in stream:
            cutter.feed(group)
            del group
            out: list[memoryview] = []
            while unit is not None and (stored := cutter.take(unit.length)) is not None:
                if unit.number < 0:
                    cipher = _cipher_of(key, bytes(stored))
                else:
                    assert cipher is not None
                    out.append(_open_chunk(cipher, unit, stored))
                unit = next(units, None)
            stored = None
            cutter.own()
            if out:
                yield out
            del out
    if unit is not None:
        raise SealBroken("a sealed body ends too early")


def _cipher_of(key: bytes, header: bytes) -> AESGCM:
    if len(header) != HEADER_BYTES or not header.startswith(_FORMAT):
        raise SealBroken("a sealed body has an unknown header")
    return _cipher(key, header)


def _open_chunk(cipher: AESGCM, unit: _Unit, stored: bytearray | memoryview) -> memoryview:
    try:
        plain = cipher.decrypt(_nonce(unit.number, unit.last), stored, None)
    except InvalidTag as error:
        raise SealBroken(f"chunk {unit.number} of a sealed body is not what was sealed") from error
    return memoryview(plain)[unit.low : unit.high]


def opened(source: Source, sizes: Sequence[int], keys: DataKeys, start: int, end: int) -> AsyncGenerator[list[memoryview], None]:
    """Plaintext [start, end), not empty, of an object whose bodies have ``sizes`` bytes each.

    ``source`` reads the stored bytes. Raises ``SealBroken``, at the latest instead of the first wrong byte.
    """
    for depth in range(len(keys.layers) - 1, 0, -1):
        inner = list(sizes)
        for _ in range(depth):
            inner = [sealed_length(size) for size in inner]
        source = partial(_opened, source, inner, keys.layers[depth])
    return _opened(source, sizes, keys.layers[0], start, end)
