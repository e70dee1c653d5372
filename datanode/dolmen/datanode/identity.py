"""Who a disk is: the superblock in its directory, and the newest cluster map it has seen."""

from __future__ import annotations

import uuid

import msgspec
from crc32c import crc32c

from dolmen.core.cluster_map import ClusterMap, decode_map
from dolmen.core.errors import ConfigError
from dolmen.datanode.disk_io import DiskIo, replace_file
from dolmen.datanode.record import PAGE_BYTES

SUPERBLOCK = "superblock"
LOCK = "lock"
MAP = "cluster-map"


class DiskSuperblock(msgspec.Struct, frozen=True):
    """Identity of a disk, in the file ``superblock``."""

    format: int
    cluster_id: str
    disk_uuid: str


def keep_map(io: DiskIo, raw: bytes) -> None:
    """Remember a cluster map (its JSON) across restarts: CRC32C, then the map. Raises ``OSError``."""
    replace_file(io, MAP, crc32c(raw).to_bytes(4, "big") + raw)


def kept_map(io: DiskIo) -> tuple[ClusterMap, bytes] | None:
    """The map remembered, and its JSON as it was pushed; None when there is none that can be read."""
    try:
        fd = io.open(MAP)
    except OSError:
        return None
    try:
        raw = io.pread(fd, io.size(fd), 0)
    except OSError:
        return None
    finally:
        io.close(fd)
    if crc32c(raw[4:]) != int.from_bytes(raw[:4], "big"):
        return None
    try:
        return decode_map(raw[4:]), raw[4:]
    except msgspec.MsgspecError:
        return None


def superblock_of(location: str, io: DiskIo, cluster_id: str) -> DiskSuperblock:
    """Read it, or format an empty directory. Raises ``ConfigError``; a disk that is not ours is left untouched."""
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
