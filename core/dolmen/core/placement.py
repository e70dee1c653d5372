"""Placement: which disks form which group. Pure and deterministic; every change is a new epoch of the map.

Groups are explicit and few (8 to 32 for each disk: fewer distinct sets lose less data when several disks die together;
copysets, Cidon et al., ATC 2013). A slot keeps its fragment index for life, and survivors keep their slots: replacing a disk
moves only its own slots, growth takes from each disk no more than its surplus.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from dolmen.core.cluster_map import ClusterMap, Disk, Group, Pool
from dolmen.core.errors import ConfigError

GROUPS_PER_DISK = 16  # in the middle of 8 to 32: enough scatter for a rebuild to read from every other disk


def domain_max(disks: Sequence[Disk], width: int) -> int:
    """How many slots of a group one failure domain holds at most when slots are spread evenly."""
    return -(-width // len({disk.domain for disk in disks}))


def check(disks: Sequence[Disk], k: int, m: int) -> None:
    """Raises ``ConfigError`` when these disks cannot carry a k+m scheme."""
    if len({disk.uuid for disk in disks}) < k + m:
        raise ConfigError(f"scheme {k}+{m} needs {k + m} disks, there are {len(disks)}")
    if domain_max(disks, k + m) > m:
        raise ConfigError(f"scheme {k}+{m}: one failure domain would hold more than the {m} fragments that may be lost")


def initial_map(
    cluster_id: str,
    disks: Sequence[Disk],
    k: int,
    m: int,
    *,
    stripe_bytes: int,
    min_fragment_bytes: int,
    groups_per_disk: int = GROUPS_PER_DISK,
) -> ClusterMap:
    """Epoch 1. Raises ``ConfigError``."""
    ordered = sorted(disks, key=lambda disk: disk.uuid)
    return ClusterMap(
        cluster_id=cluster_id,
        epoch=1,
        stripe_bytes=stripe_bytes,
        min_fragment_bytes=min_fragment_bytes,
        disks=tuple(ordered),
        groups=_groups(cluster_id, ordered, k, m, 0, groups_per_disk),
    )


def _groups(
    cluster_id: str, ordered: Sequence[Disk], k: int, m: int, first_pg: int, groups_per_disk: int
) -> tuple[Group, ...]:
    """Groups of one scheme over all disks. Raises ``ConfigError``."""
    check(ordered, k, m)
    count = max(1, -(-groups_per_disk * len(ordered) // (k + m)))
    used: Counter[str] = Counter()
    in_slot: Counter[tuple[str, int]] = Counter()
    groups = []
    for pg in range(first_pg, first_pg + count):
        members = _members(ordered, k + m, used, f"{cluster_id}/{pg}")
        groups.append(Group(pg=pg, k=k, m=m, slots=_seated(members, in_slot)))
    return tuple(groups)


def with_pools(
    cluster_map: ClusterMap, pools: Sequence[Pool], *, groups_per_disk: int = GROUPS_PER_DISK
) -> ClusterMap:
    """The map with these pools beside the default one; the same map when it has them already.

    Groups of a scheme that is new are added; groups never go, objects may lie in them. Raises ``ConfigError``.
    """
    if cluster_map.pools == tuple(pools):
        return cluster_map
    groups = cluster_map.groups
    ordered = sorted(cluster_map.disks, key=lambda disk: disk.uuid)
    for pool in pools:
        if not any((group.k, group.m) == (pool.k, pool.m) for group in groups):
            first_pg = max(group.pg for group in groups) + 1
            groups += _groups(cluster_map.cluster_id, ordered, pool.k, pool.m, first_pg, groups_per_disk)
    return msgspec.structs.replace(cluster_map, epoch=cluster_map.epoch + 1, groups=groups, pools=tuple(pools))


def _lot(seed: str, uuid: str) -> bytes:
    """A fair, repeatable tie-break."""
    return hashlib.blake2b(f"{seed}/{uuid}".encode(), digest_size=8).digest()


def _members(disks: Sequence[Disk], width: int, used: Counter[str], seed: str) -> list[Disk]:
    """``width`` disks for one group: the least used for their weight, no domain over its share."""
    bound = domain_max(disks, width)
    in_domain: Counter[str] = Counter()
    chosen: list[Disk] = []
    for disk in sorted(disks, key=lambda disk: ((used[disk.uuid] + 1) / disk.weight, _lot(seed, disk.uuid))):
        if in_domain[disk.domain] < bound:
            chosen.append(disk)
            in_domain[disk.domain] += 1
            if len(chosen) == width:
                break
    if len(chosen) < width:
        raise ConfigError("the failure domains are too uneven for this scheme")
    used.update(disk.uuid for disk in chosen)
    return chosen


def _seated(members: Sequence[Disk], in_slot: Counter[tuple[str, int]]) -> tuple[str, ...]:
    """Who sits where: slot 0 serves most reads of small objects, so every disk gets it equally often."""
    left = list(members)
    slots = []
    for slot in range(len(members)):
        disk = min(left, key=lambda disk: (in_slot[disk.uuid, slot], disk.uuid))
        left.remove(disk)
        in_slot[disk.uuid, slot] += 1
        slots.append(disk.uuid)
    return tuple(slots)


def replace_disk(cluster_map: ClusterMap, old_uuid: str, new_disk: Disk) -> ClusterMap:
    """The new disk takes over exactly the slots of the old one. Raises ``ValueError`` when it is in the map already."""
    if any(disk.uuid == new_disk.uuid for disk in cluster_map.disks):
        raise ValueError(f"disk {new_disk.uuid} is in the map already")
    disks = tuple(new_disk if disk.uuid == old_uuid else disk for disk in cluster_map.disks)
    groups = tuple(
        msgspec.structs.replace(
            group, slots=tuple(new_disk.uuid if uuid == old_uuid else uuid for uuid in group.slots)
        )
        for group in cluster_map.groups
    )
    return msgspec.structs.replace(cluster_map, epoch=cluster_map.epoch + 1, disks=disks, groups=groups)


def with_addresses(cluster_map: ClusterMap, disks: Sequence[Disk]) -> ClusterMap:
    """New addresses and locations of known disks; the same map when nothing changed."""
    found = {disk.uuid: disk for disk in disks}
    changed = tuple(
        msgspec.structs.replace(disk, address=found[disk.uuid].address, location=found[disk.uuid].location)
        if disk.uuid in found
        else disk
        for disk in cluster_map.disks
    )
    if changed == cluster_map.disks:
        return cluster_map
    return msgspec.structs.replace(cluster_map, epoch=cluster_map.epoch + 1, disks=changed)


def grow(cluster_map: ClusterMap, disks: Sequence[Disk]) -> ClusterMap:
    """Add disks: each takes slots, up to its share by weight, from the disks that have most above theirs.

    Every move goes from an old disk to a new one, so no more than the new disks' share moves.
    """
    known = {disk.uuid for disk in cluster_map.disks}
    new = sorted((disk for disk in disks if disk.uuid not in known), key=lambda disk: disk.uuid)
    if not new:
        return cluster_map
    everyone = (*cluster_map.disks, *new)
    domains = {disk.uuid: disk.domain for disk in everyone}
    total_weight = sum(disk.weight for disk in everyone)
    seats = [list(group.slots) for group in cluster_map.groups]
    total = sum(len(slots) for slots in seats)
    share = {disk.uuid: total * disk.weight / total_weight for disk in everyone}
    used = Counter(uuid for slots in seats for uuid in slots)
    for disk in new:
        while used[disk.uuid] + 1 <= share[disk.uuid]:
            move = _best_move(seats, disk.uuid, used, share, domains, cluster_map)
            if move is None:
                break
            index, slot = move
            used[seats[index][slot]] -= 1
            seats[index][slot] = disk.uuid
            used[disk.uuid] += 1
    groups = tuple(
        msgspec.structs.replace(group, slots=tuple(slots))
        for group, slots in zip(cluster_map.groups, seats, strict=True)
    )
    return msgspec.structs.replace(cluster_map, epoch=cluster_map.epoch + 1, disks=everyone, groups=groups)


def _best_move(
    seats: Sequence[Sequence[str]],
    new_uuid: str,
    used: Counter[str],
    share: dict[str, float],
    domains: dict[str, str],
    cluster_map: ClusterMap,
) -> tuple[int, int] | None:
    """The seat whose disk is most above its share, in a group that may take the new disk; None when there is none."""
    best: tuple[float, int, int] | None = None
    for index, slots in enumerate(seats):
        if new_uuid in slots:
            continue
        bound = cluster_map.groups[index].m
        in_domain = Counter(domains[uuid] for uuid in slots)
        for slot, uuid in enumerate(slots):
            crowd = in_domain[domains[new_uuid]] - (domains[uuid] == domains[new_uuid])
            surplus = used[uuid] - share[uuid]
            if surplus > 0 and crowd < bound and (best is None or surplus > best[0]):
                best = (surplus, index, slot)
    return None if best is None else (best[1], best[2])


def violations(cluster_map: ClusterMap) -> list[str]:
    """Broken invariants, one line each; empty for a sound map."""
    domains = {disk.uuid: disk.domain for disk in cluster_map.disks}
    found = []
    for group in cluster_map.groups:
        name = f"group {group.pg}"
        if len(group.slots) != group.k + group.m:
            found.append(f"{name} has {len(group.slots)} slots instead of {group.k + group.m}")
        if any(uuid not in domains for uuid in group.slots):
            found.append(f"{name} has a slot without a known disk")
            continue
        if len(set(group.slots)) < len(group.slots):
            found.append(f"{name} has two slots on one disk")
        if max(Counter(domains[uuid] for uuid in group.slots).values()) > group.m:
            found.append(f"{name} can lose more than {group.m} fragments with one failure domain")
    return found
