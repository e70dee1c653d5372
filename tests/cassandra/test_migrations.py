"""Migrations on a real Cassandra: one runner at a time, resumable, and never on a schema that this program did not make."""

import asyncio
import contextlib
import uuid

import pytest
from cassandra_keyspaces import cql_session
from metadata_builders import SettableClock

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.migrate import LEASE_SECONDS, checksum_of, migrate
from dolmen.gateway.metadata.cassandra.migrations import MIGRATIONS, SCHEMA_VERSION, Migration
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

LEASES = next(text for text in MIGRATIONS[0].statements if "EXISTS leases (" in text)
FIRST = Migration(1, ("CREATE TABLE IF NOT EXISTS one (a int PRIMARY KEY)", LEASES))
SECOND = Migration(2, ("ALTER TABLE one ADD IF NOT EXISTS b int", "CREATE TABLE IF NOT EXISTS two (a int PRIMARY KEY)"))


@pytest.fixture
def keyspace(cassandra):
    """The name of a keyspace that does not exist; dropped after the test."""
    name = f"dolmen_test_{uuid.uuid4().hex[:16]}"
    yield name
    with cql_session(cassandra) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}")


@pytest.fixture
async def open_session(cassandra, keyspace):
    """``await open_session()``: a connected session with the keyspace."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one(**options):
            parameters = "&".join(f"{name}={value}" for name, value in {"replication_min": 1, **options}.items())
            session = CassandraSession(parse_address(f"cassandra://{','.join(cassandra)}/{keyspace}?{parameters}"))
            stack.push_async_callback(session.close)
            await session.connect()
            return session

        yield open_one


def run(session, migrations, clock=None, **named):
    return migrate(session, session.address, clock or SystemClock(), "test", migrations=migrations, **named)


async def tables_of(session):
    rows = await session.ask(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{session.address.keyspace}'")
    return {row[0] for row in rows}


async def registered(session):
    return dict(await session.ask(f"SELECT id, checksum FROM {session.address.keyspace}.schema_migrations"))


async def test_the_schema_is_made_and_grows_and_a_second_run_has_nothing_to_do(open_session):
    session = await open_session()
    told = []
    assert await run(session, (FIRST,), progress=told.append) == 1
    assert told[0].startswith("keyspace ")
    assert told[-1] == "migration 1 is applied"
    assert await run(session, (FIRST,)) == 0
    assert await run(session, (FIRST, SECOND)) == 1
    assert await tables_of(session) == {"schema_migrations", "leases", "one", "two"}
    assert await registered(session) == {"1": checksum_of(FIRST), "2": checksum_of(SECOND)}
    assert await session.ask(f"SELECT name FROM {session.address.keyspace}.leases") == []


async def test_runners_that_start_together_apply_everything_once(open_session):
    sessions = [await open_session() for _ in range(3)]
    applied = await asyncio.gather(*(run(session, (FIRST, SECOND)) for session in sessions))
    assert sorted(applied) == [0, 0, 2]
    assert set(await registered(sessions[0])) == {"1", "2"}


async def test_an_applied_migration_with_another_text_is_refused(open_session):
    session = await open_session()
    await run(session, (FIRST,))
    changed = FIRST._replace(statements=(FIRST.statements[0].replace("one", "uno"), LEASES))
    with pytest.raises(ConfigError, match="migration 1 of .* was applied with another text"):
        await run(session, (changed, SECOND))
    assert await tables_of(session) == {"schema_migrations", "leases", "one"}


async def test_a_schema_of_a_newer_program_is_refused(open_session):
    session = await open_session()
    await run(session, (FIRST, SECOND))
    with pytest.raises(ConfigError, match="migration 2, of a newer program"):
        await run(session, (FIRST,))


async def test_too_few_nodes_for_the_wanted_copies_are_refused_before_anything_is_made(open_session):
    session = await open_session(replication_min=3)
    with pytest.raises(ConfigError, match="fewer than replication_min=3"):
        await run(session, (FIRST,))
    assert await session.learn_replication() is None


class Dying:
    """A session whose process dies at its n-th change: from then on nothing is sent any more."""

    def __init__(self, session, changes):
        self._session, self._left = session, changes

    def __getattr__(self, name):
        return getattr(self._session, name)

    def _live(self):
        self._left -= 1
        if self._left < 0:
            raise MetadataUnavailable("the runner is dead")

    async def cas(self, bound):
        self._live()
        return await self._session.cas(bound)

    async def change_schema(self, text, node=None):
        self._live()
        await self._session.change_schema(text, node)


async def test_a_runner_that_died_anywhere_is_followed_by_one_that_finishes(open_session):
    session = await open_session()
    clock = SettableClock()
    deaths = 0
    while True:
        try:
            await run(Dying(session, deaths), (FIRST, SECOND), clock)
            break
        except MetadataUnavailable as error:
            assert str(error) == "the runner is dead"
            deaths += 1
            clock.added_seconds += LEASE_SECONDS + 1  # the lease of the dead one runs out
    assert deaths > 8
    assert set(await registered(session)) == {"1", "2"}
    assert await tables_of(session) == {"schema_migrations", "leases", "one", "two"}


async def test_a_runner_waits_for_another_that_lives(open_session):
    session = await open_session()
    with pytest.raises(MetadataUnavailable, match="dead"):
        await run(Dying(session, 5), (FIRST, SECOND))  # the lease is taken
    told = []
    waiting = asyncio.create_task(run(session, (FIRST, SECOND), progress=told.append))
    while "another runner is migrating: waiting" not in told:
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await tables_of(session) == {"schema_migrations", "leases"}
    await session.ask(f"UPDATE {session.address.keyspace}.leases SET until_us = 0 WHERE name = 'schema' IF EXISTS")
    assert await waiting == 2


async def test_a_statement_whose_outcome_is_unknown_is_sent_again(open_session):
    session = await open_session()
    lost = []

    class Losing(Dying):
        def _live(self):
            pass

        async def change_schema(self, text, node=None):
            await super().change_schema(text, node)
            if text not in lost:
                lost.append(text)
                raise MetadataUnknown("the answer was lost")

        async def cas(self, bound):
            reply = await super().cas(bound)
            text = bound[0].statement.text
            if text not in lost:
                lost.append(text)
                raise MetadataUnknown("the answer was lost")
            return reply

    assert await run(Losing(session, 0), (FIRST, SECOND)) == 2
    assert len(lost) > 8
    assert set(await registered(session)) == {"1", "2"}
    assert await session.ask(f"SELECT name FROM {session.address.keyspace}.leases") == []


async def test_the_whole_schema_makes_a_node_for_tests_ready(open_session):
    session = await open_session()
    assert await migrate(session, session.address, SystemClock(), "test") == SCHEMA_VERSION
    again = await open_session()
    assert again.ready() == []
