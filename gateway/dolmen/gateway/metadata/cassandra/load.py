"""How full and how busy the ranges of buckets are, and what should become of them.

Each process counts what it changes and writes its sums for each shard now and then; the sums of all processes are the load. They
are estimates: they decide when a range is split, never what is true.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import random
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.shards import ACTIVE, Place, Shard, ShardMap
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.decide import Change
from dolmen.gateway.metadata.records import VersionRecord

ROWS_MAX = 100_000  # of one partition: a page costs the same in one of a million, but repairs and compactions do not
BYTES_MAX = 24 << 20
WRITES_PER_SECOND_MAX = 2000.0  # of one partition: all of them go to the same replicas
FANOUT_MAX = 16  # partitions of a range; every list of it reads them all
QUIET_PART = 8  # a range below this part of a limit gives partitions back, or is merged with its neighbour

FLUSH_SECONDS = 5.0  # between writes of the sums
COUNTERS_MAX = 10_000  # shards that one process counts, ~300 bytes each; the one not changed for longest goes first
CHECK_ROWS = 2048  # after about so many new rows, wherever they were written, somebody adds the sums up
RATE_NOTED_MIN = 50.0  # writes per second to one shard that a process tells others of
RATE_SECONDS_MAX = 30.0  # an older rate is no news
AT_ONCE = 8  # statements of a flush
TRIGGER_SECONDS = 60  # the same shard is reported at most so often, by all processes together
_ROW_BYTES = 110  # of a list row beside the key, the ETag and the owner

_WRITE = Statement(
    "INSERT INTO shard_load (bucket_id, shard_id, worker, rows, bytes) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_MINE = Statement("SELECT rows, bytes FROM shard_load WHERE bucket_id = ? AND shard_id = ? AND worker = ?", Kind.READ)
_ALL = Statement("SELECT worker, rows, bytes FROM shard_load WHERE bucket_id = ? AND shard_id = ?", Kind.READ)


class LoadLimits(NamedTuple):
    """When a range is split; tests have smaller ones."""

    rows: int = ROWS_MAX
    size_bytes: int = BYTES_MAX
    writes_per_second: float = WRITES_PER_SECOND_MAX
    check_rows: int = CHECK_ROWS


LIMITS = LoadLimits()


class ShardLoad(NamedTuple):
    """Of one shard, over all processes."""

    rows: int = 0
    size_bytes: int = 0
    writes_per_second: float = 0.0


# ---- decisions ---------------------------------------------------------------------------------------------------------


class ActionKind(enum.Enum):
    """What becomes of a range."""

    SPLIT = "split"
    FANOUT = "fanout"
    MERGE = "merge"  # with the one behind it


class Action(NamedTuple):
    """``lo``: where the range begins. ``fanout``: the new one, of FANOUT."""

    kind: ActionKind
    lo: bytes
    fanout: int = 0


def plan(
    loads: Mapping[bytes, ShardLoad], shards: Sequence[Shard], limits: LoadLimits = LIMITS, young: Container[bytes] = ()
) -> list[Action]:
    """What should be done with ranges that follow each other; at most one action touches a range.

    ``loads``: by shard id, of those that are known. ``young``: ids of shards that are new, and may only seem to be quiet.
    """
    actions: list[Action] = []
    taken: set[bytes] = set()
    for shard in shards:
        load = loads.get(shard.shard_id)
        action = None if load is None else _grow(shard, load, limits) or _shrink(shard, load, limits, young)
        if action is not None:
            actions.append(action)
            taken.add(shard.lo)
    for left, right in pairwise(shards):
        if any(each.lo in taken or each.state != ACTIVE or each.shard_id in young for each in (left, right)):
            continue
        both = loads.get(left.shard_id), loads.get(right.shard_id)
        if both[0] is not None and both[1] is not None and _fit_together(both[0], both[1], limits):
            actions.append(Action(ActionKind.MERGE, left.lo))
            taken |= {left.lo, right.lo}
    return actions


def _grow(shard: Shard, load: ShardLoad, limits: LoadLimits) -> Action | None:
    if shard.state != ACTIVE:
        return None
    fanout = max(shard.fanout, 1)
    # More partitions help whatever the keys are; a split does not when every new key comes last.
    if load.writes_per_second > limits.writes_per_second * fanout and fanout < FANOUT_MAX:
        return Action(ActionKind.FANOUT, shard.lo, min(2 * fanout, FANOUT_MAX))
    if load.rows > limits.rows * fanout or load.size_bytes > limits.size_bytes * fanout:
        return Action(ActionKind.SPLIT, shard.lo)
    return None


def _shrink(shard: Shard, load: ShardLoad, limits: LoadLimits, young: Container[bytes]) -> Action | None:
    if shard.state != ACTIVE or shard.fanout <= 1 or shard.shard_id in young:
        return None
    fewer = shard.fanout // 2
    is_quiet = load.writes_per_second * QUIET_PART < limits.writes_per_second * shard.fanout
    if is_quiet and load.rows <= limits.rows * fewer and load.size_bytes <= limits.size_bytes * fewer:
        return Action(ActionKind.FANOUT, shard.lo, fewer)
    return None


def _fit_together(left: ShardLoad, right: ShardLoad, limits: LoadLimits) -> bool:
    return (
        (left.rows + right.rows) * QUIET_PART < limits.rows
        and (left.size_bytes + right.size_bytes) * QUIET_PART < limits.size_bytes
        and (left.writes_per_second + right.writes_per_second) * QUIET_PART < limits.writes_per_second
    )


# ---- sums --------------------------------------------------------------------------------------------------------------


async def load_of(cql: Cql, bucket_id: bytes, shard_id: bytes, now_us: int) -> ShardLoad | None:
    """What all processes have counted; None: none of them has. One statement."""
    rows = size_bytes = 0
    rate = 0.0
    found = await cql.run(_ALL, bucket_id, shard_id)
    if not found:
        return None
    for worker, first, second in found:
        if worker >= 0:
            rows += first or 0
            size_bytes += second or 0
        elif now_us - (second or 0) < RATE_SECONDS_MAX * 1_000_000:
            rate += first or 0
    return ShardLoad(max(rows, 0), max(size_bytes, 0), rate)


class SplitTrigger(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the queue "splits": somebody should look at this range."""

    name: str  # of the bucket
    bucket_id: bytes
    lo: bytes
    shard_id: bytes


