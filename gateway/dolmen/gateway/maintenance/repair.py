"""Repair: missing fragments are rebuilt from any k' good ones, written, read back, and only then counted.

Two sources tell what is missing: the durable repair rows that degraded writes committed, and the comparison of a disk's inventory
with those of its groups' other members (after the disk returned or was replaced). Repair only ever adds; a stripe with
fewer than k' good fragments is left alone and counted.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence

import msgspec

from dolmen.core import erasure
from dolmen.core.checksums import block_crcs
from dolmen.core.clock import Clock
from dolmen.core.cluster_map import Disk, Group
from dolmen.core.errors import Corruption
from dolmen.core.fragment import FragmentMeta
from dolmen.core.ids import stripe_time_us
from dolmen.core.layout import slots_in_use
from dolmen.core.telemetry.log import get_logger
from dolmen.datanode.client import DatanodeClient, DatanodeError, Fragment, FragmentCorrupt, NotHere
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView

ROWS_PAGE = 256  # repair rows read at a time
INVENTORY_PAGE = 2048  # fragments of one member held at a time: a merge of a group's pages stays below a megabyte
YOUNG_SECONDS = 60.0  # a stripe this young may still be on its way to its disks: not yet missing


class Outcome(enum.Enum):
    WHOLE = "nothing is missing"
    REPAIRED = "rebuilt and read back"
    WAITING = "a disk that is needed does not answer"
    LOST = "fewer than k' good fragments answer"
    GONE = "every disk answered that it has nothing of this stripe"


class Tally(msgspec.Struct):
    """What a pass did, in stripes."""

    repaired: int = 0
    waiting: int = 0
    lost: int = 0
    young: int = 0

    @property
    def complete(self) -> bool:
        return self.waiting == self.lost == self.young == 0


class Repairer:
    """Run from one process at a time (the lease "repair")."""

    def __init__(self, store: MetadataStore, cluster: ClusterView, client: DatanodeClient, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._clock = clock
        self._log = get_logger("repair")

    async def rows(self) -> Tally:
        """One pass over the durable repair rows."""
        tally = Tally()
        after = b""
        while True:
            page = await self._store.list_repairs(after, ROWS_PAGE)
            done = []
            for row in page:
                outcome = await self.repair(row.pg, row.stripe_id, row.slots)
                _count(tally, outcome)
                if outcome in (Outcome.WHOLE, Outcome.REPAIRED, Outcome.GONE):
                    done.append(row)
            if done:
                await self._store.finish_repairs(done)
            if len(page) < ROWS_PAGE:
                return tally
            after = page[-1].stripe_id

    async def disk(self, uuid: str) -> Tally:
        """Bring a returned or replaced disk to what the other members of its groups say it should have.

        Raises ``DatanodeError`` when a member does not answer: half a comparison would prove nothing.
        """
        tally = Tally()
        for group in self._cluster.map.groups:
            for slot, member in enumerate(group.slots):
                if member == uuid:
                    await self._slot(group, slot, tally)
        return tally

    async def _slot(self, group: Group, slot: int, tally: Tally) -> None:
        own_disk = self._cluster.disk_of(group.pg, slot)
        if own_disk is None:
            return
        own = {stripe async for stripe in self._inventory(own_disk, group.pg)}
        young_us = self._clock.now_us() - int(YOUNG_SECONDS * 1_000_000)
        seen: set[bytes] = set()
        for other in range(len(group.slots)):
            disk = self._cluster.disk_of(group.pg, other)
            if other == slot or disk is None:
                continue
            async for stripe_id in self._inventory(disk, group.pg):
                if stripe_id in own or stripe_id in seen:
                    continue
                seen.add(stripe_id)
                if stripe_time_us(stripe_id) > young_us:
                    tally.young += 1
                    continue
                _count(tally, await self.repair(group.pg, stripe_id, (slot,)))

    async def _inventory(self, disk: Disk, pg: int) -> AsyncIterator[bytes]:
        after = b""
        while True:
            page = await self._client.inventory(disk, pg, after, INVENTORY_PAGE)
            for stripe_id, _, _ in page.fragments:
                yield stripe_id
            if page.complete or not page.fragments:
                return
            after = page.fragments[-1][0]

    async def repair(self, pg: int, stripe_id: bytes, slots: Sequence[int]) -> Outcome:
        """Rebuild the fragments of ``slots`` that are missing or rotten."""
        group = next((group for group in self._cluster.map.groups if group.pg == pg), None)
        if group is None:
            return Outcome.WAITING
        good, absent = await self._survivors(group, stripe_id)
        if not good:
            return Outcome.GONE if absent == len(group.slots) else Outcome.WAITING
        meta = next(iter(good.values())).meta
        if any(_identity(fragment.meta) != _identity(meta) for fragment in good.values()):
            self._log.error("fragments of one stripe disagree", pg=pg, stripe=stripe_id.hex())
            return Outcome.LOST
        wanted = [slot for slot in slots if slot in slots_in_use(meta.narrow_k, meta.k, meta.m) and slot not in good]
        if not wanted:
            return Outcome.WHOLE
        if len(good) < meta.narrow_k:
            answered = absent + len(good) == len(group.slots)
            return Outcome.LOST if answered else Outcome.WAITING
        return await self._rebuild(group, meta, good, wanted)

    async def _survivors(self, group: Group, stripe_id: bytes) -> tuple[dict[int, Fragment], int]:
        """(good fragments by slot, how many disks answered that they have no good one)."""
        good: dict[int, Fragment] = {}
        absent = 0
        for slot in range(len(group.slots)):
            disk = self._cluster.disk_of(group.pg, slot)
            if disk is None:
                continue
            try:
                good[slot] = await self._client.get(disk, stripe_id, slot)
            except (NotHere, FragmentCorrupt):
                absent += 1
            except DatanodeError:
                continue
        return good, absent

    async def _rebuild(
        self, group: Group, meta: FragmentMeta, good: dict[int, Fragment], wanted: Sequence[int]
    ) -> Outcome:
        def index(slot: int) -> int:
            return slot if slot < meta.narrow_k else meta.narrow_k + slot - meta.k

        have = {index(slot): fragment.payload for slot, fragment in good.items()}
        try:
            made = erasure.rebuild(have, [index(slot) for slot in wanted], meta.narrow_k, meta.m, meta.stripe_length)
        except Corruption as error:
            self._log.error("stripe cannot be rebuilt", pg=group.pg, stripe=meta.stripe_id.hex(), error=str(error))
            return Outcome.LOST
        for slot in wanted:
            disk = self._cluster.disk_of(group.pg, slot)
            if disk is None:
                return Outcome.WAITING
            payload = made[index(slot)]
            own = msgspec.structs.replace(meta, slot=slot)
            try:
                await self._client.put(disk, own, payload, block_crcs(payload))
                await self._client.stat(disk, meta.stripe_id, slot, True)
                if await self._deleted_meanwhile(group, meta, good):
                    await self._client.trash(disk, [(meta.stripe_id, slot)])
                    return Outcome.GONE
            except DatanodeError:
                return Outcome.WAITING
        return Outcome.REPAIRED

    async def _deleted_meanwhile(self, group: Group, meta: FragmentMeta, good: dict[int, Fragment]) -> bool:
        """Whether a fragment that was read is there no more: then ours must not bring a deleted stripe back."""
        for slot in good:
            disk = self._cluster.disk_of(group.pg, slot)
            if disk is not None:
                try:
                    await self._client.stat(disk, meta.stripe_id, slot, False)
                except NotHere:
                    return True
        return False


def _identity(meta: FragmentMeta) -> FragmentMeta:
    """What all fragments of a stripe have in common."""
    return msgspec.structs.replace(meta, slot=0)


def _count(tally: Tally, outcome: Outcome) -> None:
    if outcome is Outcome.REPAIRED:
        tally.repaired += 1
    elif outcome is Outcome.WAITING:
        tally.waiting += 1
    elif outcome is Outcome.LOST:
        tally.lost += 1

