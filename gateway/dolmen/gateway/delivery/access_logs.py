"""Lines of access logs on their way to log objects: collected in memory, written every few minutes, best effort as in S3.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from prometheus_client import Counter

from dolmen.core.clock import Clock
from dolmen.core.errors import ClientFault, DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.access_log import EVENT_TIME, LogEntry, date_source, log_line
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import LoggingEnabled

CONFIG = "logging"  # name of the sub-resource in the bucket's record
DELIVERY_SECONDS = 300.0  # between two deliveries, unless a setting says otherwise: AWS delivers "within a few hours"
BATCH_BYTES_MAX = 1 << 20  # of one log object: above it the lines go at once
PENDING_BYTES_MAX = 16 << 20  # of all lines that wait in this process; what comes above is dropped and counted
TARGETS_CACHE_MAX = 1024  # configurations of some 200 bytes
ATTEMPTS_MAX = 5  # deliveries of one batch that may fail because the store is away
STOP_SECONDS = 10.0  # of a clean stop: below what a supervisor waits before it kills
_DAY_US = 86_400 * 1_000_000

LINES = Counter("dolmen_access_log_lines_total", "Lines of access logs that were delivered")
DROPPED = Counter("dolmen_access_log_dropped_lines_total", "Lines that were dropped", ["reason"])


@dataclass(slots=True)
class Batch:
    """Lines of one bucket for one log object."""

    bucket: BucketRecord  # as it was at the first line
    target: LoggingEnabled
    begun_us: int  # time of the first line
    lines: list[str] = field(default_factory=list)
    size: int = 0  # characters, near enough to bytes
    of_deliveries: bool = True  # it tells of nothing but deliveries of logs
    attempts: int = 0


Deliver = Callable[[Batch], Awaitable[None]]  # raises ``S3Fault``, ``ClientFault``: never possible; other ``DolmenError``: not now

_decode = msgspec.msgpack.Decoder(LoggingEnabled).decode
_Key = tuple[bytes, bytes, int]  # bucket id, configuration, day (0 unless objects are by day)


@lru_cache(maxsize=TARGETS_CACHE_MAX)
def _target(raw: bytes) -> tuple[LoggingEnabled, bool]:
    """The configuration, and whether each log object holds one day."""
    target = _decode(raw)
    return target, date_source(target) == EVENT_TIME


def target_of(bucket: BucketRecord) -> LoggingEnabled | None:
    """Where the bucket's access logs go; None when it is not logged."""
    raw = bucket.config.get(CONFIG)
    return None if raw is None else _target(raw)[0]


class AccessLogs:
    """``note`` after each answer; ``run`` until cancelled, then ``flush``."""

    def __init__(self, clock: Clock, seconds: float = DELIVERY_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._batches: dict[_Key, Batch] = {}
        self._full: list[Batch] = []
        self._pending = 0
        self._wake = asyncio.Event()
        self._log = get_logger("access-log")

    def note(self, bucket: BucketRecord, entry: LogEntry, *, of_delivery: bool = False) -> None:
        """Remember one request. ``of_delivery``: it is the write of a log object."""
        raw = bucket.config.get(CONFIG)
        if raw is None:
            return
        target, by_day = _target(raw)
        line = log_line(entry)
        if self._pending + len(line) > PENDING_BYTES_MAX:
            DROPPED.labels("memory").inc()
            return
        key = bucket.bucket_id, raw, entry.time_us // _DAY_US if by_day else 0
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = Batch(bucket, target, entry.time_us)
        batch.lines.append(line)
        batch.size += len(line)
        batch.of_deliveries = batch.of_deliveries and of_delivery
        self._pending += len(line)
        if batch.size >= BATCH_BYTES_MAX:
            self._full.append(self._batches.pop(key))
            self._wake.set()

    @property
    def pending_bytes(self) -> int:
        return self._pending

    async def run(self, deliver: Deliver) -> None:
        next_seconds = self._clock.monotonic_seconds() + self._seconds
        while True:
            try:
                async with asyncio.timeout(max(next_seconds - self._clock.monotonic_seconds(), 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._clock.monotonic_seconds() >= next_seconds:
                next_seconds = self._clock.monotonic_seconds() + self._seconds
                self._take_all()
            await self._deliver_full(deliver)

    async def flush(self, deliver: Deliver) -> None:
        """Deliver what there is, at a clean stop; what does not go in time is lost."""
        self._take_all()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._deliver_full(deliver)
        except TimeoutError:
            self._log.warning("access logs were not delivered in time", bytes=self._pending)

    def _take_all(self) -> None:
        self._full += self._batches.values()
        self._batches = {}

    async def _deliver_full(self, deliver: Deliver) -> None:
        batches, self._full = self._full, []
        while batches:
            batch = batches[0]
            try:
                await deliver(batch)
            except (S3Fault, ClientFault) as error:
                self._drop(batch, "refused", error)
            except DolmenError as error:
                batch.attempts += 1
                if batch.attempts < ATTEMPTS_MAX:
                    self._full.append(batch)  # with the next delivery
                else:
                    self._drop(batch, "unavailable", error)
            except BaseException:
                self._full = batches + self._full  # stopped in the middle: ``flush`` may still deliver them
                raise
            else:
                LINES.inc(len(batch.lines))
                self._pending -= batch.size
            del batches[0]

    def _drop(self, batch: Batch, reason: str, error: Exception) -> None:
        self._pending -= batch.size
        DROPPED.labels(reason).inc(len(batch.lines))
        self._log.warning(
            "access log not delivered", bucket=batch.bucket.name, target=batch.target.target_bucket, error=str(error)
        )
