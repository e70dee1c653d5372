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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec
from prometheus_client import Counter
from typing_extensions import Buffer

from dolmen.core import wire
from dolmen.core.checksums import block_crcs
from dolmen.core.cluster_map import ClusterMap
from dolmen.core.errors import ConfigError, Corruption, DolmenError
from dolmen.core.fragment import BLOCK_BYTES, FragmentMeta
from dolmen.core.telemetry.log import get_logger
from dolmen.core.wire import PAYLOAD_BYTES_MAX, ErrorCode
from dolmen.datanode import identity, sidecar
from dolmen.datanode.disk_io import TEMPORARY_SUFFIX, DiskIo, OsDiskIo
from dolmen.datanode.identity import LOCK, SUPERBLOCK, DiskSuperblock
from dolmen.datanode.index import ENTRY, FragmentIndex, Place, key_of, pack
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
)
from dolmen.datanode.scan import scan_volume
from dolmen.datanode.sidecar import Sidecar, VolumeContents
from dolmen.datanode.volume import (
    Volume,
    VolumeSuperblock,
    decode_superblock,
    volume_name,
    volume_number,
    volume_seed,
    volume_uuid_bytes,
)

VOLUME_BYTES = 1 << 30  # a volume is sealed at this size: bounds what one failed fdatasync puts out of use
RESERVE_BYTES = 256 << 20  # kept free: trash records and repair must still work on a full disk
FAILURES_MAX = 2  # sealed volumes before the disk is quarantined
FREE_CHECK_BYTES = 16 << 20  # written between two looks at the free space: far below the reserve
PUNCH_ALL = 1 << 30  # holes at once when the disk is closed anyway

ROTTEN = Counter("dolmen_datanode_rotten_ranges_total", "Ranges of acknowledged data found unreadable at a start")
TORN = Counter("dolmen_datanode_torn_tails_total", "Unacknowledged records found torn after a crash: normal")
CORRUPT_READS = Counter("dolmen_datanode_corrupt_reads_total", "Reads that found a fragment corrupt")


