"""The duty that keeps lifecycle rules: each bucket that has some is walked once for each day of the lifecycle's clock.

Whatever becomes due becomes so at a midnight, so one pass after each is enough; a changed configuration is another reason for
one. Who takes over from another leader begins today's pass again where the other one's last checkpoint was, or at the start:
a pass over what was done already changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec
from prometheus_client import Counter, Gauge

from dolmen.core.clock import Clock
from dolmen.core.cluster_report import LifecycleReport
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.lifecycle.records import CONFIGURATION, Lifecycle
from dolmen.gateway.lifecycle.walk import LOCKED, NOT_MOVED, RACED, Move, Tally, Template, Walk, keep_bytes, no_template, shown
from dolmen.gateway.maintenance.throttle import Throttle
from dolmen.gateway.metadata.records import BucketRecord, DocumentChange
from dolmen.gateway.metadata.store import MetadataStore, NoSuchBucket

BUCKETS_PAGE = 1000  # records read at a time
BUCKETS_AT_A_TIME = 4  # walks at a time: a large bucket does not hold up the small ones
ACTIONS_PER_SECOND = 1000.0  # of all walks together: a tenth of what the store takes from clients
CHECKPOINT_SECONDS = 30.0  # what a new leader walks again at most; passes that are shorter leave none
REST_SECONDS = (0.2, 10.0)  # shortest and longest time between two looks at the buckets
LOOKS_OF_A_DAY = 4  # short days are looked at so often
_KIND, _NAME = "lifecycle-walk", "position"  # of the checkpoint, a document of the bucket

ACTIONS = Counter("dolmen_lifecycle_actions_total", "Versions and uploads that lifecycle rules acted on", ["action"])
SKIPPED = Counter("dolmen_lifecycle_skipped_total", "Actions that a change, a lock or missing bytes came before", ["reason"])
ROWS = Counter("dolmen_lifecycle_rows_total", "Versions that lifecycle rules looked at")
FAILED = Counter("dolmen_lifecycle_failed_passes_total", "Passes over a bucket that ended with an error and are begun again")
PASS_SECONDS = Gauge("dolmen_lifecycle_last_pass_seconds", "How long the last round over all buckets with rules took")
BUCKETS = Gauge("dolmen_lifecycle_buckets", "Buckets that have lifecycle rules")


class _Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """Where a pass is. Stored."""

    day: int
    rules: bytes  # digest: other rules begin anew
    position: bytes


class LifecycleDuty:
    """``step`` until cancelled, by one process at a time (the lease)."""

    def __init__(
        self,
        store: MetadataStore,
        clock: Clock,
        *,
        day_us: int,
        move: Move = keep_bytes,
        template: Template = no_template,
    ) -> None:
        self._store = store
        self._clock = clock
        self._day_us = day_us
        self._move = move
        self._template = template
        self._throttle = Throttle(clock, ACTIONS_PER_SECOND)
        self._done: dict[bytes, tuple[int, bytes]] = {}  # by bucket: the day and the rules of its last whole pass
        self._failed: set[bytes] = set()  # buckets whose last pass ended with an error
        self._report = LifecycleReport(0, 0, 0.0)
        self._log = get_logger("lifecycle")

    @property
    def report(self) -> LifecycleReport:
        """After the last step."""
        return self._report

    @property
    def rest_seconds(self) -> float:
        """Between two steps."""
        return min(max(self._day_us / 1e6 / LOOKS_OF_A_DAY, REST_SECONDS[0]), REST_SECONDS[1])

    async def step(self) -> Tally:
        """A pass over every bucket that needs one today; returns what was done. Raises ``MetadataUnavailable``."""
        begun = self._clock.monotonic_seconds()
        turn = asyncio.Semaphore(BUCKETS_AT_A_TIME)
        whole = Tally()
        seen: set[bytes] = set()
        waiting: list[BucketRecord] = []

        async def walk(bucket: BucketRecord) -> None:
            async with turn:
                await self._walk(bucket, whole)

        async for bucket in self._buckets():
            seen.add(bucket.bucket_id)
            if self._done.get(bucket.bucket_id) != self._wanted(bucket):
                waiting.append(bucket)
        self._done = {bucket_id: done for bucket_id, done in self._done.items() if bucket_id in seen}
        BUCKETS.set(len(seen))
        async with asyncio.TaskGroup() as group:
            for bucket in waiting:
                group.create_task(walk(bucket))
        self._failed &= seen
        seconds = self._clock.monotonic_seconds() - begun if waiting else self._report.last_round_seconds
        self._report = LifecycleReport(len(seen), len(self._failed), seconds)
        PASS_SECONDS.set(seconds)
        return whole

    async def _buckets(self) -> AsyncIterator[BucketRecord]:
        """Those that have rules."""
        after = ""
        while True:
            page = await self._store.all_buckets(after, BUCKETS_PAGE)
            for bucket in page:
                if CONFIGURATION in bucket.config:
                    yield bucket
            if len(page) < BUCKETS_PAGE:
                return
            after = page[-1].name

    def _wanted(self, bucket: BucketRecord) -> tuple[int, bytes]:
        """(day, digest of the rules) of a pass that begins now."""
        rules = hashlib.sha256(bucket.config[CONFIGURATION] + bytes([bucket.versioning])).digest()[:16]
        return self._clock.now_us() // self._day_us, rules

    async def _walk(self, bucket: BucketRecord, whole: Tally) -> None:
        """One bucket; trouble with it is counted, and does not hold up the others."""
        try:
            again = await self._store.get_bucket(bucket.name)  # it may have waited for its turn
            if again is None or again.bucket_id != bucket.bucket_id or CONFIGURATION not in again.config:
                return
            bucket = again
            wanted = self._wanted(bucket)
            lifecycle = msgspec.msgpack.decode(bucket.config[CONFIGURATION], type=Lifecycle)
            position = await self._position(bucket, wanted)
            walk = Walk(
                self._store,
                bucket,
                lifecycle,
                clock=self._clock,
                day_us=self._day_us,
                pace=self._throttle,
                position=position,
                move=self._move,
                template=self._template,
            )
            try:
                if not await self._run(walk, bucket, wanted):
                    return
            finally:
                self._count(walk.tally, whole)
        except NoSuchBucket:
            return
        except (DolmenError, msgspec.MsgspecError) as error:
            FAILED.inc()
            self._failed.add(bucket.bucket_id)
            self._log.warning("pass failed", bucket=bucket.name, error=str(error) or type(error).__name__)
            return
        self._failed.discard(bucket.bucket_id)
        self._done[bucket.bucket_id] = wanted
        if walk.tally.done:
            self._log.info("pass", bucket=bucket.name, rows=walk.tally.rows, done=shown(walk.tally.done))

    async def _run(self, walk: Walk, bucket: BucketRecord, wanted: tuple[int, bytes]) -> bool:
        """Walk, with a checkpoint from time to time; False when it ended early because the rules are others now."""
        running = asyncio.create_task(walk.run())
        has_checkpoint = bool(walk.position)
        try:
            while not (await asyncio.wait([running], timeout=CHECKPOINT_SECONDS))[0]:
                again = await self._store.get_bucket(bucket.name)
                if again is None or again.config.get(CONFIGURATION) != bucket.config[CONFIGURATION]:
                    return False
                await self._keep(bucket, _Checkpoint(*wanted, walk.position))
                has_checkpoint = True
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if has_checkpoint:
            await self._keep(bucket, None)
        return True

    async def _position(self, bucket: BucketRecord, wanted: tuple[int, bytes]) -> bytes:
        """Where today's pass was left."""
        found = await self._store.get_document(_space(bucket), _KIND, _NAME)
        if found is None:
            return b""
        kept = msgspec.msgpack.decode(found.raw, type=_Checkpoint)
        return kept.position if (kept.day, kept.rules) == wanted else b""

    async def _keep(self, bucket: BucketRecord, checkpoint: _Checkpoint | None) -> None:
        raw = None if checkpoint is None else msgspec.msgpack.encode(checkpoint)
        await self._store.write_documents(_space(bucket), [DocumentChange(kind=_KIND, name=_NAME, raw=raw)])

    def _count(self, tally: Tally, whole: Tally) -> None:
        ROWS.inc(tally.rows)
        whole.rows += tally.rows
        for what, count in tally.done.items():
            whole.done[what] = whole.done.get(what, 0) + count
            if what in (RACED, LOCKED, NOT_MOVED):
                SKIPPED.labels(what).inc(count)
            else:
                ACTIONS.labels(what).inc(count)


def _space(bucket: BucketRecord) -> str:
    return f"bucket/{bucket.bucket_id.hex()}"


