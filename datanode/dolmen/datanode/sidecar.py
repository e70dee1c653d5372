"""The sidecar of a sealed volume: what a scan of the volume would say, sorted, so that a start need not scan it.

A hint, never the truth: one that is missing, damaged or not of this very volume is made again from the volume. Format 1::

    offset size
    0      4   magic "DLMS"
    4      2   format
    6      2   flags: 1 = something in the volume could not be read when it was scanned
    8      16  uuid of the volume
    24     8   size of the volume's file in bytes: another size makes the sidecar stale
    32     8   highest sequence in the volume
    40     4   number of entries
    44     4   number of trash keys
    48     4   CRC32C of bytes 0..47 and of all that follows
    52     -   entries (``index.ENTRY``), ordered by key
    -      -   keys (stripe id, slot) that records of this volume sent to trash, ordered

Within a volume the last record of a key counts: it is among the entries or among the trash keys, never both. It is written
only after the holes of its trash records were punched, so that a start with a sidecar has nothing to punch again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from crc32c import crc32c

from dolmen.datanode.disk_io import DiskIo, replace_file
from dolmen.datanode.index import ENTRY_BYTES, KEY_BYTES

MAGIC = 0x444C4D53
FORMAT = 1
_HEAD = struct.Struct(">IHH16sQQII")
_ENTRIES_AT = _HEAD.size + 4
SIDECAR_BYTES_MAX = 64 << 20  # a volume of 1 GiB has at most 131,072 fragments (4.5 MiB of entries); the rest is for trash keys
FLAG_SUSPECT = 1
SUFFIX = ".index"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The contents of one volume."""

    volume_uuid: bytes
    volume_bytes: int
    sequence: int
    entries: bytes
    trash: bytes
    suspect: bool = False

    def each_trash(self) -> Iterator[bytes]:
        for at in range(0, len(self.trash), KEY_BYTES):
            yield self.trash[at : at + KEY_BYTES]


class VolumeContents:
    """Collects the records of a volume in order, 36 bytes for each fragment."""

    __slots__ = ("_log", "sequence", "suspect")

    def __init__(self) -> None:
        self.sequence = 0
        self.suspect = False
        self._log = bytearray()  # entries; one that is a key and zeros is trash (a fragment's header has a page at least)

    def put(self, entry: bytes) -> None:
        self._log += entry

    def trash(self, key: bytes) -> None:
        self._log += key.ljust(ENTRY_BYTES, b"\0")

    def trashed(self) -> list[bytes]:
        """Entries that a later record of the same volume sent to trash: their holes may not be punched yet."""
        found = []
        last: dict[bytes, int] = {}
        for at in range(0, len(self._log), ENTRY_BYTES):
            key = bytes(self._log[at : at + KEY_BYTES])
            if any(self._log[at + KEY_BYTES : at + ENTRY_BYTES]):
                last[key] = at
            elif key in last:
                gone = last.pop(key)
                found.append(bytes(self._log[gone : gone + ENTRY_BYTES]))
        return found

    def sidecar(self, volume_uuid: bytes, volume_bytes: int) -> Sidecar:
        """What counts in the end, ordered."""
        log = bytes(self._log)
        last = {log[at : at + KEY_BYTES]: at for at in range(0, len(log), ENTRY_BYTES)}
        ordered = [log[last[key] : last[key] + ENTRY_BYTES] for key in sorted(last)]
        dead = bytes(ENTRY_BYTES - KEY_BYTES)
        entries = b"".join([entry for entry in ordered if entry[KEY_BYTES:] != dead])
        trash = b"".join([entry[:KEY_BYTES] for entry in ordered if entry[KEY_BYTES:] == dead])
        return Sidecar(volume_uuid, volume_bytes, self.sequence, entries, trash, self.suspect)


def encode(sidecar: Sidecar) -> bytes:
    head = _HEAD.pack(
        MAGIC, FORMAT, FLAG_SUSPECT if sidecar.suspect else 0, sidecar.volume_uuid, sidecar.volume_bytes, sidecar.sequence,
        len(sidecar.entries) // ENTRY_BYTES, len(sidecar.trash) // KEY_BYTES,
    )  # fmt: skip
    crc = crc32c(sidecar.trash, crc32c(sidecar.entries, crc32c(head)))
    return b"".join((head, crc.to_bytes(4, "big"), sidecar.entries, sidecar.trash))


def decode(raw: bytes) -> Sidecar | None:
    """None unless ``raw`` is a whole, correct sidecar."""
    if len(raw) < _ENTRIES_AT:
        return None
    magic, version, flags, volume_uuid, volume_bytes, sequence, entries, keys = _HEAD.unpack_from(raw)
    trash_at = _ENTRIES_AT + entries * ENTRY_BYTES
    if magic != MAGIC or version != FORMAT or len(raw) != trash_at + keys * KEY_BYTES:
        return None
    view = memoryview(raw)
    if crc32c(view[_ENTRIES_AT:], crc32c(view[: _HEAD.size])) != int.from_bytes(raw[_HEAD.size : _ENTRIES_AT], "big"):
        return None
    return Sidecar(
        volume_uuid, volume_bytes, sequence, raw[_ENTRIES_AT:trash_at], raw[trash_at:], bool(flags & FLAG_SUSPECT)
    )


def write(io: DiskIo, volume_name: str, sidecar: Sidecar) -> None:
    """Write it durably beside its volume; none when it would be too large. Raises ``OSError``."""
    raw = encode(sidecar)
    if len(raw) <= SIDECAR_BYTES_MAX:
        replace_file(io, volume_name + SUFFIX, raw)


def load(io: DiskIo, volume_name: str, volume_uuid: bytes, volume_bytes: int) -> Sidecar | None:
    """The sidecar of this very volume; None when it has to be made again."""
    try:
        fd = io.open(volume_name + SUFFIX)
    except OSError:
        return None
    try:
        size = io.size(fd)
        raw = io.pread(fd, size, 0) if size <= SIDECAR_BYTES_MAX else b""
    except OSError:
        return None
    finally:
        io.close(fd)
    found = decode(raw)
    if found is None or found.volume_uuid != volume_uuid or found.volume_bytes != volume_bytes:
        return None
    return found
