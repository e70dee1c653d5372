"""A store as one file: what ``dolmen metadata export`` writes and ``import`` reads. Of any backend, for any backend.

Format 1, numbers big-endian: the magic ``DOLMENMD``, the format as 2 bytes, then frames: one byte that tells what it is, the
length of its content as 4 bytes, the content, CRC32C of all of that as 4 bytes. The first frame is ``H``, a JSON object: when and
by what the file was written. ``I`` frames hold items of one kind: a msgpack array of arrays, each beginning with the number of its
kind (see ``transfer``). The last frame is ``T``, a JSON object: ``items`` by kind and ``sha256``, of all bytes before it. Nothing
follows it, and a file without it was cut off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from dolmen.core.checksums import crc32c
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.transfer import Item, kind_of

MAGIC = b"DOLMENMD"
FORMAT = 1
FRAME_BYTES_MAX = 256 << 20  # a page of items, each of which may describe an object of 10,000 parts; bounds what a reader holds
_LENGTH_BYTES = 4
_CRC_BYTES = 4
_HEADER, _ITEMS, _TRAILER = b"H", b"I", b"T"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Item]).decode


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a file at its beginning."""

    written_us: int
    source: str  # kind of backend: for people


class Trailer(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a file whole."""

    items: dict[str, int]
    sha256: str


class BadStreamFile(ConfigError):
    """The file is none of ours, was cut off or changed."""


class StreamWriter:
    """Writes a file beside its place; ``finish`` puts it there. Raises ``OSError``."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._scratch = path.with_name(f".{path.name}.new")
        descriptor = os.open(self._scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)  # holds sealed keys
        self._file = os.fdopen(descriptor, "wb")
        self._sha256 = hashlib.sha256()
        self._counts: dict[str, int] = {}
        self._put(MAGIC + FORMAT.to_bytes(2, "big"))
        self._frame(_HEADER, msgspec.json.encode(header))

    def write(self, items: Sequence[Item]) -> None:
        """Items of one kind. Raises ``OSError``."""
        if items:
            name = kind_of(items[0]).name.lower()
            self._counts[name] = self._counts.get(name, 0) + len(items)
            self._frame(_ITEMS, _encode(items))

    def finish(self) -> Trailer:
        """Make the file whole and durable, and give it its name."""
        trailer = Trailer(items=self._counts, sha256=self._sha256.hexdigest())
        self._frame(_TRAILER, msgspec.json.encode(trailer))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._scratch.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return trailer

    def discard(self) -> None:
        """Leave nothing, unless it is finished."""
        self._file.close()
        self._scratch.unlink(missing_ok=True)

    def _frame(self, what: bytes, content: bytes) -> None:
        if len(content) > FRAME_BYTES_MAX:
            raise BadStreamFile("a page of items is larger than a frame may be")
        told = what + len(content).to_bytes(_LENGTH_BYTES, "big")
        self._put(told)
        self._put(content)
        self._put(crc32c(content, crc32c(told)).to_bytes(_CRC_BYTES, "big"))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)


def read_stream(file: BinaryIO) -> Iterator[Sequence[Item]]:
    """Items of a file, page by page. Raises ``BadStreamFile`` where it is not as it was written, its end included.

    Whoever must not take half a file reads it twice: see ``check_stream``.
    """
    sha256 = hashlib.sha256()
    start = file.read(len(MAGIC) + 2)
    if start[: len(MAGIC)] != MAGIC:
        raise BadStreamFile("this is no file of `dolmen metadata export`")
    if int.from_bytes(start[len(MAGIC) :], "big") != FORMAT:
        raise BadStreamFile(f"the file has format {int.from_bytes(start[len(MAGIC) :], 'big')}; this program knows format {FORMAT}")
    sha256.update(start)
    counts: dict[str, int] = {}
    expected = _HEADER
    while True:
        before = sha256.hexdigest()
        what, content = _next_frame(file, sha256)
        if what not in (expected, _TRAILER) or (what == _TRAILER and expected == _HEADER):
            raise BadStreamFile("the file is damaged: its parts are not in order")
        if what == _TRAILER:
            _check_trailer(content, counts, before)
            if file.read(1):
                raise BadStreamFile("the file is damaged: something follows its end")
            return
        if what == _ITEMS:
            items = _items(content)
            name = kind_of(items[0]).name.lower()
            counts[name] = counts.get(name, 0) + len(items)
            yield items
        expected = _ITEMS


def check_stream(path: Path) -> dict[str, int]:
    """Read a whole file; how many items of each kind there are. Raises ``BadStreamFile``, ``OSError``."""
    counts: dict[str, int] = {}
    with path.open("rb") as file:
        for items in read_stream(file):
            name = kind_of(items[0]).name.lower()
            counts[name] = counts.get(name, 0) + len(items)
    return counts


def _next_frame(file: BinaryIO, sha256: hashlib._Hash) -> tuple[bytes, bytes]:
    told = file.read(1 + _LENGTH_BYTES)
    length = int.from_bytes(told[1:], "big")
    if len(told) == 1 + _LENGTH_BYTES and length > FRAME_BYTES_MAX:
        raise BadStreamFile("the file is damaged: a part of it is longer than any may be")
    content = file.read(length)
    crc = file.read(_CRC_BYTES)
    if len(told) < 1 + _LENGTH_BYTES or len(content) < length or len(crc) < _CRC_BYTES:
        raise BadStreamFile("the file was cut off: it has no end")
    if crc32c(content, crc32c(told)).to_bytes(_CRC_BYTES, "big") != crc:
        raise BadStreamFile("the file is damaged: a checksum is wrong")
    for data in (told, content, crc):
        sha256.update(data)
    return told[:1], content


def _items(content: bytes) -> list[Item]:
    try:
        items = _decode(content)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadStreamFile(f"the file holds what this program does not know: {error}") from error
    if not items or len({kind_of(item) for item in items}) != 1:
        raise BadStreamFile("the file is damaged: a page is empty or of several kinds")
    return items


def _check_trailer(content: bytes, counts: dict[str, int], sha256: str) -> None:
    try:
        trailer = msgspec.json.decode(content, type=Trailer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadStreamFile(f"the file is damaged: {error}") from error
    if trailer.items != counts or trailer.sha256 != sha256:
        raise BadStreamFile("the file is damaged: its end tells of other items")
