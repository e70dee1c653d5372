"""What follows a change once the client has its answer: list rows, queues, and the intent that goes last.

And what follows an unknown outcome: it is settled by moving the key's sequence on, which either shows the change or makes sure that
it can never land.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.heads import Heads
from dolmen.gateway.metadata.cassandra.intents import Announced, Intents
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.notes import NoteBook, Notes
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.truth import Head
from dolmen.gateway.metadata.decide import Change

WORKING_MAX = 2048  # follow-ups at a time, some KB each; beyond it a change waits before it is answered
RETRY_SECONDS = (0.05, 5.0)  # between tries: first, longest
CLOSE_SECONDS = 10.0  # what is not done then is left to the sweeper, as after a crash
SETTLE_SECONDS = 1.0  # between tries to settle an unknown outcome
LEFT_MAX = 4096  # works that wait until the cluster is back, beyond which halves of announcements are not added, ~1 KB each
UNSETTLED_MAX = 10_000  # unknown outcomes, ~2 KB each; more are left to the sweeper when this process ends


class Made(NamedTuple):
    """A change that was made, or tried."""

    bucket_id: bytes
    key: bytes
    change: Change
    seq: int
    versioned: bool
    notes: Notes
    announced: Announced | None  # None: lists do not show the change
    data: ObjectLayout | None


class Settled(NamedTuple):
    """What became of a change with an unknown outcome. ``applied`` None: it was overwritten, or never happened: nobody can tell."""

    applied: bool | None


Settle = Callable[[bytes, bytes, Head, bytes], Awaitable[Settled]]  # (bucket, key, the head it asked for, its op)
Told = Callable[[Made], None]


class FollowUps:
    """The work behind the answers of one process."""

    def __init__(self, listing: Listing, intents: Intents, book: NoteBook, clock: Clock, told: Told) -> None:
        """``told`` hears of every change once it is in the lists (counters)."""
        self._listing = listing
        self._intents = intents
        self._book = book
        self._clock = clock
        self._told = told
        self._room = asyncio.Semaphore(WORKING_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsettled = 0
        self._settling: set[asyncio.Task[None]] = set()
        self._log = get_logger("metadata")
        self.settle: Settle | None = None
        self.heads: Heads | None = None
        self.add_garbage: Callable[[Notes, ObjectLayout], Awaitable[None]] | None = None
        intents.left = self._take_away

    async def add(self, made: Made) -> None:
        """The change is certain. Waits only while too many others are being followed up."""
        if made.announced is None and not made.notes:
            return
        await self._room.acquire()
        self._start(self._tasks, self._follow(made))

    def withdraw(self, announced: Announced) -> None:
        """There is no change after all."""
        self._start(self._tasks, self._until_done(lambda: self._intents.withdraw(announced)))

    def _take_away(self, announced: Announced) -> None:
        """An announcement failed half-way. While the cluster is away very many may: what is too much is left to expire."""
        if len(self._settling) < LEFT_MAX:
            self.later(lambda: self._intents.withdraw(announced))
        else:
            self._intents.forget(announced)

    def unsettled(self, made: Made, head: Head) -> None:
        """The outcome of the change is unknown: its intent stays until it is."""
        if self._unsettled >= UNSETTLED_MAX:
            self._log.error("too many unknown outcomes: one is left to the sweeper")
            return
        self._unsettled += 1
        self._start(self._settling, self._settle(made, head))

    @property
    def unsettled_count(self) -> int:
        return self._unsettled

    async def idle(self) -> None:
        """Wait for what has been answered until now."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Finish what can be finished; the rest is found through the intents."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_SECONDS)
        left = [*self._tasks, *self._settling]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @staticmethod
    def _start(where: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        where.add(task)
        task.add_done_callback(where.discard)

    async def _follow(self, made: Made) -> None:
        try:
            await self._until_done(lambda: self._bring_up_to_date(made))
        finally:
            self._room.release()

    async def _bring_up_to_date(self, made: Made) -> None:
        works: list[Awaitable[None]] = []
        if made.announced is not None:
            places = made.announced.places
            works.append(
                self._listing.write_change(
                    made.bucket_id, made.key, places, made.change, made.seq, versioned=made.versioned
                )
            )
        if made.notes:
            works.append(self._book.copy(made.notes))
        if made.change.after is None and self.heads is not None:
            works.append(self.heads.add(made.bucket_id, made.key, made.seq, made.notes.op))
        await asyncio.gather(*works)
        if made.announced is not None:
            await self._intents.withdraw(made.announced)
            self._told(made)

    async def now_or_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """What follows from something certain: its caller is told of that, whatever becomes of this."""
        try:
            await work()
        except DolmenError:
            self.later(work)

    def later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it until it is answered; while very much waits for that already, whoever meets what is undone does it."""
        if len(self._settling) >= UNSETTLED_MAX:
            self._log.error("too much waits for the metadata cluster: what follows a change is left undone")
            return
        self._start(self._settling, self._until_done(work))

    async def brought_up_to_date(self, bucket_id: bytes, key: bytes, announced: Announced) -> None:
        """The truth was changed by others on our behalf: make the list rows anew, then withdraw, in the background."""
        await self._room.acquire()
        self._start(self._tasks, self._make_anew(bucket_id, key, announced))

    async def _make_anew(self, bucket_id: bytes, key: bytes, announced: Announced) -> None:
        try:
            await self._until_done(lambda: self._listing.reindex(bucket_id, key))
            await self._until_done(lambda: self._intents.withdraw(announced))
        finally:
            self._room.release()

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Every part is idempotent: again and again until it is answered."""
        for pause_seconds in pauses(*RETRY_SECONDS):
            try:
                await work()
                return
            except DolmenError as error:
                self._log.warning("what follows a change is tried again", error=str(error))
            await asyncio.sleep(pause_seconds)

    async def _settle(self, made: Made, head: Head) -> None:
        assert self.settle is not None
        try:
            while True:
                await asyncio.sleep(SETTLE_SECONDS)
                try:
                    settled = await self.settle(made.bucket_id, made.key, head, made.notes.op)
                    break
                except DolmenError:
                    continue
            if settled.applied:
                await self._until_done(lambda: self._bring_up_to_date(made))
                return
            await self._until_done(lambda: self._give_up(made, certain=settled.applied is False))
        finally:
            self._unsettled -= 1

    async def _give_up(self, made: Made, *, certain: bool) -> None:
        """The change never happened (``certain``: then its data is garbage), or was overwritten."""
        await self._listing.reindex(made.bucket_id, made.key)
        if certain and made.data is not None and made.data.segments and self.add_garbage is not None:
            await self.add_garbage(made.notes, made.data)
        if made.announced is not None:
            await self._intents.withdraw(made.announced)
