"""Changes of keys: decide on a head, try, find out what became of it, then bring lists and queues up to date."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, cast

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.cql import CasReply
from dolmen.gateway.metadata.cassandra.follow import FollowUps, Made, Settled
from dolmen.gateway.metadata.cassandra.intents import Announced, Intents
from dolmen.gateway.metadata.cassandra.notes import NoteBook, Notes, encode_notes
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.truth import OP_BYTES, Head, Move, Truth, Update, encode_move, new_op
from dolmen.gateway.metadata.cassandra.turns import Turns
from dolmen.gateway.metadata.decide import Change, current_of
from dolmen.gateway.metadata.records import Event, RepairRow, VersionRecord
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

UNKNOWN_SECONDS = 8.0  # a change whose answer was lost is repeated so long: three time-outs of the driver
CONTENTION_SECONDS = 25.0  # a change that others are faster than again and again: then the client is told to slow down
BURN_OP_BYTES = OP_BYTES + 1
NOTES_BYTES_MAX = 1 << 20  # of one change; far below what a batch of one partition may hold (half a commit-log segment)

T = TypeVar("T")


class Effect(NamedTuple):
    """What a decision does to a key."""

    change: Change  # as lists see it
    put: tuple[VersionRecord, ...] = ()
    drop: tuple[int, ...] = ()  # slots
    garbage: tuple[ObjectLayout, ...] = ()
    repairs: tuple[RepairRow, ...] = ()
    events: tuple[Event, ...] = ()
    data: ObjectLayout | None = None  # handed over with the change: garbage if it never happened
    move: Move | None = None
    sets_move: bool = False
    listed: bool = True  # lists show it, so it must be announced
    versioned: bool = True  # the bucket has or had versions
    op: bytes | None = None  # of the attempt, when the decision has written it down somewhere


class Decision(NamedTuple, Generic[T]):
    """``effect`` None: nothing is to be done."""

    effect: Effect | None
    result: T


class ReadAgain(Exception):
    """What was read does not belong together: somebody changed the key in between."""


Decide = Callable[[Head], Awaitable[Decision[T]]]  # raises the port's errors, ``ReadAgain``


class Outcome(Enum):
    """Of one change; nothing else is certain."""

    APPLIED = "applied"
    REFUSED = "refused"


def judge(after: Head, head: Head, op: bytes) -> Outcome | None:
    """What became of an attempt ``op`` made on ``head``, given a head read after an answer; None when that cannot be told.

    The answer has settled that no earlier try can still land: ``head_seq`` is not what they asked for any more.
    """
    if op in (after.op, after.prev_op) or op in after.ops:
        return Outcome.APPLIED
    if after.prev_op == changed_by(head):
        return Outcome.REFUSED  # another change took the place of the very head that ours asked for, or the key was only burned
    return None


def new_burn_op() -> bytes:
    """Names an attempt that changes nothing but the sequence. Longer than others, so that it is known as such."""
    return secrets.token_bytes(BURN_OP_BYTES)


def changed_by(head: Head) -> bytes:
    """Who made the last change of the key that was more than a burn; b"": nobody that is known.

    Burns are passed over: any number of them leaves it to be told what became of the attempts before.
    """
    op = head.prev_op if head.op is not None and len(head.op) == BURN_OP_BYTES else head.op
    return op or b""


@contextmanager
def nothing_happened() -> Iterator[None]:
    """Around what comes before a change: whatever became of it, there is no change. Raises ``MetadataUnavailable``."""
    try:
        yield
    except MetadataUnknown as error:
        raise MetadataUnavailable(str(error)) from error


class Commits:
    """Changes of keys by one process."""

    def __init__(
        self, truth: Truth, intents: Intents, book: NoteBook, follow: FollowUps, clock: Clock, grace_us: int
    ) -> None:
        self._truth = truth
        self._intents = intents
        self._book = book
        self._follow = follow
        self._clock = clock
        self._grace_us = grace_us
        self._turns = Turns()  # one change of a key at a time in this process
        self._tasks: set[asyncio.Task[object]] = set()
        self.finish_move: Callable[[bytes, bytes, Head], Awaitable[Head]] = _no_moves

    async def apply(
        self, bucket_id: bytes, key: bytes, decide: Decide[T], announced: Announced | None = None, head: Head | None = None
    ) -> T:
        """Decide and change; returns the decision's result once the change is certain.

        ``announced``: by the caller, who also withdraws it when this raises anything but ``MetadataUnknown``; without it a change
        that lists show is announced here. ``head``: read a moment ago. Goes on to its end when the caller is cancelled: a
        change is never left half known.

        Raises what ``decide`` raises, ``BucketClosed``, ``MetadataUnavailable``, ``MetadataUnknown``.
        """
        return await self.to_the_end(self._apply(bucket_id, key, decide, announced, head), announced)

    async def to_the_end(self, work: Coroutine[Any, Any, T], announced: Announced | None = None) -> T:
        """The result of ``work``, which goes on when the caller is cancelled; then ``announced`` is withdrawn here if it fails."""
        task = asyncio.ensure_future(work)
        self._tasks.add(cast("asyncio.Task[object]", task))
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if announced is not None and not task.cancelled():
                task.add_done_callback(lambda done: self._left(done, announced))
            raise

    def _left(self, task: asyncio.Task[T], announced: Announced) -> None:
        """Nobody waits for the task any more."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, MetadataUnknown):
            self._follow.withdraw(announced)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone away

    async def close(self) -> None:
        """Wait for every change that was begun."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _apply(
        self, bucket_id: bytes, key: bytes, decide: Decide[T], announced: Announced | None, head: Head | None
    ) -> T:
        async with self._turns.of((bucket_id, key)) as waited:
            made, result, left = await self._attempts(bucket_id, key, decide, announced, None if waited else head)
        if made is not None:
            await self._follow.add(made)
        elif announced is None and left is not None:
            self._follow.withdraw(left)
        return result

    async def _attempts(
        self, bucket_id: bytes, key: bytes, decide: Decide[T], announced: Announced | None, head: Head | None
    ) -> tuple[Made | None, T, Announced | None]:
        """(what was changed, the result, the announcement)."""
        until_seconds = self._clock.monotonic_seconds() + CONTENTION_SECONDS
        given, older = announced, head
        try:
            for pause_seconds in pauses():
                with nothing_happened():
                    head = await self.finish_move(bucket_id, key, head or await self._truth.head(bucket_id, key))
                decision = await _decided(decide, head)
                if decision is not None:
                    effect = decision.effect
                    if effect is None:
                        return None, decision.result, announced
                    if effect.listed:
                        with nothing_happened():
                            announced = await self._announced(bucket_id, key, announced, is_older=head is not older)
                    made = await self._change(bucket_id, key, head, effect, announced)
                    if made is not None:
                        return made, decision.result, announced
                head = older = None
                if self._clock.monotonic_seconds() > until_seconds:
                    break
                await asyncio.sleep(pause_seconds)
            raise MetadataUnavailable("the object is changed by too many others at the same time")
        except MetadataUnknown:
            raise
        except BaseException:
            if given is None and announced is not None:
                self._follow.withdraw(announced)
            raise

    async def _announced(self, bucket_id: bytes, key: bytes, announced: Announced | None, *, is_older: bool) -> Announced:
        """The announcement of a change; one that ``is_older`` than the head is made anew."""
        if announced is None:
            return await self._intents.announce(bucket_id, key, new_op())
        if is_older:
            await self._intents.check_again(announced, anew=True)
        return announced

    async def _change(
        self, bucket_id: bytes, key: bytes, head: Head, effect: Effect, announced: Announced | None
    ) -> Made | None:
        """One attempt; None when somebody else was faster."""
        update, notes = self._update(head, effect, effect.op or new_op())
        if notes and head.pending:
            with nothing_happened():
                await self._book.copy_found(head.pending)
        shown = announced if effect.listed else None
        if shown is not None:
            shown.used = True
        made = Made(bucket_id, key, effect.change, update.seq, effect.versioned, notes, shown, effect.data)
        return made if await self._try(bucket_id, key, head, update, made) is Outcome.APPLIED else None

    def _update(self, head: Head, effect: Effect, op: bytes) -> tuple[Update, Notes]:
        now_us = self._clock.now_us()
        change = effect.change
        seq = change.added.seq if change.added is not None and change.added.seq >= head.floor_seq else 0
        seq = seq or max(now_us, head.floor_seq)
        notes = Notes(seq, op, now_us, now_us + self._grace_us, effect.garbage, effect.repairs, effect.events)
        raw = encode_notes(notes) if notes else None
        if raw is not None and len(raw) > NOTES_BYTES_MAX:
            raise MetadataUnavailable("the change leaves more notes than one batch may hold")
        # A rename that the head tells of has been brought to its end by ``finish_move``.
        move = encode_move(effect.move) if effect.sets_move or head.move is not None else None
        return Update(seq, op, change.after, effect.put, effect.drop, raw, move), notes

    async def _try(self, bucket_id: bytes, key: bytes, head: Head, update: Update, made: Made) -> Outcome:
        """The same change again and again until something is certain. Raises ``MetadataUnknown``, ``MetadataUnavailable``."""
        until_seconds = self._clock.monotonic_seconds() + UNKNOWN_SECONDS
        unknown = False  # a try may have been, or may still be, performed
        outcome: Outcome | None = None
        for pause_seconds in pauses():
            try:
                reply = await self.change(bucket_id, key, head, update)
                if reply.applied or not unknown:
                    return Outcome.APPLIED if reply.applied else Outcome.REFUSED
                outcome = judge(await self._truth.head(bucket_id, key), head, update.op)
                break
            except MetadataUnknown:
                unknown = True
            except MetadataUnavailable:
                if not unknown:
                    raise
            if self._clock.monotonic_seconds() > until_seconds:
                break
            await asyncio.sleep(pause_seconds)
        if outcome is None:
            self._follow.unsettled(made, head)
            raise MetadataUnknown("the outcome of the change is not known")
        return outcome

    async def change(self, bucket_id: bytes, key: bytes, head: Head, update: Update) -> CasReply:
        """As ``Truth.change``; every change of a key goes through here."""
        return await self._truth.change(bucket_id, key, head._replace(op=changed_by(head)), update)

    async def settle(self, bucket_id: bytes, key: bytes, head: Head, op: bytes) -> Settled:
        """What became of an attempt ``op`` on ``head``; afterwards it cannot land any more. Raises as ``Truth.change``."""
        after = await self._truth.head(bucket_id, key)
        if after.seq == head.seq:
            update = Update(max(self._clock.now_us(), after.floor_seq), new_burn_op(), current_of(after.versions))
            if update.current is None and self._follow.heads is not None:
                await self._follow.heads.add(bucket_id, key, update.seq, update.op)  # before: one too many is no harm
            await self.change(bucket_id, key, after, update)
            after = await self._truth.head(bucket_id, key)
        outcome = judge(after, head, op)
        return Settled(None if outcome is None else outcome is Outcome.APPLIED)

    async def burn(self, bucket_id: bytes, key: bytes) -> Head:
        """Move the key's sequence on, so that no change decided before can land; returns the head that is there now."""

        async def decide(head: Head) -> Decision[None]:
            current = current_of(head.versions)
            return Decision(Effect(Change(before=current, after=current), listed=False, op=new_burn_op()), None)

        await self.apply(bucket_id, key, decide)
        return await self._truth.head(bucket_id, key)


async def _decided(decide: Decide[T], head: Head) -> Decision[T] | None:
    """None: what was read does not belong together."""
    try:
        return await decide(head)
    except ReadAgain:
        return None


async def _no_moves(_bucket_id: bytes, _key: bytes, head: Head) -> Head:
    return head
