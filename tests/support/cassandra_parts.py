"""Parts of the Cassandra backend under test: sessions in a keyspace of the run, and doubles that count or lose answers."""

import contextlib

from cassandra_store import make_schema, url_of

from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

__all__ = ["LOSE_AFTER", "LOSE_BEFORE", "REFUSE", "Between", "Counting", "Losing", "address_of", "make_schema", "session_in"]


def address_of(contact_points, keyspace):
    return parse_address(url_of(contact_points, keyspace))


@contextlib.asynccontextmanager
async def session_in(contact_points, keyspace):
    session = CassandraSession(address_of(contact_points, keyspace))
    await session.connect()
    try:
        yield session
    finally:
        await session.close()


class Between:
    """A ``Cql`` around another one; the base of doubles."""

    def __init__(self, inner):
        self.inner = inner

    async def run(self, statement, *values):
        return await self.inner.run(statement, *values)

    async def cas(self, bound):
        return await self.inner.cas(bound)

    async def batch(self, bound):
        return await self.inner.batch(bound)


class Counting(Between):
    """Counts statements; a batch is one."""

    def __init__(self, inner):
        super().__init__(inner)
        self.texts = []

    @property
    def count(self):
        return len(self.texts)

    async def run(self, statement, *values):
        self.texts.append(statement.text)
        return await super().run(statement, *values)

    async def cas(self, bound):
        self.texts.append(bound[0].statement.text)
        return await super().cas(bound)

    async def batch(self, bound):
        self.texts.append(bound[0].statement.text)
        return await super().batch(bound)


LOSE_AFTER, LOSE_BEFORE, REFUSE = "done, answer lost", "not done, answer lost", "certainly not done"


class Losing(Between):
    """Conditional changes whose answers are lost, as ``plan`` says for one after the other; then ``meanwhile`` runs once.

    What was lost before it was done stays in ``late``: it may still arrive, whenever ``arrive`` is called.
    """

    def __init__(self, inner):
        super().__init__(inner)
        self.plan = []
        self.meanwhile = None
        self.late = []

    async def cas(self, bound):
        if not self.plan:
            return await super().cas(bound)
        fate = self.plan.pop(0)
        if fate == REFUSE:
            raise MetadataUnavailable("nothing was sent")
        if fate == LOSE_AFTER:
            await super().cas(bound)
        else:
            self.late.append(bound)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        raise MetadataUnknown("the answer was lost")

    async def arrive(self):
        """Those that were lost on their way land now; returns what they did."""
        late, self.late = self.late, []
        return [(await self.inner.cas(bound)).applied for bound in late]
