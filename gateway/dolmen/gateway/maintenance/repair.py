"""Repair: missing fragments are rebuilt from any k' good ones, written, read back, and only then counted.

Two sources tell what is missing: the durable repair rows that degraded writes committed, and the comparison of a disk's inventory
with those of its groups' other members (after the disk returned or was replaced). Repair only ever adds; a stripe with
fewer than k' good fragments is left alone and counted.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
from crc32c import crc32c

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
from dolmen.gateway.maintenance.inventory import merged
from dolmen.gateway.maintenance.throttle import Throttle
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView

ROWS_PAGE = 256  # repair rows read at a time
BATCH_STRIPES = 64  # looked at together while the collector waits: a few hundred milliseconds
REBUILDS_MAX = 8  # stripes in memory at a time: fragments and their like are some 3 MiB for each
# A stripe this young may still be on its way to its disks: not yet missing. To rebuild one that is costs work and harms nothing:
# the same fragment arrives twice, and an attempt that is given up is garbage in all its slots.
YOUNG_SECONDS = 5.0
STRIPE_COST_BYTES = 64 * 1024  # what a stripe costs the throttle beside its bytes: seeks and round trips of small ones


class Outcome(enum.Enum):
    WHOLE = "nothing is missing"
    REPAIRED = "rebuilt and read back"
    WAITING = "a disk that is needed does not answer"
    LOST = "fewer than k' good fragments answer"
    GONE = "every disk answered that it has nothing of this stripe"


class Tally(msgspec.Struct):
    """What a pass did, in stripes; counted while it runs."""

    checked: int = 0
    repaired: int = 0
    waiting: int = 0
    lost: int = 0
    young: int = 0
    unheard: int = 0  # members of groups that did not answer: half a comparison proves nothing

    @property
    def complete(self) -> bool:
        """Everything was compared and nothing that can be repaired is missing.

        Lost stripes do not count: they are what interrupted uploads left, or beyond repair; trying again changes nothing.
        """
        return self.waiting == self.young == self.unheard == 0

    @property
    def missing(self) -> int:
        """Known to lack a fragment still."""
        return self.waiting + self.young


class Repairer:
    """Run from one process at a time (the lease). ``turn`` is shared with the collector: see ``_batch``."""

    def __init__(
        self,
        store: MetadataStore,
        cluster: ClusterView,
        client: DatanodeClient,
        clock: Clock,
        *,
        throttle: Throttle | None = None,
        turn: asyncio.Lock | None = None,
        usable: Callable[[str], bool] = lambda uuid: True,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._clock = clock
        self._throttle = throttle
        self._turn = turn or asyncio.Lock()
        self._usable = usable
        self._rebuilds = asyncio.Semaphore(REBUILDS_MAX)
        self._log = get_logger("repair")

    async def rows(self, tally: Tally | None = None) -> Tally:
        """One pass over the durable repair rows. Raises ``MetadataUnavailable``."""
        tally = tally or Tally()
        after = b""
        while True:
            page = await self._store.list_repairs(after, ROWS_PAGE)
            for at in range(0, len(page), BATCH_STRIPES):
                batch = page[at : at + BATCH_STRIPES]
                outcomes = await self._batch([(row.pg, row.stripe_id, row.slots) for row in batch], tally)
                settled = (Outcome.WHOLE, Outcome.REPAIRED, Outcome.GONE)
                done = [row for row, outcome in zip(batch, outcomes, strict=True) if outcome in settled]
                if done:
                    await self._store.finish_repairs(done)
            if len(page) < ROWS_PAGE:
                return tally
            after = page[-1].stripe_id

    async def disk(self, uuid: str, tally: Tally | None = None, until_us: int | None = None) -> Tally:
        """Bring a returned or replaced disk to what the other members of its groups say it should have.

        ``until_us``: stripes begun later are left out; they were written with this disk in the map, and repair rows tell
        what they lack. Raises ``DatanodeError`` when the disk itself does not answer.
        """
        tally = tally or Tally()
        bound = self._clock.now_us() if until_us is None else until_us
        for group in self._cluster.map.groups:
            for slot, member in enumerate(group.slots):
                if member == uuid:
                    await self._slot(group, slot, bound, tally)
        return tally

    async def _slot(self, group: Group, slot: int, until_us: int, tally: Tally) -> None:
        batch: list[tuple[int, bytes, tuple[int, ...]]] = []
        async for stripe_id, present in self._inventories(group, slot, tally):
            tally.checked += 1
            if slot in present or stripe_time_us(stripe_id) > until_us:
                continue
            if not await self._uses(group, slot, stripe_id, present):
                continue
            if stripe_time_us(stripe_id) > self._clock.now_us() - int(YOUNG_SECONDS * 1_000_000):
                tally.young += 1
                continue
            batch.append((group.pg, stripe_id, (slot,)))
            if len(batch) >= BATCH_STRIPES:
                await self._batch(batch, tally)
                batch = []
        if batch:
            await self._batch(batch, tally)

    async def _inventories(self, group: Group, own: int, tally: Tally) -> AsyncIterator[tuple[bytes, set[int]]]:
        """Every stripe of the group with the slots that answered for it."""
        members: list[Disk] = []
        for slot in range(len(group.slots)):
            disk = self._cluster.disk_of(group.pg, slot)
            if disk is None or (slot != own and not self._usable(disk.uuid)):
                tally.unheard += 1
            else:
                members.append(disk)
        own_uuid = group.slots[own]
        failed: list[str] = []
        async for stripe_id, present in merged(self._client, group.pg, members, failed.append):
            if own_uuid in failed:
                break
            yield stripe_id, present
        if own_uuid in failed:
            raise DatanodeError(f"disk {own_uuid} does not answer")
        tally.unheard += len(failed)

    async def _uses(self, group: Group, slot: int, stripe_id: bytes, present: set[int]) -> bool:
        """Whether a stripe has a fragment for this slot: narrow ones leave slots k'..k-1 empty."""
        if slot == 0 or slot >= group.k or any(slot < other < group.k for other in present):
            return True
        for other in present:
            disk = self._cluster.disk_of(group.pg, other)
            if disk is not None:
                try:
                    return (await self._client.stat(disk, stripe_id, other, False)).meta.narrow_k > slot
                except DatanodeError:
                    continue
        return True  # nobody could say: a full look decides

    async def _batch(self, wanted: Sequence[tuple[int, bytes, tuple[int, ...]]], tally: Tally) -> list[Outcome]:
        """Repair several; the collector waits meanwhile, so that a stripe that it deletes is not brought back."""
        async with self._turn:
            outcomes = await asyncio.gather(*(self.repair(*each) for each in wanted))
        for outcome in outcomes:
            _count(tally, outcome)
        return outcomes

    async def repair(self, pg: int, stripe_id: bytes, slots: Sequence[int]) -> Outcome:
        """Rebuild the fragments of ``slots`` that are missing or rotten."""
        group = next((group for group in self._cluster.map.groups if group.pg == pg), None)
        if group is None or not any(self._usable(group.slots[slot]) for slot in slots if slot < len(group.slots)):
            return Outcome.WAITING
        async with self._rebuilds:
            good, absent = await self._survivors(group, stripe_id)
            outcome = await self._decided(group, stripe_id, slots, good, absent)
            if self._throttle is not None:
                read_bytes = sum(fragment.payload.nbytes for fragment in good.values())
                await self._throttle.take(STRIPE_COST_BYTES + read_bytes)
        return outcome

    async def _decided(
        self, group: Group, stripe_id: bytes, slots: Sequence[int], good: dict[int, Fragment], absent: int
    ) -> Outcome:
        if not good:
            return Outcome.GONE if absent == len(group.slots) else Outcome.WAITING
        meta = next(iter(good.values())).meta
        if any(_identity(fragment.meta) != _identity(meta) for fragment in good.values()):
            self._log.error("fragments of one stripe disagree", pg=group.pg, stripe=stripe_id.hex())
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
        disks = [self._cluster.disk_of(group.pg, slot) for slot in range(len(group.slots))]
        asked = [(slot, disk) for slot, disk in enumerate(disks) if disk is not None and self._usable(disk.uuid)]
        answers = await asyncio.gather(
            *(self._client.get(disk, stripe_id, slot) for slot, disk in asked), return_exceptions=True
        )
        good: dict[int, Fragment] = {}
        absent = 0
        for (slot, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Fragment):
                good[slot] = answer
            elif isinstance(answer, NotHere | FragmentCorrupt):
                absent += 1
            elif not isinstance(answer, DatanodeError):
                raise answer
        return good, absent

    async def _rebuild(
        self, group: Group, meta: FragmentMeta, good: dict[int, Fragment], wanted: Sequence[int]
    ) -> Outcome:
        def index(slot: int) -> int:
            return slot if slot < meta.narrow_k else meta.narrow_k + slot - meta.k

        have = {index(slot): fragment.payload for slot, fragment in good.items()}
        try:
            if not _digest_holds(have, meta):
                self._log.error("digest of a stripe does not hold", pg=group.pg, stripe=meta.stripe_id.hex())
                return Outcome.LOST
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


def _digest_holds(have: Mapping[int, memoryview], meta: FragmentMeta) -> bool:
    """Whether the survivors give the bytes that were written: wrong ones must not spread. Raises ``Corruption``."""
    digest, left_bytes = 0, meta.stripe_length
    for payload in erasure.decode(have, meta.narrow_k, meta.m, meta.stripe_length):
        digest = crc32c(payload[:left_bytes], digest)
        left_bytes -= min(left_bytes, payload.nbytes)
    return digest == meta.stripe_digest


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
