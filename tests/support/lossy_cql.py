"""A ``Cql`` around a real session that loses answers, refuses, delays, and performs late what was lost on its way.

Also stores on such a session: many of them share one connection, each with a process id of its own.
"""

import asyncio
import enum
import secrets
from typing import NamedTuple

from cassandra_parts import Between

from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.cassandra.store import CassandraStore
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

READS = (Kind.READ, Kind.GLOBAL_READ)


class Fate(enum.Enum):
    """What becomes of a statement."""

    DONE = "performed, and its answer is lost"
    NOT_DONE = "lost on its way"
    LATE = "lost on its way, and performed much later"
    REFUSED = "certainly not performed"
    CANCELLED = "performed, and whoever waits for it is cancelled"
    STOPPED = "the process dies before it"


def fates_of(sent):
    """Those that a statement may have; a read that is not answered is told as refused."""
    if sent.kind in READS:
        return (Fate.REFUSED,)
    if sent.kind is Kind.WRITE and "TIMESTAMP" not in sent.text:  # the driver stamps it when it is sent: late or not is the same
        return (Fate.DONE, Fate.NOT_DONE, Fate.REFUSED)
    return (Fate.DONE, Fate.NOT_DONE, Fate.LATE, Fate.REFUSED)


class Sent(NamedTuple):
    """The ``occurrence``-th statement (from 0) of this text since ``arm``."""

    text: str
    occurrence: int
    kind: Kind

    def __str__(self):
        return f"{' '.join(self.text.split())[:70]}... #{self.occurrence}"


class LossyCql(Between):
    """``fate_of(sent)`` decides what becomes of each statement; with ``stubborn`` a change that was lost is lost each time."""

    def __init__(self, inner):
        super().__init__(inner)
        self.stubborn = False
        self.before = None  # async (sent): runs before each statement that counts
        self.disarm()

    def arm(self, fate_of=lambda sent: None, *, stubborn=False):
        """Count and decide from here on."""
        self.disarm()
        self.fate_of, self.stubborn, self.armed = fate_of, stubborn, True

    def disarm(self):
        """Every statement is performed; what was lost stays lost until ``arrive``."""
        self.armed, self.stubborn, self.fate_of = False, False, lambda sent: None
        self.sent, self.counts = [], {}
        self.hit = []  # the statements that met a fate
        self.stopped = asyncio.Event()
        self._lost = []  # conditional changes whose repetitions are lost too
        self.late = getattr(self, "late", [])

    @property
    def count(self):
        return len(self.sent)

    async def run(self, statement, *values):
        return await self._send(statement, (values,), lambda: self.inner.run(statement, *values))

    async def cas(self, bound):
        return await self._send(bound[0].statement, tuple(bound), lambda: self.inner.cas(bound))

    async def batch(self, bound):
        return await self._send(bound[0].statement, tuple(bound), lambda: self.inner.batch(bound))

    async def _send(self, statement, what, perform):
        if not self.armed:
            return await perform()
        if self.stopped.is_set():
            await asyncio.Event().wait()
        occurrence = self.counts.get(statement.text, 0)
        self.counts[statement.text] = occurrence + 1
        sent = Sent(statement.text, occurrence, statement.kind)
        self.sent.append(sent)
        if self.before is not None:
            await self.before(sent)
        if self.stubborn and what in self._lost:
            raise MetadataUnknown("the answer was lost once more")
        fate = self.fate_of(sent)
        if fate is None:
            return await perform()
        self.hit.append(sent)
        return await self._meet(fate, what, perform)

    async def _meet(self, fate, what, perform):
        if fate is Fate.STOPPED:
            self.stopped.set()
            await asyncio.Event().wait()
        if fate is Fate.REFUSED:
            raise MetadataUnavailable("refused by the test")
        self._lost.append(what)
        if fate is Fate.CANCELLED:
            await perform()
            raise asyncio.CancelledError
        if fate is Fate.DONE:
            await perform()
        elif fate is Fate.LATE:
            self.late.append(perform)
        raise MetadataUnknown("lost by the test")

    async def arrive(self):
        """What was lost on its way is performed now."""
        late, self.late = self.late, []
        for perform in late:
            await perform()


class SharedStore(CassandraStore):
    """A store on a session that others use too; it shows no sign of life by itself."""

    def __init__(self, session, address, clock, *, grace_seconds=0.0):
        super().__init__(address, clock, garbage_grace_seconds=grace_seconds)
        self.cql = LossyCql(session)
        self._session = self.cql
        self.worker = 1 + secrets.randbits(62)
        self.parts = self._parts = Parts(self.cql, address, clock, self.worker, self._grace_us)

    async def open(self):
        """Nothing to do."""

    async def close(self):
        """The session stays."""
        await self.parts.close()

    async def quiet(self, seconds=20.0):
        """Until everything that this process does behind its answers is over."""
        parts = self.parts
        async with asyncio.timeout(seconds):
            while parts.commits._tasks or parts.follow._tasks or parts.follow._settling:
                tasks = [*parts.commits._tasks, *parts.follow._tasks, *parts.follow._settling]
                await asyncio.wait(tasks, timeout=0.05)

    async def die(self):
        """As if the process were killed: nothing that it does goes on."""
        self.cql.stopped.set()
        parts = self.parts
        tasks = [*parts.commits._tasks, *parts.follow._tasks, *parts.follow._settling]
        while tasks := [task for task in tasks if not task.done()]:  # some would still send something when they are cancelled
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.01)

    def name_queues(self, salt):
        """Queues of a test's own, shared by the stores that get the same ``salt``."""
        parts = self.parts
        queues = [parts.garbage, parts.events, parts.heads.queue, parts.sweeper._ended]
        for queue in queues:
            queue._name = f"{queue._name}-{salt}"
