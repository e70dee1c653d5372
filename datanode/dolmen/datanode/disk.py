"""One disk: superblock, volumes, the index of its fragments, group commit.

A fragment is acknowledged after the fdatasync that covers it, and only while the directory is still the one that was opened:
a file whose path is gone would vanish with the process. A failed write or fdatasync seals the volume for good, its waiters
get an error, and nothing is retried on it; the second failure takes the disk out of service.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from typing_extensions import Buffer

from dolmen.core import wire
from dolmen.core.checksums import block_crcs
from dolmen.core.errors import ConfigError, Corruption, DolmenError
from dolmen.core.fragment import BLOCK_BYTES, FragmentMeta
from dolmen.core.telemetry.log import get_logger
from dolmen.core.wire import PAYLOAD_BYTES_MAX, ErrorCode
from dolmen.datanode.disk_io import DiskIo, OsDiskIo
from dolmen.datanode.record import (
    KIND_FRAGMENT,
    KIND_TRASH,
    PAGE_BYTES,
    FragmentBody,
    TrashBody,
    decode_header,
    encode_header,
    fragment_body,
    padded,
    trash_body,
)
from dolmen.datanode.volume import (
    Volume,
    VolumeSuperblock,
    decode_superblock,
    scan,
    volume_name,
    volume_number,
    volume_seed,
)

SUPERBLOCK = "superblock"
LOCK = "lock"
VOLUME_BYTES = 1 << 30  # a volume is sealed at this size: bounds what one failed fdatasync puts out of use
RESERVE_BYTES = 256 << 20  # kept free: trash records and repair must still work on a full disk
FAILURES_MAX = 2  # sealed volumes before the disk is quarantined


class Refused(DolmenError):
    """What a datanode answers instead of doing it."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class DiskSuperblock(msgspec.Struct, frozen=True):
    """Identity of a disk, in the file ``superblock``."""

    format: int
    cluster_id: str
    disk_uuid: str


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a fragment lies: its header and the payload behind it."""

    volume: int
    offset: int
    header_length: int
    payload_length: int
    pg: int


@dataclass(slots=True)
class _Sealed:
    """A volume that is only read."""

    fd: int
    seed: int


class Disk:
    """An open disk. Everything here is synchronous; the server decides in which thread a commit runs."""

    def __init__(
        self, location: str, io: DiskIo, superblock: DiskSuperblock, lock_fd: int, volume_bytes: int, reserve: int
    ) -> None:
        self.location = location
        self.uuid = superblock.disk_uuid
        self.state = "ready"
        self.reason = ""
        self.used_bytes = 0
        self._io = io
        self._superblock = superblock
        self._lock_fd = lock_fd
        self._volume_bytes = volume_bytes
        self._reserve = reserve
        self._inode = io.identity(SUPERBLOCK)
        self._index: dict[tuple[bytes, int], Place] = {}
        self._by_group: dict[int, list[tuple[bytes, int]]] = {}
        self._volumes: dict[int, _Sealed] = {}
        self._open: Volume | None = None
        self._sequence = 0
        self._last_volume = 0
        self._failures = 0
        self._punch: list[Place] = []
        self._log = get_logger("disk")

    # ---- opening -------------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        location: str,
        cluster_id: str,
        volume_bytes: int = VOLUME_BYTES,
        reserve: int = RESERVE_BYTES,
        seam: Callable[[str], DiskIo] = OsDiskIo,
    ) -> Disk:
        """Open a disk, or format an empty or missing directory.

        Raises ``ConfigError`` when another process has it, when it belongs to another cluster, or when it holds volumes but
        no readable superblock (it is then left untouched).
        """
        os.makedirs(location, mode=0o700, exist_ok=True)
        lock_fd = os.open(f"{location}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_fd)
            raise ConfigError(f"disk {location} is in use by another process") from error
        try:
            io = seam(location)
            superblock = _superblock(location, io, cluster_id)
            disk = cls(location, io, superblock, lock_fd, volume_bytes, reserve)
            disk._load()
        except BaseException:
            os.close(lock_fd)
            raise
        return disk

    def _load(self) -> None:
        """Replay every volume in order: the index is what they say."""
        numbers = sorted(n for n in map(volume_number, self._io.names()) if n is not None)
        self._last_volume = numbers[-1] if numbers else 0
        for number in numbers:
            fd = self._io.open(volume_name(number))
            try:
                superblock = decode_superblock(self._io.pread(fd, PAGE_BYTES, 0))
            except (Corruption, msgspec.MsgspecError) as error:
                self._log.error("volume cannot be read", disk=self.location, volume=number, error=str(error))
                self._io.close(fd)
                continue
            if superblock.disk_uuid != self.uuid or superblock.number != number:
                self._log.error("volume belongs elsewhere", disk=self.location, volume=number)
                self._io.close(fd)
                continue
            sealed = self._volumes[number] = _Sealed(fd, volume_seed(superblock))
            self._replay(number, sealed)

    def _replay(self, number: int, sealed: _Sealed) -> None:
        for offset, header in scan(self._io, sealed.fd, self._io.size(sealed.fd), sealed.seed):
            self._sequence = max(self._sequence, header.sequence)
            if header.kind == KIND_TRASH:
                for stripe_id, slot in trash_body(header).fragments:
                    self._forget((stripe_id, slot))
            elif header.kind == KIND_FRAGMENT:
                meta = fragment_body(header).meta
                place = Place(number, offset, header.header_length, header.payload_length, meta.pg)
                self._remember((meta.stripe_id, meta.slot), place)

    def close(self) -> None:
        """Release files and lock; what was acknowledged is durable already."""
        for sealed in self._volumes.values():
            self._io.close(sealed.fd)
        self._volumes.clear()
        self._index.clear()
        self._by_group.clear()
        os.close(self._lock_fd)

    # ---- index ---------------------------------------------------------------------------------------------------

    def _remember(self, key: tuple[bytes, int], place: Place) -> None:
        self._forget(key)
        self._index[key] = place
        insort(self._by_group.setdefault(place.pg, []), key)
        self.used_bytes += place.header_length + padded(place.payload_length)

    def _forget(self, key: tuple[bytes, int]) -> Place | None:
        place = self._index.pop(key, None)
        if place is not None:
            group = self._by_group[place.pg]
            del group[bisect_right(group, key) - 1]
            self.used_bytes -= place.header_length + padded(place.payload_length)
        return place

    def inventory(self, pg: int, after: bytes, limit: int) -> wire.InventoryReply:
        """Fragments of a group in order of stripe id."""
        group = self._by_group.get(pg, [])
        start = bisect_right(group, (after, 0xFFFF)) if after else 0
        page = group[start : start + limit]
        places = ((key, self._index.get(key)) for key in page)  # a commit in the disk's thread may trash one meanwhile
        found = tuple((key[0], key[1], place.payload_length) for key, place in places if place is not None)
        return wire.InventoryReply(found, start + len(page) >= len(group))

    @property
    def fragments(self) -> int:
        return len(self._index)

    # ---- reading -------------------------------------------------------------------------------------------------

    def _found(self, stripe_id: bytes, slot: int, payload_bytes: int = 0) -> tuple[Place, FragmentBody, bytes]:
        """Place and body of a fragment, and what was read: its header and the first ``payload_bytes`` behind it."""
        place = self._index.get((stripe_id, slot))
        if place is None:
            raise Refused(ErrorCode.NOT_HERE, "no such fragment on this disk")
        sealed = self._volumes[place.volume]
        try:
            raw = self._io.pread(sealed.fd, place.header_length + min(payload_bytes, place.payload_length), place.offset)
        except OSError as error:
            raise Refused(ErrorCode.FRAGMENT_CORRUPT, f"cannot be read: {error.strerror}") from error
        header = decode_header(sealed.seed, raw)
        if header is None or header.kind != KIND_FRAGMENT:
            raise Refused(ErrorCode.FRAGMENT_CORRUPT, "its header cannot be read")
        body = fragment_body(header)
        if body.meta.stripe_id != stripe_id or body.meta.slot != slot or header.payload_length != place.payload_length:
            raise Refused(ErrorCode.FRAGMENT_CORRUPT, "another fragment is in its place")
        return place, body, raw

    def read(self, stripe_id: bytes, slot: int, offset: int, length: int) -> tuple[wire.GetReply, memoryview]:
        """The blocks that cover a range, verified. Raises ``Refused``."""
        first = max(offset, 0) // BLOCK_BYTES
        start = first * BLOCK_BYTES
        ahead = 0 if first else (PAYLOAD_BYTES_MAX if length < 0 else -(-(offset + length) // BLOCK_BYTES) * BLOCK_BYTES)
        place, body, raw = self._found(stripe_id, slot, ahead)
        end = place.payload_length if length < 0 else min(offset + length, place.payload_length)
        if not 0 <= offset <= end:
            raise Refused(ErrorCode.BAD_FRAME, "range is outside of the fragment")
        last = -(-end // BLOCK_BYTES)
        want = max(min(last * BLOCK_BYTES, place.payload_length) - start, 0)
        if first == 0:
            payload = memoryview(raw)[place.header_length :][:want]  # came with the header: one call for both
        else:
            fd = self._volumes[place.volume].fd
            try:
                payload = memoryview(self._io.pread(fd, want, place.offset + place.header_length + start))
            except OSError as error:
                raise Refused(ErrorCode.FRAGMENT_CORRUPT, f"cannot be read: {error.strerror}") from error
        crcs = body.block_crcs[first:last]
        if len(payload) != want or block_crcs(payload) != crcs:
            raise Refused(ErrorCode.FRAGMENT_CORRUPT, "a block does not match its CRC")
        return wire.GetReply(body.meta, place.payload_length, first, crcs), payload

    def stat(self, stripe_id: bytes, slot: int, verify: bool) -> wire.StatReply:
        """Is it here; with ``verify`` every byte is read. Raises ``Refused``."""
        if verify:
            reply, _ = self.read(stripe_id, slot, 0, -1)
            return wire.StatReply(reply.meta, reply.fragment_length)
        place, body, _ = self._found(stripe_id, slot)
        return wire.StatReply(body.meta, place.payload_length)

    # ---- writing -------------------------------------------------------------------------------------------------

    def check_writable(self) -> None:
        """Raises ``Refused`` when a write cannot be taken now."""
        if self.state != "ready":
            raise Refused(ErrorCode.DISK_FAILED, self.reason or self.state)

    def _room(self) -> Volume:
        if self._open is not None and (self._open.sealed or self._open.end >= self._volume_bytes):
            self._open = None
        if self._open is None:
            number = self._last_volume = self._last_volume + 1  # never one that failed or cannot be read
            superblock = VolumeSuperblock(1, self._superblock.cluster_id, self.uuid, uuid.uuid4().hex, number)
            self._open = Volume.create(self._io, superblock)
            self._volumes[number] = _Sealed(self._open.fd, self._open.seed)
        return self._open

    def commit(self, puts: list[tuple[FragmentMeta, tuple[int, ...], Buffer]], trash: list[tuple[bytes, int]]) -> int:
        """Append a batch and make it durable, all or none; returns how many of ``trash`` were here. Raises ``Refused``."""
        self.check_writable()
        if not self.present:
            self.lose("its directory is gone")
            raise Refused(ErrorCode.DISK_FAILED, self.reason)
        try:
            if puts and self._io.free_bytes()[0] < self._reserve:
                raise Refused(ErrorCode.DISK_FULL, "free space is down to the reserve")
            places, here = self._append(puts, trash)
        except OSError as error:
            raise self._failed(error) from error
        if not self.present:
            self.lose("its directory is gone")
            raise Refused(ErrorCode.DISK_FAILED, self.reason)
        for (meta, _, _), place in zip(puts, places, strict=True):
            self._remember((meta.stripe_id, meta.slot), place)
        for key in here:
            gone = self._forget(key)
            if gone is not None:
                self._punch.append(gone)
        return len(here)

    def _append(
        self, puts: list[tuple[FragmentMeta, tuple[int, ...], Buffer]], trash: list[tuple[bytes, int]]
    ) -> tuple[list[Place], list[tuple[bytes, int]]]:
        volume = self._room()
        parts: list[Buffer] = []
        places: list[Place] = []
        at = start = volume.end
        for meta, crcs, payload in puts:
            self._sequence += 1
            size = memoryview(payload).nbytes
            header = encode_header(
                volume.seed, KIND_FRAGMENT, self._sequence, volume.durable, size, FragmentBody(meta, crcs)
            )
            places.append(Place(volume.number, at, len(header), size, meta.pg))
            parts += [header, payload, bytes(padded(size) - size)]
            at += len(header) + padded(size)
        here = [key for key in dict.fromkeys(trash) if key in self._index]
        if here:
            self._sequence += 1
            header = encode_header(volume.seed, KIND_TRASH, self._sequence, volume.durable, 0, TrashBody(tuple(here)))
            parts.append(header)
            at += len(header)
        if at > start:
            volume.append(parts, at - start)
            volume.sync()
        return places, here

    def _failed(self, error: OSError) -> Refused:
        """A write or sync failed: that volume is finished, whatever the kernel says next time."""
        if self._open is not None:
            self._open.sealed = True
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Refused(ErrorCode.DISK_FULL, "no space left on the disk")
        self._failures += 1
        self._log.error("volume is sealed after an I/O error", disk=self.location, error=str(error))
        if self._failures >= FAILURES_MAX:
            self.lose(f"quarantined after {self._failures} I/O errors")
        return Refused(ErrorCode.DISK_FAILED, f"I/O error: {error.strerror}")

    def lose(self, reason: str) -> None:
        """Take the disk out of service."""
        self.state, self.reason = "failed", reason

    def punch(self, limit: int) -> None:
        """Give the space of trashed fragments back; a failure only costs space."""
        batch, self._punch = self._punch[:limit], self._punch[limit:]
        for place in batch:
            try:
                length = place.header_length + padded(place.payload_length)
                self._io.punch_hole(self._volumes[place.volume].fd, place.offset, length)
            except OSError as error:
                self._log.warning("hole cannot be punched", disk=self.location, error=str(error))

    @property
    def present(self) -> bool:
        """Whether the directory is still the one that was opened."""
        return self._io.identity(SUPERBLOCK) == self._inode

    def status(self) -> wire.DiskStatus:
        """What is known of the disk now."""
        try:
            free, capacity = self._io.free_bytes()
        except OSError:
            free, capacity = 0, 0
        state = "full" if self.state == "ready" and free < self._reserve else self.state
        return wire.DiskStatus(
            uuid=self.uuid,
            location=self.location,
            state=state,
            reason=self.reason,
            capacity_bytes=capacity,
            free_bytes=free,
            used_bytes=self.used_bytes,
            fragments=len(self._index),
        )


def _superblock(location: str, io: DiskIo, cluster_id: str) -> DiskSuperblock:
    names = io.names()
    if SUPERBLOCK not in names:
        if any(name != LOCK and not name.startswith(f"{SUPERBLOCK}.") for name in names):
            raise ConfigError(f"disk {location} is not empty and has no superblock")
        return _format(io, cluster_id)
    fd = io.open(SUPERBLOCK)
    try:
        superblock = msgspec.json.decode(io.pread(fd, PAGE_BYTES, 0), type=DiskSuperblock)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"disk {location}: its superblock cannot be read") from error
    finally:
        io.close(fd)
    if superblock.cluster_id != cluster_id:
        raise ConfigError(f"disk {location} belongs to another cluster ({superblock.cluster_id})")
    return superblock


def _format(io: DiskIo, cluster_id: str) -> DiskSuperblock:
    superblock = DiskSuperblock(1, cluster_id, uuid.uuid4().hex)
    temporary = f"{SUPERBLOCK}.{superblock.disk_uuid}"
    fd = io.create(temporary)
    try:
        io.pwrite(fd, [msgspec.json.encode(superblock)], 0)
        io.fdatasync(fd)
    finally:
        io.close(fd)
    io.rename(temporary, SUPERBLOCK)
    io.sync_directory()
    return superblock
