"""Renames: one object leaves a key and comes to another in one step, over two partitions.

1. The source is marked with the rename's id and the target's key; it is still there for everybody.
2. The target takes the row, with the same id, if it is still as it was before step 1. *This is the commit point*: who reads the
   source asks the target from now on.
3. The source's row goes, with its mark.

Nobody changes a marked key before the rename is brought to its end: after step 2 by step 3; before it by moving the target's
sequence on, so that step 2 can never land, and then taking the mark away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.commits import Commits, Decision, Effect, new_burn_op, nothing_happened
from dolmen.gateway.metadata.cassandra.follow import FollowUps
from dolmen.gateway.metadata.cassandra.heads import Heads
from dolmen.gateway.metadata.cassandra.intents import Announced, Intents
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.truth import Head, Move, Truth, Update, new_op
from dolmen.gateway.metadata.decide import Change, check_condition, check_unlocked, current_of, next_seq
from dolmen.gateway.metadata.records import Committed, Versioning, VersionRecord, WriteCondition
from dolmen.gateway.metadata.rows import NULL_SLOT, event_of
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown, NoSuchKey

replace = msgspec.structs.replace
ROUNDS_MAX = 16  # of a rename that others break off, or of ending theirs


class Wanted(NamedTuple):
    """A rename as it was asked for."""

    bucket_id: bytes
    source: bytes
    target: bytes
    source_condition: WriteCondition
    target_condition: WriteCondition
    event: bytes


class _BrokenOff(Exception):
    """The target was changed after the source was marked."""


@dataclass(slots=True, eq=False)
class _Try:
    """A rename under way. Its announcements serve for all its rounds, the rest is of the last one."""

    wanted: Wanted
    source: Announced | None = None
    target: Announced | None = None
    op: bytes = b""
    there: Head | None = None  # of the target, read before the source was marked
    marked: bool = False  # perhaps


class Moves:
    """Renames of one process, and the end of those that others left."""

    def __init__(self, truth: Truth, commits: Commits, intents: Intents, follow: FollowUps, heads: Heads, clock: Clock) -> None:
        self._truth = truth
        self._commits = commits
        self._intents = intents
        self._follow = follow
        self._heads = heads
        self._clock = clock
        self._log = get_logger("metadata")

    async def rename(self, wanted: Wanted) -> Committed:
        """Raises ``NoSuchKey``, ``PreconditionFailed``, ``ObjectLocked``, ``BucketClosed``, and what ``Commits.apply`` raises.

        Goes on to its end when the caller is cancelled.
        """
        if wanted.source == wanted.target:
            return await self._nothing(wanted)
        return await self._commits.to_the_end(self._rename(_Try(wanted)))

    async def _rename(self, attempt: _Try) -> Committed:
        try:
            for pause_seconds, _ in zip(pauses(), range(ROUNDS_MAX), strict=False):
                try:
                    committed = await self._move(attempt)
                except _BrokenOff:
                    await asyncio.sleep(pause_seconds)
                    continue
                await self._leave_if_possible(attempt)
                return committed
            raise MetadataUnavailable("the object is being renamed by too many others")
        except BaseException as error:
            self._give_up(attempt, in_doubt=isinstance(error, MetadataUnknown))
            raise

    def _give_up(self, attempt: _Try, *, in_doubt: bool) -> None:
        if attempt.source is not None:
            if attempt.marked:
                self._follow.later(partial(self._leave, attempt))  # ends the rename either way
            else:
                self._follow.withdraw(attempt.source)
        if attempt.target is not None and not in_doubt:  # else it has been handed on
            self._follow.withdraw(attempt.target)

    async def _nothing(self, wanted: Wanted) -> Committed:
        async def decide(head: Head) -> Decision[Committed]:
            moved = current_of(head.versions)
            check_condition(wanted.source_condition, moved)
            if moved is None:
                raise NoSuchKey("nothing to rename")
            check_condition(wanted.target_condition, moved)
            check_unlocked(moved, self._clock.now_us())
            return Decision(None, _committed(moved))

        return await self._commits.apply(wanted.bucket_id, wanted.source, decide)

    async def _move(self, attempt: _Try) -> Committed:
        """Steps 1 and 2. Raises ``MetadataUnknown`` of step 2 alone: without it nothing happens."""
        attempt.op = new_op()
        with nothing_happened():
            moved = await self._mark(attempt)
        return await self._take(attempt, moved)

    async def _mark(self, attempt: _Try) -> VersionRecord:
        """Step 1."""
        wanted = attempt.wanted

        async def decide(head: Head) -> Decision[VersionRecord]:
            moved = current_of(head.versions)
            check_condition(wanted.source_condition, moved)
            if moved is None:
                raise NoSuchKey("nothing to rename")
            check_unlocked(moved, self._clock.now_us())
            # The target's head is read before the mark stands: whoever takes the mark away has moved that head on before.
            there = await self._truth.head(wanted.bucket_id, wanted.target)
            attempt.there = await self.finish(wanted.bucket_id, wanted.target, there)
            attempt.source = await self._announced(wanted.bucket_id, wanted.source, attempt.source)
            attempt.target = await self._announced(wanted.bucket_id, wanted.target, attempt.target)
            attempt.marked = True
            mark = Move(attempt.op, True, wanted.target)
            return Decision(Effect(Change(before=moved, after=moved), sets_move=True, move=mark, listed=False), moved)

        return await self._commits.apply(wanted.bucket_id, wanted.source, decide)

    async def _announced(self, bucket_id: bytes, key: bytes, announced: Announced | None) -> Announced:
        """After the key's head was read."""
        if announced is None:
            return await self._intents.announce(bucket_id, key, new_op())
        await self._intents.check_again(announced, anew=True)
        return announced

    async def _take(self, attempt: _Try, moved: VersionRecord) -> Committed:
        """Step 2."""
        wanted, there = attempt.wanted, attempt.there

        async def decide(head: Head) -> Decision[Committed]:
            if there is None or head.seq != there.seq:
                raise _BrokenOff
            now_us = self._clock.now_us()
            replaced = current_of(head.versions)
            check_condition(wanted.target_condition, replaced)
            check_unlocked(replaced, now_us)
            added = replace(moved, key=wanted.target, seq=next_seq(now_us, replaced, head.floor_seq))
            change = Change(before=replaced, after=added, added=added, removed=replaced)
            effect = Effect(
                change,
                put=(added,),
                garbage=() if change.garbage is None else (change.garbage,),
                events=(event_of(wanted.bucket_id, added, wanted.event, now_us),) if wanted.event else (),
                sets_move=True,
                move=Move(attempt.op, False, wanted.source),
                versioned=False,
            )
            return Decision(effect, replace(_committed(moved), seq=added.seq))

        return await self._commits.apply(wanted.bucket_id, wanted.target, decide, attempt.target, there)

    async def _leave_if_possible(self, attempt: _Try) -> None:
        try:
            await self._leave(attempt)
        except DolmenError as error:
            self._log.warning("the old name of a renamed object is still marked", error=str(error))
            self._follow.later(partial(self._leave, attempt))

    async def _leave(self, attempt: _Try) -> None:
        """Step 3, or the mark goes: ``Commits`` does it itself when it meets a mark, so there is nothing left to decide."""

        async def decide(_head: Head) -> Decision[None]:
            return Decision(None, None)

        bucket_id, key = attempt.wanted.bucket_id, attempt.wanted.source
        assert attempt.source is not None
        await self._commits.apply(bucket_id, key, decide)
        await self._follow.brought_up_to_date(bucket_id, key, attempt.source)

    async def finish(self, bucket_id: bytes, key: bytes, head: Head) -> Head:
        """The head of a key that no rename holds any more. Raises ``MetadataUnavailable``, ``MetadataUnknown``."""
        for _ in range(ROUNDS_MAX):
            move = head.move
            if move is None:
                return head
            there = await self._truth.head(bucket_id, move.other)
            same = there.move is not None and there.move.op == move.op
            if not move.is_source:
                if not same:
                    return head  # its source is done with
                await self._drop(bucket_id, move.other, there)
            elif same:
                await self._drop(bucket_id, key, head)
            elif await self._stop(bucket_id, move.other, there):
                await self._clear(bucket_id, key, head)
            head = await self._truth.head(bucket_id, key)
        raise MetadataUnavailable("the object is being renamed again and again")

    async def _drop(self, bucket_id: bytes, source: bytes, head: Head) -> None:
        """Step 3, whoever does it; refused when somebody else was faster."""
        seq = max(self._clock.now_us(), head.floor_seq)
        op = new_op()
        await self._heads.add(bucket_id, source, seq, op)
        await self._commits.change(bucket_id, source, head, Update(seq, op, None, drop=(NULL_SLOT,), move=b""))

    async def _stop(self, bucket_id: bytes, target: bytes, head: Head) -> bool:
        """Make sure that step 2 does not come any more; False when the target changed meanwhile."""
        update = Update(max(self._clock.now_us(), head.floor_seq), new_burn_op(), current_of(head.versions))
        if update.current is None:
            await self._heads.add(bucket_id, target, update.seq, update.op)
        return (await self._commits.change(bucket_id, target, head, update)).applied

    async def _clear(self, bucket_id: bytes, source: bytes, head: Head) -> None:
        update = Update(max(self._clock.now_us(), head.floor_seq), new_burn_op(), current_of(head.versions), move=b"")
        await self._commits.change(bucket_id, source, head, update)


def _committed(moved: VersionRecord) -> Committed:
    return Committed(
        version_id=moved.version_id, seq=moved.seq, mtime_us=moved.mtime_us, versioning=Versioning.OFF, etag=moved.etag
    )
