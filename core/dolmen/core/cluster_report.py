"""The state of a cluster as ``/v1/status`` tells it: written by maintenance, read by the command and by whoever asks."""

from __future__ import annotations

import msgspec


class DiskReport(msgspec.Struct, frozen=True, kw_only=True):
    """One disk of the map, or a location that is not in it (``uuid`` may be empty then)."""

    uuid: str
    location: str
    address: str  # of its datanode
    state: str
    reason: str = ""
    incomplete: bool = False  # it may lack fragments: being compared and filled
    in_map: bool = True
    capacity_bytes: int = 0
    free_bytes: int = 0
    used_bytes: int = 0
    fragments: int = 0


class GroupsReport(msgspec.Struct, frozen=True):
    total: int
    whole: int
    degraded: int


class UnderReplicated(msgspec.Struct, frozen=True):
    """``exact`` is false while a disk is away or is being compared: then there may be more."""

    stripes: int
    exact: bool


class FillReport(msgspec.Struct, frozen=True):
    """A disk that is compared with the other members of its groups, and what that found so far."""

    uuid: str
    checked: int
    repaired: int
    missing: int
    lost: int


class RepairReport(msgspec.Struct, frozen=True):
    rows: int
    filling: tuple[FillReport, ...]
    lost: int = 0  # stripes with fewer than k' good fragments: what interrupted uploads left, or lost data


class LifecycleReport(msgspec.Struct, frozen=True):
    """Rules of buckets, as the process that acts keeps them."""

    buckets: int  # that have rules
    failed: int  # whose last pass ended with an error: it is begun again
    last_round_seconds: float  # over all buckets that needed a pass


class KeysReport(msgspec.Struct, frozen=True):
    """The last pass over the sealed keys of objects after a rotation of keys; all 0 where nothing was ever rotated."""

    is_current: bool  # False: a pass is due, or runs
    buckets: int  # done in this pass
    seen: int  # versions
    rewrapped: int
    left: int  # their key is disabled, does not open, or they were changed meanwhile


class ClusterReport(msgspec.Struct, frozen=True, kw_only=True):
    """``/v1/status``."""

    cluster_id: str
    epoch: int  # 0 before the first map
    scheme: str
    leader: bool  # whether this maintenance process is the one that acts
    waiting_for: str = ""  # why there is no map yet
    disks: tuple[DiskReport, ...]
    groups: GroupsReport
    under_replicated: UnderReplicated
    repair: RepairReport
    garbage_notes: int
    lifecycle: LifecycleReport | None = None  # None in a process that does not act
    keys: KeysReport | None = None  # None there too, and without a key service
