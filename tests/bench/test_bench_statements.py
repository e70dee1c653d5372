"""The bench of statements: that each kind does what its name says, on the Cassandra that all tests share."""

import pytest
from bench.statements import Load
from cassandra_keyspaces import WORKER
from cassandra_parts import session_in
from cassandra_store import make_schema


@pytest.fixture
async def load(cassandra, shared_keyspace):
    async with session_in(cassandra, shared_keyspace(make_schema, WORKER)) as session:
        made = Load(session, [])
        await made.fill()
        yield made


async def test_every_kind_of_statement_is_measured_without_errors(load):
    rows = [await load.row(name, one, 4, 0.05) for name, one in load.kinds().items()]
    assert [row.name for row in rows] == ["point read @4", "write @4", "conditional batch of 2 @4", "page of 1,001 rows @4"]
    for row in rows:
        assert row.errors == {}
        assert row.requests >= 1
        assert 0 < row.p50_ms <= row.p99_ms <= row.max_ms
        assert row.generator_cpu_ms > 0


async def test_statements_that_fail_are_counted_as_errors(load):
    await load.session.close()
    row = await load.row("point read", load.read, 1, 0.01)
    assert row.requests == 0
    assert set(row.errors) == {"MetadataUnavailable"}