decode_trigger = msgspec.msgpack.Decoder(SplitTrigger).decode
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Counter:
    """Of one shard, by this process."""

    key: bytes  # one of its keys
    rows: int = 0
    size_bytes: int = 0
    writes: int = 0  # since the last flush
    moved_rows: int = 0  # as ``writes``: rows that came or went
    moved_bytes: int = 0
    is_based: bool = False  # what this process had written before is in the sums


class LoadCounters:
    """The sums of one process. ``note_change`` costs no statement; ``flush`` is called every few seconds."""

    def __init__(
        self,
        cql: Cql,
        shard_map: ShardMap,
        triggers: TimeQueue,
        worker: int,
        clock: Clock,
        stamps: Stamps,
        name_of: Callable[[bytes], str | None],
        limits: LoadLimits = LIMITS,
    ) -> None:
        """``triggers``: the queue named "splits". ``worker``: > 0. ``name_of``: of a bucket that this process knows, by its id."""
        self._cql = cql
        self._map = shard_map
        self._triggers = triggers
        self._worker = worker
        self._clock = clock
        self._stamps = stamps
        self._name_of = name_of
        self._limits = limits
        self._counters: OrderedDict[tuple[bytes, bytes], _Counter] = OrderedDict()
        self._changed: set[tuple[bytes, bytes]] = set()
        self._flushed_seconds = clock.monotonic_seconds()
        self._log = get_logger("metadata")

    def note_change(self, bucket_id: bytes, key: bytes, place: Place, change: Change, *, versioned: bool) -> None:
        """A change is in the lists. ``place``: the key's own."""
        rows, size_bytes = _deltas(key, change, versioned)
        self.note(bucket_id, key, place, rows, size_bytes)

    def note(self, bucket_id: bytes, key: bytes, place: Place, rows_delta: int, bytes_delta: int) -> None:
        """One write to the shard."""
        where = bucket_id, place.shard_id
        counter = self._counters.get(where)
        if counter is None:
            counter = self._counters[where] = _Counter(key)
            self._make_room()
        else:
            self._counters.move_to_end(where)
        counter.key = key
        counter.rows += rows_delta
        counter.size_bytes += bytes_delta
        counter.writes += 1
        counter.moved_rows += abs(rows_delta)
        counter.moved_bytes += abs(bytes_delta)
        self._changed.add(where)

    def _make_room(self) -> None:
        """What was flushed may go: it is read again when it is needed. The rest is lost at worst, and estimates stand that."""
        while len(self._counters) > COUNTERS_MAX:
            where, _ = self._counters.popitem(last=False)
            self._changed.discard(where)

    async def flush(self) -> None:
        """Write what changed, and report ranges that should be looked at. Errors are logged: the next flush says the same."""
        now_seconds = self._clock.monotonic_seconds()
        window_seconds = max(now_seconds - self._flushed_seconds, 0.001)
        self._flushed_seconds = now_seconds
        todo, self._changed = list(self._changed), set()
        for at in range(0, len(todo), AT_ONCE):
            some = todo[at : at + AT_ONCE]
            outcomes = await asyncio.gather(
                *(self._flush(where, window_seconds) for where in some), return_exceptions=True
            )
            for where, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, DolmenError):
                    self._changed.add(where)
                    self._log.debug("the load of a range could not be written", error=str(outcome))
                elif isinstance(outcome, BaseException):
                    raise outcome

    async def _flush(self, where: tuple[bytes, bytes], window_seconds: float) -> None:
        counter = self._counters.get(where)
        if counter is None:
            return
        if not counter.is_based:
            for rows, size_bytes in await self._cql.run(_MINE, *where, self._worker):
                counter.rows += rows or 0
                counter.size_bytes += size_bytes or 0
            counter.is_based = True
        await self._cql.run(_WRITE, *where, self._worker, counter.rows, counter.size_bytes, self._stamps.next())
        rate = counter.writes / window_seconds
        is_busy = rate >= RATE_NOTED_MIN
        if is_busy:
            # Under the negative number: how many writes a second, and when.
            await self._cql.run(_WRITE, *where, -self._worker, int(rate), self._clock.now_us(), self._stamps.next())
        moved = counter.moved_rows / self._limits.check_rows
        moved = max(moved, counter.moved_bytes / self._limits.size_bytes * self._limits.rows / self._limits.check_rows)
        is_hot = is_busy and rate * QUIET_PART >= self._limits.writes_per_second
        counter.writes = counter.moved_rows = counter.moved_bytes = 0
        if is_hot or random.random() < moved:
            await self._check(where, counter.key)

    async def _check(self, where: tuple[bytes, bytes], key: bytes) -> None:
        """Add the sums up, and report the range when something should be done about it."""
        bucket_id, shard_id = where
        shard = await self._map.shard_at(bucket_id, key)
        if shard.shard_id != shard_id or shard.state != ACTIVE:
            return
        load = await load_of(self._cql, bucket_id, shard_id, self._clock.now_us())
        if load is None:
            return
        is_small = _fit_together(load, ShardLoad(), self._limits) and (shard.lo or shard.hi is not None)
        name = self._name_of(bucket_id)
        if name is not None and (is_small or _grow(shard, load, self._limits) is not None):
            await self.report(SplitTrigger(name, bucket_id, shard.lo, shard_id))

    async def report(self, trigger: SplitTrigger) -> None:
        """Somebody will look at the range. Reports of one minute are one."""
        due_us = self._clock.now_us() // (TRIGGER_SECONDS * 1_000_000) * TRIGGER_SECONDS * 1_000_000
        digest = hashlib.sha256(trigger.bucket_id + trigger.shard_id).digest()[:8]
        await self._triggers.add(due_us.to_bytes(8, "big") + digest, due_us, _encode(trigger), self._stamps.next())


def _deltas(key: bytes, change: Change, versioned: bool) -> tuple[int, int]:
    """(rows, bytes) that the listing tables grow by, about."""
    rows = _is_object(change.after) - _is_object(change.before)
    if versioned:
        rows += (change.added is not None) - (change.removed is not None)
    some = change.added or change.removed or change.after or change.before
    owner_bytes = 0 if some is None else len(some.owner) + len(some.etag)
    return rows, rows * (_ROW_BYTES + 2 * len(key) + owner_bytes)


def _is_object(record: VersionRecord | None) -> bool:
    return record is not None and not record.is_delete_marker
