"""What the leader does, each in a loop of its own.

Watch and publish, repair, fill disks, collect garbage, keep lifecycle rules, deliver notifications, wrap keys anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from prometheus_client import Counter

from dolmen.core.clock import Clock
from dolmen.core.cluster_report import KeysReport, LifecycleReport
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.datanode.client import DatanodeError
from dolmen.gateway.delivery.worker import Notifier
from dolmen.gateway.kms.duty import KeyDuty
from dolmen.gateway.maintenance.garbage import GarbageCollector
from dolmen.gateway.maintenance.leadership import Leadership
from dolmen.gateway.maintenance.lifecycle import LifecycleDuty
from dolmen.gateway.maintenance.pace import Pace
from dolmen.gateway.maintenance.publisher import Publisher
from dolmen.gateway.maintenance.repair import Repairer, Tally
from dolmen.gateway.maintenance.watch import Watch
from dolmen.gateway.metadata.store import DocumentChanged
from dolmen.gateway.objects.cluster import ClusterView

FIRST_LOOK_SECONDS = 0.05  # until there is a map nothing works: look often, datanodes need a moment to start
LOOK_SECONDS = 1.0  # as often as a datanode looks at its directories
ROWS_SECONDS = (0.5, 10.0)  # shortest and longest rest between passes over the repair rows
FILL_SECONDS = (0.5, 5.0)
GARBAGE_SECONDS = (0.2, 10.0)
UPKEEP_SECONDS = (0.5, 15.0)  # of the metadata backend: shortest rest while there is much of it, and longest
KEYS_SECONDS = 30.0  # how soon a rotation is noticed: old versions open for ever, nothing waits for this
KEYS_SETTLE_SECONDS = 5.0  # the same while a pass is due: it begins when every gateway seals with the new version
COMPARE_SHARE = 9.0  # a comparison that did not end well rests this many times as long as it took: a tenth of a core

REPAIRED = Counter("dolmen_repaired_stripes_total", "Stripes that got missing fragments back")
TRASHED = Counter("dolmen_trashed_fragments_total", "Fragments of deleted or replaced data that were trashed")
FAILED_PASSES = Counter("dolmen_maintenance_failed_passes_total", "Passes that ended with an error and are tried again", ["duty"])


class Duties:
    """``run`` until cancelled. Every duty may be cut short anywhere and begun again by another process."""

    def __init__(
        self,
        *,
        watch: Watch,
        publisher: Publisher,
        cluster: ClusterView,
        repairer: Repairer,
        collector: GarbageCollector,
        leadership: Leadership,
        clock: Clock,
        upkeep: Callable[[], Awaitable[int]],
        lifecycle: LifecycleDuty | None = None,
        notifier: Notifier | None = None,
        keys: KeyDuty | None = None,
    ) -> None:
        self._watch = watch
        self._publisher = publisher
        self._cluster = cluster
        self._repairer = repairer
        self._collector = collector
        self._leadership = leadership
        self._clock = clock
        self._upkeep = upkeep
        self._lifecycle = lifecycle
        self._notifier = notifier
        self._keys = keys
        self._paces = {"rows": Pace(*ROWS_SECONDS), "fill": Pace(*FILL_SECONDS), "garbage": Pace(*GARBAGE_SECONDS)}
        self._upkeep_pace = Pace(*UPKEEP_SECONDS)
        self._log = get_logger("duties")
        self.tallies: dict[str, Tally] = {}  # by disk: the comparison that runs, or the last one
        self.rows_tally = Tally()
        self._lost: dict[str, int] = {}  # by disk: what its last whole comparison found beyond repair
        self._until_us: dict[str, int] = {}  # by disk: stripes begun later were written with it in the map

    @property
    def lost(self) -> int:
        """Stripes known to have fewer than k' good fragments; several comparisons count the same ones."""
        return self.rows_tally.lost + max(self._lost.values(), default=0)

    @property
    def lifecycle(self) -> LifecycleReport | None:
        """What lifecycle rules have to do here; None while another process acts."""
        return self._lifecycle.report if self._lifecycle is not None and self._leadership.held else None

    @property
    def keys(self) -> KeysReport | None:
        """Sealed keys that are wrapped anew after a rotation; None while another process acts, and without a key service."""
        return self._keys.report if self._keys is not None and self._leadership.held else None

    async def look(self) -> None:
        """One look at the datanodes; the leader also publishes what follows from it."""
        changed = await self._watch.look()
        before = self._publisher.incomplete
        await (self._publisher.step() if self._leadership.held else self._publisher.current())
        listed = self._publisher.incomplete
        if changed:
            self._until_us.clear()  # a disk that went again may come back with less than the last comparison saw
        if changed or listed != before:
            for pace in self._paces.values():
                pace.poke()
        for gone in [uuid for uuid in self.tallies if uuid not in listed]:
            del self.tallies[gone]
        if self._cluster.ready:
            members = {disk.uuid for disk in self._cluster.map.disks}
            self._lost = {uuid: count for uuid, count in self._lost.items() if uuid in members}

    async def watch(self) -> None:
        """Look at the datanodes for ever."""
        while True:
            await self._attempt("watch", self.look)
            await asyncio.sleep(LOOK_SECONDS if self._cluster.ready else FIRST_LOOK_SECONDS)

    async def run(self) -> None:
        """What only the leader does."""
        async with asyncio.TaskGroup() as group:
            for duty in (self._rows, self._fill, self._garbage, self._rules, self._rewrap, self._keep_up):
                group.create_task(duty())
            if self._notifier is not None:
                group.create_task(self._notifier.run())

    async def _keep_up(self) -> None:
        """What the metadata backend needs."""
        found = 0

        async def step() -> None:
            nonlocal found
            found = await self._upkeep()

        while True:
            done = await self._attempt("metadata", step)
            await self._upkeep_pace.rest(done and found > 0)

    async def _rules(self) -> None:
        """Lifecycle rules of buckets."""
        duty = self._lifecycle
        if duty is None:
            return

        async def step() -> None:
            await duty.step()

        while True:
            await self._attempt("lifecycle", step)
            await asyncio.sleep(duty.rest_seconds)

    async def _rewrap(self) -> None:
        """Keys after a rotation."""
        duty = self._keys
        if duty is None:
            return

        async def step() -> None:
            try:
                await duty.step()
            except DocumentChanged:
                self._log.info("another process wraps keys anew")

        while True:
            done = await self._attempt("keys", step)
            is_due = done and duty.report is not None and not duty.report.is_current
            await asyncio.sleep(KEYS_SETTLE_SECONDS if is_due else KEYS_SECONDS)

    async def _attempt(self, duty: str, step: Callable[[], Awaitable[None]]) -> bool:
        """False when a part of the system was away; any other error ends the process, which is started again."""
        try:
            await step()
        except (DolmenError, msgspec.MsgspecError) as error:
            FAILED_PASSES.labels(duty).inc()
            self._log.warning("pass failed", duty=duty, error=str(error) or type(error).__name__)
            return False
        return True

    async def _rows(self) -> None:
        while True:
            done = await self._attempt("rows", self.rows)
            await self._paces["rows"].rest(done and self.rows_tally.repaired > 0)

    async def rows(self) -> None:
        """One pass over the repair rows."""
        if self._cluster.ready:
            self.rows_tally = await self._repairer.rows()
            self._count("repair rows", self.rows_tally)

    async def _fill(self) -> None:
        while True:
            begun = self._clock.monotonic_seconds()
            repaired = 0
            for uuid in self._publisher.incomplete:
                if self._watch.usable(uuid):
                    repaired += await self._filled(uuid)
            took = self._clock.monotonic_seconds() - begun
            await self._paces["fill"].rest(repaired > 0, COMPARE_SHARE * took)

    async def _filled(self, uuid: str) -> int:
        async def step() -> None:
            await self.fill(uuid)

        await self._attempt("fill", step)
        tally = self.tallies.get(uuid)
        return 0 if tally is None else tally.repaired

    async def fill(self, uuid: str) -> Tally:
        """Compare a listed disk with the others, repair it, and take it off the list when nothing is missing any more."""
        tally = self.tallies[uuid] = Tally()
        until_us = self._until_us.setdefault(uuid, self._clock.now_us())
        try:
            await self._repairer.disk(uuid, tally, until_us)
        except DatanodeError:
            tally.unheard += 1
            raise
        self._count(f"disk {uuid}", tally)
        if tally.complete:
            self._lost[uuid] = tally.lost
            await self._publisher.completed(uuid)
            self._until_us.pop(uuid, None)
        return tally

    def _count(self, source: str, tally: Tally) -> None:
        REPAIRED.inc(tally.repaired)
        if tally.repaired or tally.lost:
            self._log.info(
                "repair pass", source=source, repaired=tally.repaired, waiting=tally.waiting, lost=tally.lost, young=tally.young
            )

    async def _garbage(self) -> None:
        more = False

        async def step() -> None:
            nonlocal more
            more = await self.collect()

        while True:
            more = False
            await self._attempt("garbage", step)
            if not more:
                await self._paces["garbage"].rest(False)

    async def collect(self) -> bool:
        """One step of the collector; True when there is more to do at once."""
        if not self._cluster.ready:
            return False
        progress = await self._collector.step()
        TRASHED.inc(progress.trashed)
        return progress.full and progress.finished > 0