class Refused(DolmenError):
    """What a datanode answers instead of doing it."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _VolumeState:
    """What is known of a volume beside its records."""

    fd: int
    seed: int
    uuid: bytes
    live: int = 0  # fragments of the index that lie here
    records: int = 0
    suspect: bool = False  # something in it cannot be read: never unlinked
    ended: set[int] = field(default_factory=set)  # volumes with fragments that records of this one put out of use
    contents: VolumeContents | None = None  # until its sidecar is written


@dataclass(frozen=True, slots=True)
class Written:
    """A durable batch that the index does not know yet."""

    volume: int
    entries: list[bytes]
    trashed: list[tuple[bytes, int]]


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
        self._index = FragmentIndex()
        self._volumes: dict[int, _VolumeState] = {}
        self._open: Volume | None = None
        self._sequence = 0
        self._last_volume = 0
        self._failures = 0
        self._unchecked_bytes = FREE_CHECK_BYTES  # written since free space was looked at
        self._holes: list[Place] = []  # of trash, to be punched
        self._sidecars_due: list[int] = []  # sealed volumes without one
        self._dead: set[int] = set()  # volumes without a live fragment: unlinked when nothing needs their records
        self._dead_changed = False
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
            superblock = identity.superblock_of(location, io, cluster_id)
            disk = cls(location, io, superblock, lock_fd, volume_bytes, reserve)
            disk._load()
        except BaseException:
            os.close(lock_fd)
            raise
        return disk

    def _load(self) -> None:
        """The index is what the volumes say, in order; sidecars stand for those that have one."""
        names = self._io.names()
        numbers = sorted(n for n in map(volume_number, names) if n is not None)
        self._last_volume = numbers[-1] if numbers else 0
        for name in names:
            volume = volume_number(name.removesuffix(sidecar.SUFFIX)) if name.endswith(sidecar.SUFFIX) else None
            if name.endswith(TEMPORARY_SUFFIX) or (volume is not None and volume not in numbers):
                self._io.unlink(name)  # half a file of a crash, or a hint about nothing
        for number in numbers:
            state = self._open_volume(number)
            if state is None:
                continue
            self._volumes[number] = state
            found = sidecar.load(self._io, volume_name(number), state.uuid, self._io.size(state.fd))
            self._enter(number, state, found or self._scan(number, state), punched=found is not None)
        self._index.settle()
        while self._sidecars_due and not self._holes:  # at once, as long as no hole has to be punched before
            self.chore(0)

    def _open_volume(self, number: int) -> _VolumeState | None:
        fd = self._io.open(volume_name(number))
        try:
            superblock = decode_superblock(self._io.pread(fd, PAGE_BYTES, 0))
        except (Corruption, msgspec.MsgspecError) as error:
            ROTTEN.inc()
            self._log.error("volume cannot be read", disk=self.location, volume=number, error=str(error))
            self._io.close(fd)
            return None
        if superblock.disk_uuid != self.uuid or superblock.number != number:
            self._log.error("volume belongs elsewhere", disk=self.location, volume=number)
            self._io.close(fd)
            return None
        return _VolumeState(fd, volume_seed(superblock), volume_uuid_bytes(superblock))

    def _scan(self, number: int, state: _VolumeState) -> Sidecar:
        contents, findings = scan_volume(self._io, state.fd, state.seed, number)
        for offset, length in findings.rotten:
            ROTTEN.inc()
            self._log.error(
                "acknowledged data cannot be read", disk=self.location, volume=number, offset=offset, bytes=length
            )
        for offset, length in findings.torn:
            TORN.inc()
            self._log.info("torn tail", disk=self.location, volume=number, offset=offset, bytes=length)
        state.contents = contents
        self._sidecars_due.append(number)
        self._holes += [self._index.place_in(entry) for entry in contents.trashed()]
        return contents.sidecar(state.uuid, self._io.size(state.fd))

    def _enter(self, number: int, state: _VolumeState, found: Sidecar, *, punched: bool) -> None:
        """Apply one volume to the index; unless ``punched``, holes of its trash may be missing."""
        self._sequence = max(self._sequence, found.sequence)
        state.suspect = found.suspect
        for key in found.each_trash():
            state.records += 1
            gone = self._take_out(state, number, key)
            if gone is not None and not punched:
                self._holes.append(gone)
        for gone in self._index.add_all(found.entries):
            self._ended(state, number, gone)
        for _, _, pages, _, _, _, length in ENTRY.iter_unpack(found.entries):
            state.records += 1
            state.live += 1
            self.used_bytes += pages * PAGE_BYTES + padded(length)
        if not state.live:
            self._note_dead(number)

    def close(self) -> None:
        """Release files and lock; what was acknowledged is durable already. A disk in order gets its last sidecars."""
        if self.state == "ready" and self.present:
            self._seal()
            while self.has_chores:
                self.chore(PUNCH_ALL)
        for state in self._volumes.values():
            self._io.close(state.fd)
        self._volumes.clear()
        self._index = FragmentIndex()
        os.close(self._lock_fd)

    # ---- index ---------------------------------------------------------------------------------------------------

    def _put_in(self, state: _VolumeState, number: int, entry: bytes) -> None:
        superseded = self._index.add(entry)
        if superseded is not None:
            self._ended(state, number, superseded)
        state.live += 1
        place = self._index.place_in(entry)
        self.used_bytes += place.record_length

    def _take_out(self, state: _VolumeState, number: int, key: bytes) -> Place | None:
        gone = self._index.remove(key)
        if gone is not None:
            self._ended(state, number, gone)
        return gone

    def _ended(self, state: _VolumeState, number: int, gone: Place) -> None:
        """A record of volume ``number`` put a fragment out of use."""
        old = self._volumes[gone.volume]
        old.live -= 1
        if not old.live:
            self._note_dead(gone.volume)
        self.used_bytes -= gone.record_length
        if gone.volume != number:
            state.ended.add(gone.volume)

    def _note_dead(self, number: int) -> None:
        self._dead.add(number)
        self._dead_changed = True

    def inventory(self, pg: int, after: bytes, limit: int) -> wire.InventoryReply:
        """Fragments of a group in order of stripe id."""
        found, complete = self._index.inventory(pg, after, limit)
        return wire.InventoryReply(tuple(found), complete)

    def metas(self, pg: int, after: bytes, limit: int) -> wire.MetasReply:
        """As ``inventory``, with what each fragment's header says; a header that cannot be read is told as None."""
        found, complete = self._index.inventory(pg, after, limit)
        return wire.MetasReply(tuple([(*each, self._meta_of(each[0], each[1])) for each in found]), complete)

    def _meta_of(self, stripe_id: bytes, slot: int) -> FragmentMeta | None:
        try:
            return self._found(stripe_id, slot)[1].meta
        except Refused:  # counted and logged where it was found
            return None

    @property
    def fragments(self) -> int:
        return len(self._index)

    # ---- reading -------------------------------------------------------------------------------------------------

    def _found(self, stripe_id: bytes, slot: int, payload_bytes: int = 0) -> tuple[Place, FragmentBody, bytes]:
        """Place and body of a fragment, and what was read: its header and the first ``payload_bytes`` behind it."""
        place = self._index.get(key_of(stripe_id, slot))
        if place is None:
            raise Refused(ErrorCode.NOT_HERE, "no such fragment on this disk")
        sealed = self._volumes[place.volume]
        try:
            raw = self._io.pread(sealed.fd, place.header_length + min(payload_bytes, place.payload_length), place.offset)
        except OSError as error:
            raise self._corrupt(place, f"cannot be read: {error.strerror}") from error
        header = decode_header(sealed.seed, raw)
        if header is None or header.kind != KIND_FRAGMENT:
            raise self._corrupt(place, "its header cannot be read")
        body = fragment_body(header)
        if body.meta.stripe_id != stripe_id or body.meta.slot != slot or header.payload_length != place.payload_length:
            raise self._corrupt(place, "another fragment is in its place")
        return place, body, raw

    def _corrupt(self, place: Place, reason: str) -> Refused:
        CORRUPT_READS.inc()
        self._log.error(
            "fragment is corrupt", disk=self.location, volume=place.volume, offset=place.offset, reason=reason
        )
        return Refused(ErrorCode.FRAGMENT_CORRUPT, reason)

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
                raise self._corrupt(place, f"cannot be read: {error.strerror}") from error
        crcs = body.block_crcs[first:last]
        if len(payload) != want or block_crcs(payload) != crcs:
            raise self._corrupt(place, "a block does not match its CRC")
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
        if self._open is not None and (self._open.failed or self._open.end >= self._volume_bytes):
            self._seal()
        if self._open is None:
            number = self._last_volume = self._last_volume + 1  # never one that failed or cannot be read
            superblock = VolumeSuperblock(1, self._superblock.cluster_id, self.uuid, uuid.uuid4().hex, number)
            volume = self._open = Volume.create(self._io, superblock)
            self._volumes[number] = _VolumeState(volume.fd, volume.seed, volume.uuid, contents=VolumeContents())
        return self._open

    def _seal(self) -> None:
        if self._open is not None:
            self._sidecars_due.append(self._open.number)
            self._dead_changed = True  # it may be dead already
            self._open = None

    def commit(self, puts: list[tuple[FragmentMeta, tuple[int, ...], Buffer]], trash: list[tuple[bytes, int]]) -> int:
        """``write`` and ``publish`` in one; returns how many of ``trash`` were here. Raises ``Refused``."""
        written = self.write(puts, self.here(trash))
        self.publish(written)
        return len(written.trashed)

    def here(self, fragments: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Those of ``fragments`` that are on this disk, each once."""
        return [key for key in dict.fromkeys(fragments) if self._index.get(key_of(*key)) is not None]

    def write(
        self, puts: list[tuple[FragmentMeta, tuple[int, ...], Buffer]], trash: list[tuple[bytes, int]]
    ) -> Written:
        """Append a batch and make it durable, all or none; ``trash`` is here. Raises ``Refused``.

        This may run in a thread of its own, one call at a time; everything else belongs to the event loop's thread.
        """
        self.check_writable()
        try:
            if puts:
                self._check_free_space()
            written = self._append(puts, trash)
        except OSError as error:
            if not self.present:
                self.lose("its directory is gone")
                raise Refused(ErrorCode.DISK_FAILED, self.reason) from error
            raise self._failed(error) from error
        if not self.present:  # a file without a path is gone with this process: not acknowledged
            self.lose("its directory is gone")
            raise Refused(ErrorCode.DISK_FAILED, self.reason)
        return written

    def _check_free_space(self) -> None:
        if self._unchecked_bytes >= FREE_CHECK_BYTES:
            if self._io.free_bytes()[0] < self._reserve:
                raise Refused(ErrorCode.DISK_FULL, "free space is down to the reserve")
            self._unchecked_bytes = 0

    def _append(
        self, puts: list[tuple[FragmentMeta, tuple[int, ...], Buffer]], trash: list[tuple[bytes, int]]
    ) -> Written:
        volume = self._room()
        parts: list[Buffer] = []
        entries: list[bytes] = []
        at = start = volume.end
        for meta, crcs, payload in puts:
            self._sequence += 1
            size = memoryview(payload).nbytes
            header = encode_header(
                volume.seed, KIND_FRAGMENT, self._sequence, volume.durable, size, FragmentBody(meta, crcs)
            )
            entries.append(pack(meta.stripe_id, meta.slot, Place(volume.number, at, len(header), size, meta.pg)))
            parts += (header, payload)
            if size % PAGE_BYTES:
                parts.append(bytes(padded(size) - size))
            at += len(header) + padded(size)
        if trash:
            self._sequence += 1
            header = encode_header(volume.seed, KIND_TRASH, self._sequence, volume.durable, 0, TrashBody(tuple(trash)))
            parts.append(header)
            at += len(header)
        if at > start:
            volume.append(parts, at - start)
            volume.sync()
            self._unchecked_bytes += at - start
        return Written(volume.number, entries, trash)

    def publish(self, written: Written) -> None:
        """Enter a durable batch into the index."""
        state = self._volumes[written.volume]
        contents = state.contents
        assert contents is not None, "a volume has its sidecar only after its last record"
        contents.sequence = self._sequence
        for entry in written.entries:
            self._put_in(state, written.volume, entry)
            contents.put(entry)
        for stripe_id, slot in written.trashed:
            key = key_of(stripe_id, slot)
            gone = self._take_out(state, written.volume, key)
            contents.trash(key)
            if gone is not None:
                self._holes.append(gone)
        state.records += len(written.entries) + len(written.trashed)

    def _failed(self, error: OSError) -> Refused:
        """A write or sync failed: that volume is finished, whatever the kernel says next time."""
        if self._open is not None:
            self._open.failed = True
            self._volumes[self._open.number].contents = None  # what is in it is for the next start to find out
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

    # ---- chores --------------------------------------------------------------------------------------------------

    @property
    def has_chores(self) -> bool:
        """Whether ``chore`` has something to do."""
        return self.state == "ready" and bool(self._holes or self._dead_changed or self._sidecars_due)

    def _unlinkable(self) -> int:
        """A volume that holds nothing: sealed, whole, every record in trash, and no older volume needs its records; else 0."""
        if not self._dead_changed:
            return 0
        writing = self._open.number if self._open is not None else 0
        self._dead = {number for number in self._dead if number in self._volumes and not self._volumes[number].live}
        for number in self._dead:
            state = self._volumes[number]
            if number == writing or not state.records or state.suspect:
                continue
            if not any(older in self._volumes for older in state.ended):
                return number
        self._dead_changed = False
        return 0

    def chore(self, holes_max: int) -> None:
        """One step of what may wait: unlink a dead volume, punch holes, write a sidecar. A failure costs space or time only."""
        task = self.next_chore(holes_max)
        if task is not None:
            self.finish_chore(task())

    def next_chore(self, holes_max: int) -> Callable[[], int] | None:
        """The next step, to be run in the disk's thread; its result goes to ``finish_chore``. None: nothing to do."""
        number = self._unlinkable()
        if number:
            return partial(self._unlink, number)
        if self._holes:
            batch, self._holes = self._holes[:holes_max], self._holes[holes_max:]
            holes = [(self._volumes[place.volume].fd, place) for place in batch if place.volume in self._volumes]
            return partial(self._punch, holes)
        while self._sidecars_due:
            number = self._sidecars_due.pop()
            state = self._volumes.get(number)
            if state is not None and state.contents is not None:
                contents, state.contents = state.contents, None
                return partial(self._write_sidecar, number, state, contents)
        return None

    def finish_chore(self, unlinked: int) -> None:
        """A volume that was unlinked (0: none) is let go of."""
        if unlinked:
            self._io.close(self._volumes.pop(unlinked).fd)
            self._dead_changed = True  # others may have waited for it

    def _unlink(self, number: int) -> int:
        try:
            names = self._io.names()
            for name in (volume_name(number) + sidecar.SUFFIX, volume_name(number)):
                if name in names:
                    self._io.unlink(name)
            self._io.sync_directory()  # durable before the volumes go whose records put these fragments out of use
        except OSError as error:
            self._volumes[number].suspect = True  # not tried again
            self._log.warning("dead volume cannot be unlinked", disk=self.location, volume=number, error=str(error))
            return 0
        self._log.info("dead volume is unlinked", disk=self.location, volume=number)
        return number

    def _punch(self, holes: list[tuple[int, Place]]) -> int:
        for fd, place in holes:
            try:
                self._io.punch_hole(fd, place.offset, place.record_length)
            except OSError as error:
                self._log.warning("hole cannot be punched", disk=self.location, error=str(error))
        return 0

    def _write_sidecar(self, number: int, state: _VolumeState, contents: VolumeContents) -> int:
        try:
            sidecar.write(self._io, volume_name(number), contents.sidecar(state.uuid, self._io.size(state.fd)))
        except OSError as error:
            self._log.warning("sidecar cannot be written", disk=self.location, volume=number, error=str(error))
        return 0

    # ---- state ---------------------------------------------------------------------------------------------------

    @property
    def present(self) -> bool:
        """Whether the directory is still the one that was opened."""
        return self._io.identity(SUPERBLOCK) == self._inode

    def keep_map(self, raw: bytes) -> None:
        """Remember a cluster map across restarts. Raises ``OSError``."""
        identity.keep_map(self._io, raw)

    def kept_map(self) -> tuple[ClusterMap, bytes] | None:
        """The newest map that this disk remembers, and its JSON."""
        return identity.kept_map(self._io)

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
            trash_bytes=sum(place.record_length for place in self._holes),
            fragments=len(self._index),
        )
