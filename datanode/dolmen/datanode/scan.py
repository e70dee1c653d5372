"""Reading a volume from end to end: its records, and what of it cannot be read.

A record that cannot be read is skipped, and what follows it is found again at the next header whose CRC holds and whose
sequence is higher. Every record tells how much of its volume was durable when it was written. So what cannot be read below
the highest such mark had been acknowledged: that is rot. Above all marks it is the torn tail of a batch that nobody was told
of: its payloads are checked as well. Holes are neither: they were punched for trash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dolmen.core.checksums import block_crcs
from dolmen.datanode.disk_io import DiskIo
from dolmen.datanode.index import Place, key_of, pack
from dolmen.datanode.record import (
    KIND_FRAGMENT,
    KIND_TRASH,
    MAGIC,
    PAGE_BYTES,
    Header,
    decode_header,
    fragment_body,
    header_length_of,
    padded,
    trash_body,
)
from dolmen.datanode.sidecar import VolumeContents

_SKIP_BYTES = 1 << 20  # read at once while looking for the next header
_MAGIC = MAGIC.to_bytes(4, "big")


@dataclass(slots=True)
class Findings:
    """What a scan says of a volume besides its records. Ranges are (offset, length)."""

    rotten: list[tuple[int, int]] = field(default_factory=list)
    torn: list[tuple[int, int]] = field(default_factory=list)


def read_header(io: DiskIo, fd: int, offset: int, seed: int) -> Header | None:
    """The header at ``offset``, or None when there is no whole, correct one."""
    page = io.pread(fd, PAGE_BYTES, offset)
    length = header_length_of(page)
    if length is None:
        return None
    return decode_header(seed, page if length == PAGE_BYTES else io.pread(fd, length, offset))


class _Scan:
    def __init__(self, io: DiskIo, fd: int, seed: int) -> None:
        self._io = io
        self._fd = fd
        self._size = io.size(fd)
        self._seed = seed
        self._sequence = 0
        self.gaps: list[tuple[int, int]] = []  # unreadable and no hole

    def records(self) -> Iterator[tuple[int, Header]]:
        offset = PAGE_BYTES
        while offset < self._size:
            header = self._header(offset)
            if header is None:
                offset = self._next(offset)
                continue
            yield offset, header
            self._sequence = header.sequence
            offset += header.record_length

    def _header(self, offset: int) -> Header | None:
        header = read_header(self._io, self._fd, offset, self._seed)
        return header if header is not None and header.sequence > self._sequence else None

    def _next(self, offset: int) -> int:
        """The offset of the next header; what lies between is a gap, except for holes."""
        while offset < self._size:
            data = self._io.next_data(self._fd, offset)
            if data > offset:
                offset = data // PAGE_BYTES * PAGE_BYTES
                if self._header(offset) is not None:
                    return offset
                continue
            end = min(self._io.next_hole(self._fd, offset), offset + _SKIP_BYTES)
            chunk = self._io.pread(self._fd, end - offset, offset)
            for at in range(PAGE_BYTES, len(chunk), PAGE_BYTES):
                if chunk.startswith(_MAGIC, at) and self._header(offset + at) is not None:
                    self._gap(offset, at)
                    return offset + at
            self._gap(offset, end - offset)
            offset = max(padded(end), offset + PAGE_BYTES)
            if self._header(offset) is not None:
                return offset
        return self._size

    def _gap(self, offset: int, length: int) -> None:
        if self.gaps and sum(self.gaps[-1]) == offset:
            offset, length = self.gaps[-1][0], self.gaps[-1][1] + length
            self.gaps.pop()
        self.gaps.append((offset, length))


def scan_volume(io: DiskIo, fd: int, seed: int, number: int) -> tuple[VolumeContents, Findings]:
    """The contents of a volume whose superblock was read. Raises ``OSError``."""
    scan = _Scan(io, fd, seed)
    contents, findings = VolumeContents(), Findings()
    durable = 0
    unproven: deque[tuple[int, Header]] = deque()  # no later record says that they were durable: one batch at most
    for offset, header in scan.records():
        durable = max(durable, header.durable)
        while unproven and unproven[0][0] < durable:
            _enter(contents, number, *unproven.popleft())
        unproven.append((offset, header))
    for offset, header in unproven:
        if offset < durable or header.kind != KIND_FRAGMENT or _payload_holds(io, fd, offset, header):
            _enter(contents, number, offset, header)
        else:
            findings.torn.append((offset, header.record_length))
    for offset, length in scan.gaps:
        if offset < durable:
            findings.rotten.append((offset, length))
        elif _any_bytes(io, fd, offset, length):
            findings.torn.append((offset, length))
    contents.suspect = bool(findings.rotten)
    return contents, findings


def _enter(contents: VolumeContents, number: int, offset: int, header: Header) -> None:
    contents.sequence = max(contents.sequence, header.sequence)
    if header.kind == KIND_TRASH:
        for stripe_id, slot in trash_body(header).fragments:
            contents.trash(key_of(stripe_id, slot))
    elif header.kind == KIND_FRAGMENT:
        meta = fragment_body(header).meta
        place = Place(number, offset, header.header_length, header.payload_length, meta.pg)
        contents.put(pack(meta.stripe_id, meta.slot, place))


def _payload_holds(io: DiskIo, fd: int, offset: int, header: Header) -> bool:
    payload = io.pread(fd, header.payload_length, offset + header.header_length)
    return len(payload) == header.payload_length and block_crcs(payload) == fragment_body(header).block_crcs


def _any_bytes(io: DiskIo, fd: int, offset: int, length: int) -> bool:
    """Whether anything but zeros is there: space written ahead is no torn record."""
    for at in range(offset, offset + length, _SKIP_BYTES):
        if io.pread(fd, min(_SKIP_BYTES, offset + length - at), at).strip(b"\0"):
            return True
    return False
