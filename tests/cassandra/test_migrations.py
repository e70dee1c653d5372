"""Migrations on a real Cassandra: lease, register and agreement as they are there. (Deaths and lost answers: tests/unit.)"""

import asyncio
import contextlib
import uuid

import pytest
from cassandra_keyspaces import cql_session

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.migrate import checksum_of, migrate
from dolmen.gateway.metadata.cassandra.migrations import MIGRATIONS, Migration

LEASES = next(text for text in MIGRATIONS[0].statements if "EXISTS leases (" in text)
FIRST = Migration(1, ("CREATE TABLE IF NOT EXISTS one (a int PRIMARY KEY)", LEASES))
SECOND = Migration(2, ("ALTER TABLE one ADD IF NOT EXISTS b int",))


@pytest.fixture
def keyspace(cassandra):
    """The name of a keyspace that does not exist; dropped after the test."""
    name = f"dolmen_test_{uuid.uuid4().hex[:16]}"
    yield name
    with cql_session(cassandra) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}")


@contextlib.asynccontextmanager
async def opened(contact_points, keyspace):
    session = CassandraSession(parse_address(f"cassandra://{','.join(contact_points)}/{keyspace}?replication_min=1"))
    await session.connect()
    try:
        yield session
    finally:
        await session.close()


def run(session, migrations):
    return migrate(session, session.address, SystemClock(), "test", migrations=migrations)


async def test_runners_that_start_together_make_the_schema_once_and_it_grows_and_is_guarded(cassandra, keyspace):
    async with opened(cassandra, keyspace) as session, opened(cassandra, keyspace) as another:
        assert session.ready() == [f"the keyspace {keyspace} does not exist: run `dolmen metadata migrate`"]
        assert sorted(await asyncio.gather(*(run(each, (FIRST,)) for each in (session, another)))) == [0, 1]
        assert await run(another, (FIRST, SECOND)) == 1
        assert await run(session, (FIRST, SECOND)) == 0
        registered = await session.ask(f"SELECT id, checksum FROM {keyspace}.schema_migrations")
        assert dict(registered) == {"1": checksum_of(FIRST), "2": checksum_of(SECOND)}
        columns = await session.ask(f"SELECT column_name FROM system_schema.columns WHERE keyspace_name = '{keyspace}'")
        assert ("b",) in columns
        assert await session.ask(f"SELECT owner FROM {keyspace}.leases") == []
        with pytest.raises(ConfigError, match="migration 2, of a newer program"):
            await run(session, (FIRST,))
        with pytest.raises(ConfigError, match=r"migration 1 of .* was applied with another text"):
            await run(session, (FIRST._replace(statements=(LEASES,)), SECOND))


async def test_the_whole_schema_makes_a_node_for_tests_ready(cql):
    assert cql.ready() == []
