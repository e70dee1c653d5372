"""One append-only volume file: scanning it, appending to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from crc32c import crc32c
from typing_extensions import Buffer

from dolmen.core.errors import Corruption
from dolmen.datanode.disk_io import DiskIo
from dolmen.datanode.record import PAGE_BYTES, Header, decode_header, header_length_of

WRITE_AHEAD_BYTES = 4 << 20  # zeros written ahead of the appends: overwriting written space syncs 1.4 times faster
WRITE_AHEAD_BATCH_BYTES_MAX = 256 * 1024  # larger batches gain nothing: they would only be written twice
_ZEROS = bytes(1 << 20)


class VolumeSuperblock(msgspec.Struct, frozen=True):
    """First page of a volume."""

    format: int
    cluster_id: str
    disk_uuid: str
    volume_uuid: str
    number: int


def encode_superblock(superblock: VolumeSuperblock) -> bytes:
    raw = msgspec.json.encode(superblock)
    return (len(raw).to_bytes(4, "big") + crc32c(raw).to_bytes(4, "big") + raw).ljust(PAGE_BYTES, b"\0")


def decode_superblock(page: bytes) -> VolumeSuperblock:
    """Raises ``Corruption``."""
    raw = page[8 : 8 + int.from_bytes(page[:4], "big")]
    if crc32c(raw) != int.from_bytes(page[4:8], "big"):
        raise Corruption("superblock of a volume does not match its CRC")
    return msgspec.json.decode(raw, type=VolumeSuperblock)


class Volume:
    """An open volume file. ``end`` is where the next record goes, ``durable`` how far an fdatasync covered it."""

    def __init__(self, io: DiskIo, fd: int, number: int, end: int, seed: int) -> None:
        self._io = io
        self.fd = fd
        self.number = number
        self.end = end
        self.durable = end
        self.seed = seed
        self.sealed = False
        self._written = io.size(fd)

    @classmethod
    def create(cls, io: DiskIo, superblock: VolumeSuperblock) -> Volume:
        """A new volume whose name and superblock are durable. Raises ``OSError``."""
        fd = io.create(volume_name(superblock.number))
        io.pwrite(fd, [encode_superblock(superblock)], 0)
        io.fdatasync(fd)
        io.sync_directory()
        return cls(io, fd, superblock.number, PAGE_BYTES, volume_seed(superblock))

    def append(self, parts: list[Buffer], length: int) -> int:
        """Write at the end (not yet durable); returns the offset. Raises ``OSError``."""
        at = self.end
        self._io.pwrite(self.fd, parts, at)
        self.end = at + length
        self._written = max(self._written, self.end)
        return at

    def sync(self) -> None:
        """Make everything appended durable. Raises ``OSError``: the volume must then never be written again."""
        small = self.end - self.durable <= WRITE_AHEAD_BATCH_BYTES_MAX
        if small and self._written < self.end + WRITE_AHEAD_BYTES // 8:
            self._write_ahead()
        covered = self.end
        self._io.fdatasync(self.fd)
        self.durable = covered

    def _write_ahead(self) -> None:
        target = self.end + WRITE_AHEAD_BYTES
        while self._written < target:
            step = min(len(_ZEROS), target - self._written)
            self._io.pwrite(self.fd, [memoryview(_ZEROS)[:step]], self._written)
            self._written += step


def volume_name(number: int) -> str:
    return f"volume-{number:010d}"


def volume_number(name: str) -> int | None:
    """Inverse of ``volume_name``; None for other files."""
    prefix, _, digits = name.partition("-")
    return int(digits) if prefix == "volume" and digits.isdigit() and len(digits) == 10 else None


def volume_seed(superblock: VolumeSuperblock) -> int:
    """Where the CRC of every header of a volume starts."""
    return crc32c(superblock.volume_uuid.encode())


def read_header(io: DiskIo, fd: int, offset: int, seed: int) -> Header | None:
    """The header at ``offset``, or None when there is no whole, correct one."""
    page = io.pread(fd, PAGE_BYTES, offset)
    length = header_length_of(page)
    if length is None:
        return None
    return decode_header(seed, page if length == PAGE_BYTES else io.pread(fd, length, offset))


def scan(io: DiskIo, fd: int, size: int, seed: int) -> Iterator[tuple[int, Header]]:
    """(offset, header) of every readable record in order, those behind a rotten one included.

    After a page that is no header the scan goes on page by page: what follows is found again at the next header whose
    CRC holds and whose sequence is higher.
    """
    offset = PAGE_BYTES
    last_sequence = 0
    while offset < size:
        header = read_header(io, fd, offset, seed)
        if header is None or header.sequence <= last_sequence:
            offset += PAGE_BYTES
            continue
        yield offset, header
        last_sequence = header.sequence
        offset += header.record_length
