"""Which map comes next: pure decisions from the present map and what datanodes say of their disks.

The map is published with one field more than its readers know: ``incomplete``, the disks that may lack fragments. A disk gets
on that list when it is replaced or seen missing, in the same compare-and-set that says so, and leaves it when a comparison
with all members of its groups found nothing missing. So the to-do list of repair survives whatever kills maintenance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from dolmen.core.cluster_map import ClusterMap, Disk, Pool
from dolmen.core.errors import ConfigError
from dolmen.core.placement import initial_map, replace_disk, with_addresses, with_pools
from dolmen.core.wire import DiskStatus

USABLE = ("ready", "full")  # states in which a disk serves what it has


class PublishedMap(ClusterMap, frozen=True, kw_only=True):
    """The map as it is published; other readers ignore what they do not know."""

    incomplete: tuple[str, ...] = ()  # disk uuids


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What the first map is made with; later epochs keep it, but for pools, which may be added."""

    k: int
    m: int
    stripe_bytes: int
    min_fragment_bytes: int
    pools: tuple[Pool, ...] = ()  # of storage classes with a scheme of their own


@dataclass(frozen=True, slots=True)
class Sighting:
    """One disk location as its datanode reports it."""

    address: str  # of the datanode
    node: str
    status: DiskStatus

    @property
    def usable(self) -> bool:
        return bool(self.status.uuid) and self.status.state in USABLE


class NotYet(ConfigError):
    """The first map cannot be made from what is there; the message says what is missing."""


def decode_published(raw: bytes) -> PublishedMap:
    """Raises ``msgspec.MsgspecError``."""
    return msgspec.json.decode(raw, type=PublishedMap)


def first_map(cluster_id: str, sightings: Sequence[Sighting], silent: Sequence[str], geometry: Geometry) -> PublishedMap:
    """Epoch 1 over every disk of every datanode. Raises ``NotYet``, ``ConfigError``.

    It waits for all of them: a disk that comes later could only be added by moving data.
    """
    if silent:
        raise NotYet(f"datanode {silent[0]} does not answer")
    for sighting in sightings:
        if not sighting.usable:
            reason = sighting.status.reason or sighting.status.state
            raise NotYet(f"disk {sighting.status.location} cannot be used: {reason}")
    disks = [_disk(sighting) for sighting in sightings]
    made = initial_map(
        cluster_id,
        disks,
        geometry.k,
        geometry.m,
        stripe_bytes=geometry.stripe_bytes,
        min_fragment_bytes=geometry.min_fragment_bytes,
    )
    return PublishedMap(**msgspec.structs.asdict(with_pools(made, geometry.pools)))


def _disk(sighting: Sighting) -> Disk:
    # The unit of failure on one machine is the disk: datanode processes there come back by themselves.
    location = sighting.status.location
    return Disk(uuid=sighting.status.uuid, address=sighting.address, location=location, domain=location)


def next_map(current: PublishedMap, sightings: Sequence[Sighting], pools: tuple[Pool, ...] = ()) -> PublishedMap:
    """The map that follows from what is seen and from the pools wanted; ``current`` itself when nothing changed.

    A scheme that the disks cannot carry is for ``publisher`` to tell: here ``ConfigError`` goes up.

    Only what a datanode says counts: a datanode that is silent changes nothing, its disks may be whole.
    """
    changed: ClusterMap = with_pools(current, pools)
    usable = _by_uuid(current, sightings)
    at_location = {sighting.status.location: sighting for sighting in sightings}
    incomplete = list(current.incomplete)
    for disk in current.disks:
        found = usable.get(disk.uuid)
        there = at_location.get(disk.location)
        if found is not None:
            changed = with_addresses(changed, [_disk(found)])
        elif there is not None and there.usable and not any(disk.uuid == there.status.uuid for disk in changed.disks):
            changed = replace_disk(changed, disk.uuid, _disk(there))
            incomplete = [there.status.uuid if uuid == disk.uuid else uuid for uuid in incomplete]
            incomplete.append(there.status.uuid)
        elif there is not None:
            incomplete.append(disk.uuid)  # its datanode answers and does not have it: it may come back with less
    listed = tuple(dict.fromkeys(incomplete))
    if changed is current and listed == current.incomplete:
        return current
    return msgspec.structs.replace(cast("PublishedMap", changed), epoch=current.epoch + 1, incomplete=listed)


def without_incomplete(current: PublishedMap, uuid: str) -> PublishedMap:
    """The map after ``uuid`` was found complete; ``current`` itself when it was not listed."""
    if uuid not in current.incomplete:
        return current
    left = tuple(listed for listed in current.incomplete if listed != uuid)
    return msgspec.structs.replace(current, epoch=current.epoch + 1, incomplete=left)


def _by_uuid(current: ClusterMap, sightings: Sequence[Sighting]) -> dict[str, Sighting]:
    """Usable disks; of a directory that was copied with its superblock only the one at its known place counts."""
    known = {disk.uuid: disk.location for disk in current.disks}
    found: dict[str, Sighting] = {}
    for sighting in sightings:
        uuid = sighting.status.uuid
        if sighting.usable and (uuid not in found or known.get(uuid) == sighting.status.location):
            found[uuid] = sighting
    return found
