"""Finds ranges to split, and brings every split to its end: called by maintenance, in as many processes as like.

Nobody walks over buckets: writers report ranges (queue "splits"), and each split has a note (queue "shards") that goes through
these stages. A note is done again and again until it is through; each time is the same.

* BEGUN: the split is under way, or never was. When nobody works on it, it is taken over.
* CUT_OVER: the map names the children. Copied intents are taken away as their changes end.
* SETTLED: a day later nothing reads the source any more, and its rows go. Then the children are looked at: are they quiet?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import Corruption, DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.cql import Cql
from dolmen.gateway.metadata.cassandra.load import (
    LIMITS,
    Action,
    ActionKind,
    LoadLimits,
    ShardLoad,
    SplitTrigger,
    decode_trigger,
    load_of,
    plan,
)
from dolmen.gateway.metadata.cassandra.queues import Entry, TimeQueue
from dolmen.gateway.metadata.cassandra.shards import Shard
from dolmen.gateway.metadata.cassandra.split import (
    BucketGoing,
    LeaseLost,
    Split,
    SplitNote,
    Splitter,
    born_us,
    decode_note,
    encode_note,
)
from dolmen.gateway.metadata.cassandra.split_map import RangeRow

BEGUN, CUT_OVER, SETTLED = 0, 1, 2  # stages of a note: stored

DROP_SECONDS = 86_400.0  # after the cut-over: no list and no follow-up of a write lasts so long
LOOK_AGAIN_SECONDS = 20.0  # at a split under way, and at copied intents
NEVER_BEGUN_SECONDS = 3600.0  # between looks at a split that was given up, until its children are dropped
TRIGGER_AGAIN_SECONDS = 30.0  # a range whose split failed
YOUNG_SECONDS = 3600.0  # so long a new range is not taken for quiet: not every process has told of it yet
NOTES_AT_ONCE = 64  # of one run
SPLITS_AT_ONCE = 2  # of one run, one after the other: each may take a minute
_CLOCKS_US = 60_000_000  # clocks differ less

_Work = Callable[[Entry], Awaitable["float | None"]]


class SplitDuty:
    """What one process does for splits. ``run_once`` must not run twice at a time."""

    def __init__(
        self,
        cql: Cql,
        splitter: Splitter,
        triggers: TimeQueue,
        notes: TimeQueue,
        clock: Clock,
        limits: LoadLimits = LIMITS,
        drop_seconds: float = DROP_SECONDS,
        young_seconds: float = YOUNG_SECONDS,
    ) -> None:
        """``triggers``, ``notes``: the queues "splits" and "shards". Seconds are shorter in tests."""
        self._cql = cql
        self._splitter = splitter
        self._triggers = triggers
        self._notes = notes
        self._clock = clock
        self._limits = limits
        self._drop_us = int(drop_seconds * 1_000_000)
        self._young_us = int(young_seconds * 1_000_000)
        self._log = get_logger("metadata")

    async def run_once(self, splits_at_once: int = SPLITS_AT_ONCE) -> int:
        """A few notes and reports that are due; how many were brought forward. Errors are logged, and what failed is tried again.

        Raises ``MetadataUnavailable``, ``MetadataUnknown`` when the queues do not answer.
        """
        done = 0
        for entry in await self._notes.due(self._clock.now_us(), NOTES_AT_ONCE):
            done += await self._guarded("a split could not be brought forward", entry, self._notes, self._look_at)
        for entry in await self._triggers.due(self._clock.now_us(), splits_at_once):
            done += await self._guarded("a range could not be split", entry, self._triggers, self._judge)
        return done

    async def _guarded(self, what: str, entry: Entry, queue: TimeQueue, work: _Work) -> bool:
        """``work`` says in how many seconds the entry is looked at again; None: never."""
        try:
            again_seconds = await work(entry)
        except (LeaseLost, BucketGoing) as error:
            self._log.info(what, reason=str(error))
            again_seconds = LOOK_AGAIN_SECONDS if queue is self._notes else None
        except Corruption as error:
            self._log.error(what, error=str(error))
            again_seconds = TRIGGER_AGAIN_SECONDS
        except DolmenError as error:
            self._log.warning(what, error=str(error))
            again_seconds = TRIGGER_AGAIN_SECONDS
        if again_seconds is None:
            await queue.finish([entry.id])
            return True
        await queue.postpone([entry.id], self._clock.now_us() + int(again_seconds * 1_000_000), _same)
        return False

    # ---- notes -----------------------------------------------------------------------------------------------------

    async def _look_at(self, entry: Entry) -> float | None:
        note = decode_note(entry.body)
        if note.stage == BEGUN:
            if await self._splitter.is_under_way(note):
                split = await self._splitter.take_over(note)
                if split is None:
                    return LOOK_AGAIN_SECONDS
                await self._splitter.finish(split)
                self._tell(split, "a range that was half split is split")
            elif not await self._splitter.is_cut_over(note):
                return await self._never_begun(note, entry)
            note = await self._reached(entry, note, CUT_OVER)
        if note.stage == CUT_OVER:
            if await self._splitter.settle(note):
                return LOOK_AGAIN_SECONDS
            note = await self._reached(entry, note, SETTLED)
        left_us = note.since_us + self._drop_us - self._clock.now_us()
        if left_us > 0:
            return left_us / 1_000_000
        # What cannot be undone asks once more.
        if not await self._splitter.is_cut_over(note):
            raise Corruption("a shard that was split is in the map again")
        await self._splitter.drop_source(note)
        await self._report_children(note)
        return None

    async def _never_begun(self, note: SplitNote, entry: Entry) -> float | None:
        """Or given up: while the map names the source and not this split, its children were never anybody's."""
        if int.from_bytes(entry.id[:8], "big") + self._drop_us > self._clock.now_us():
            return NEVER_BEGUN_SECONDS
        await self._splitter.drop_children(note)
        return None

    async def _reached(self, entry: Entry, note: SplitNote, stage: int) -> SplitNote:
        """``since_us`` is the first time that the map was seen to name the children: no earlier than the cut-over."""
        since_us = note.since_us or self._clock.now_us()
        after = msgspec.structs.replace(note, stage=stage, since_us=since_us)
        await self._notes.postpone([entry.id], self._clock.now_us(), partial(_as, after))
        return after

    async def _report_children(self, note: SplitNote) -> None:
        """A day after the rush a range may be quiet: it can give partitions back, or be merged."""
        los = [note.sources[0][0]] if note.split_key is None else [note.sources[0][0], note.split_key]
        for lo, shard_id in zip(los, (note.child_a, note.child_b), strict=False):
            trigger = SplitTrigger(note.name, note.bucket_id, lo, shard_id)
            await self._act_on(trigger)

    # ---- reports ---------------------------------------------------------------------------------------------------

    async def _judge(self, entry: Entry) -> float | None:
        await self._act_on(decode_trigger(entry.body))
        return None

    async def _act_on(self, trigger: SplitTrigger) -> bool:
        """Do what the range needs now; whether that was anything."""
        around = await self._around(trigger)
        if not around:
            return False
        now_us = self._clock.now_us()
        loads: dict[bytes, ShardLoad] = {}
        for row, _ in around:
            load = await load_of(self._cql, trigger.bucket_id, row.shard_id, now_us)
            if load is not None:
                loads[row.shard_id] = load
        # Ids of buckets, which first shards have, are no times: they hardly ever look like one.
        lately = range(now_us - self._young_us, now_us + _CLOCKS_US)
        young = {row.shard_id for row, _ in around if born_us(row.shard_id) in lately}
        rows = [row for row, _ in around]
        for action in plan(loads, [_shard(row, hi) for row, hi in around], self._limits, young):
            at = next(at for at, row in enumerate(rows) if row.lo == action.lo)
            concerned = rows[at : at + 2] if action.kind is ActionKind.MERGE else [rows[at]]
            if any(row.shard_id == trigger.shard_id for row in concerned):
                split = await self._propose(trigger, action, concerned)
                if split is not None:
                    await self._splitter.run(split)
                    self._tell(split, "a range is reshaped")
                    return True
        return False

    async def _around(self, trigger: SplitTrigger) -> list[tuple[RangeRow, bytes | None]]:
        """The range with its neighbours, and where each of them ends; nothing when it is not in the map any more."""
        rows = self._splitter.rows
        row = await rows.read(trigger.bucket_id, trigger.lo)
        if row is None or row.shard_id != trigger.shard_id:
            return []
        found = [await rows.before(trigger.bucket_id, row.lo)] if row.lo else []
        found.append(row)
        for _ in range(2):  # the second one only tells where the first one ends
            after = await rows.after(trigger.bucket_id, found[-1].lo)
            if after is None:
                return list(zip(found, [*(each.lo for each in found[1:]), None], strict=True))
            found.append(after)
        return list(zip(found[:-1], [each.lo for each in found[1:]], strict=True))

    async def _propose(self, trigger: SplitTrigger, action: Action, rows: list[RangeRow]) -> Split | None:
        if action.kind is ActionKind.FANOUT:
            return self._splitter.propose_fanout(trigger.name, trigger.bucket_id, rows[0], action.fanout)
        if action.kind is ActionKind.SPLIT:
            return await self._splitter.propose_split(trigger.name, trigger.bucket_id, rows[0])
        return self._splitter.propose_merge(trigger.name, trigger.bucket_id, *rows)

    def _tell(self, split: Split, what: str) -> None:
        self._log.info(
            what,
            bucket=split.name,
            sources=len(split.reshape.sources),
            children=len(split.counts),
            rows=sum(count.rows for count in split.counts.values()),
            differences=split.differences,
        )


def _same(body: bytes) -> bytes:
    return body


def _as(note: SplitNote, _body: bytes) -> bytes:
    return encode_note(note)


def _shard(row: RangeRow, hi: bytes | None) -> Shard:
    return Shard(lo=row.lo, hi=hi, shard_id=row.shard_id, fanout=row.fanout, state=row.state, rev=row.rev)
