"""A session for each test of parts, in the keyspace that the stores of this worker use too."""

import uuid

import pytest
from cassandra_keyspaces import WORKER
from cassandra_parts import session_in
from cassandra_store import make_schema


@pytest.fixture(scope="session")
def parts_keyspace(shared_keyspace):
    return shared_keyspace(make_schema, WORKER)


@pytest.fixture
async def cql(cassandra, parts_keyspace):
    """A connected session; what a test writes needs names of its own."""
    async with session_in(cassandra, parts_keyspace) as session:
        yield session


@pytest.fixture
def fresh():
    """A prefix for names that nobody else uses."""
    return f"t{uuid.uuid4().hex[:12]}"
