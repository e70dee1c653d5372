"""The gateway's view of the cluster: the current map, which disks answer, and the choice of a group for a write.

Choosing is pure (``choose_group``); the view only keeps the map and a penalty box: a disk that failed a request is left
alone for a moment that doubles up to ``PENALTY_SECONDS_MAX``, so that one dead disk does not slow every write.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection

import msgspec
from structlog.typing import FilteringBoundLogger

from dolmen.core.clock import Clock
from dolmen.core.cluster_map import ClusterMap, Disk, Group, Pool, decode_map
from dolmen.core.errors import DolmenError, Unavailable
from dolmen.core.layout import slots_in_use
from dolmen.core.telemetry.log import get_logger
from dolmen.datanode.client import DatanodeClient
from dolmen.gateway.metadata.store import MetadataStore

PENALTY_SECONDS_MIN = 1.0  # a restarted datanode is back within a second or two
PENALTY_SECONDS_MAX = 15.0  # a disk that returns is used again within this
MAP_POLL_SECONDS = 1.0  # how old the map may be when nothing forces a refresh
FIRST_MAP_POLL_SECONDS = 0.05  # until there is one, nothing works


class NoMap(Unavailable):
    """No cluster map was published yet."""


class ClusterView:
    """The map and the health of disks as this process sees them."""

    def __init__(self, store: MetadataStore, client: DatanodeClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._map: ClusterMap | None = None
        self._disks: dict[str, Disk] = {}
        self._groups: dict[int, Group] = {}
        self._pools: dict[str, Pool] = {}  # by storage class; "" for every other one
        self._by_scheme: dict[tuple[int, int], tuple[Group, ...]] = {}
        self._penalties: dict[str, tuple[float, float]] = {}  # uuid -> (until, length of the next penalty)
        self._random = random.Random()
        self._log: FilteringBoundLogger = get_logger("cluster")

    @property
    def map(self) -> ClusterMap:
        """Raises ``NoMap`` before the first was published."""
        if self._map is None:
            raise NoMap("the cluster has no map yet")
        return self._map

    @property
    def ready(self) -> bool:
        return self._map is not None

    def install(self, cluster_map: ClusterMap) -> None:
        """Take a newer map; an older or equal one is ignored."""
        if self._map is not None and cluster_map.epoch <= self._map.epoch:
            return
        self._map = cluster_map
        self._disks = {disk.uuid: disk for disk in cluster_map.disks}
        self._groups = {group.pg: group for group in cluster_map.groups}
        self._pools = {name: pool for pool in cluster_map.pools for name in pool.storage_classes}
        self._pools[""] = cluster_map.default_pool()
        schemes = {(group.k, group.m) for group in cluster_map.groups}
        self._by_scheme = {
            scheme: tuple(group for group in cluster_map.groups if (group.k, group.m) == scheme) for scheme in schemes
        }
        self._penalties.clear()
        self._client.set_map(cluster_map)

    def pool(self, storage_class: str = "") -> Pool:
        """How objects of this class are cut. Raises ``NoMap``."""
        found = self._pools.get(storage_class) or self._pools.get("")
        if found is None:
            raise NoMap("the cluster has no map yet")
        return found

    def group(self, pg: int) -> Group | None:
        """A group of the present map."""
        return self._groups.get(pg)

    async def refresh(self) -> None:
        """Read the published map once."""
        published = await self._store.get_map()
        if published is None:
            return
        epoch, raw = published
        if self._map is None or epoch > self._map.epoch:
            try:
                self.install(decode_map(raw))
            except msgspec.MsgspecError as error:
                self._log.error("cluster map is unreadable", epoch=epoch, error=str(error))

    async def follow(self) -> None:
        """Poll the map until cancelled."""
        while True:
            try:
                await self.refresh()
            except DolmenError as error:
                self._log.warning("cluster map cannot be read", error=str(error))
            await asyncio.sleep(MAP_POLL_SECONDS if self.ready else FIRST_MAP_POLL_SECONDS)

    def disk_of(self, pg: int, slot: int) -> Disk | None:
        """The disk that fills a slot now; None when vacant or unknown to this epoch."""
        group = self._groups.get(pg)
        if group is None or slot >= len(group.slots):
            return None
        return self._disks.get(group.slots[slot])

    def is_up(self, uuid: str) -> bool:
        """Whether requests to this disk are worth a try now."""
        penalty = self._penalties.get(uuid)
        return uuid in self._disks and (penalty is None or self._clock.monotonic_seconds() >= penalty[0])

    def punish(self, uuid: str) -> None:
        """A request to this disk failed."""
        now = self._clock.monotonic_seconds()
        until, length = self._penalties.get(uuid, (0.0, PENALTY_SECONDS_MIN))
        if now >= until:
            self._penalties[uuid] = (now + length, min(2 * length, PENALTY_SECONDS_MAX))

    def absolve(self, uuid: str) -> None:
        """A request to this disk succeeded."""
        self._penalties.pop(uuid, None)

    @property
    def any_penalty(self) -> bool:
        return bool(self._penalties)

    def pick(
        self, narrow_k: int, scheme: tuple[int, int], exclude: Collection[int] = ()
    ) -> tuple[Group, tuple[int, ...]] | None:
        """A group of this k+m for a stripe of ``narrow_k`` data fragments and the slots of it that are up; see ``choose_group``."""
        up: Callable[[str], bool] = self.is_up if self._penalties else self._disks.__contains__
        return choose_group(self._by_scheme.get(scheme, ()), narrow_k, up, self._random, exclude)


def durable_min(narrow_k: int, m: int) -> int:
    """How many fragments must be durable at least when no whole group exists: k' + ceil(m/2), never k'."""
    return narrow_k + -(-m // 2)


GROUP_DRAWS_MAX = 8  # random tries before all groups are looked at: nearly always the first one is whole


def choose_group(
    groups: tuple[Group, ...],
    narrow_k: int,
    is_up: Callable[[str], bool],
    rng: random.Random,
    exclude: Collection[int] = (),
) -> tuple[Group, tuple[int, ...]] | None:
    """Any whole group at random; failing that the group with most slots up, if they are enough; else None.

    Whole means: every slot that this narrow stripe uses is filled by a disk that is up.
    """
    for _ in range(min(GROUP_DRAWS_MAX, len(groups))):
        group = groups[int(rng.random() * len(groups))]
        slots = slots_in_use(min(narrow_k, group.k), group.k, group.m)
        if group.pg not in exclude and all(is_up(group.slots[slot]) for slot in slots):
            return group, slots
    best: tuple[Group, tuple[int, ...]] | None = None
    best_missing = 0
    for group in rng.sample(groups, len(groups)):
        if group.pg in exclude:
            continue
        slots = slots_in_use(min(narrow_k, group.k), group.k, group.m)
        up = tuple(slot for slot in slots if is_up(group.slots[slot]))
        missing = len(slots) - len(up)
        enough = len(up) >= durable_min(min(narrow_k, group.k), group.m)
        if enough and (best is None or missing < best_missing):
            best, best_missing = (group, up), missing
            if missing == 0:
                break
    return best
