"""One keyspace for all tests of parts, and a session for each test."""

import uuid

import pytest
from cassandra_parts import make_schema, session_in


@pytest.fixture(scope="session")
def parts_keyspace(shared_keyspace):
    return shared_keyspace(make_schema, "parts")


@pytest.fixture
async def cql(cassandra, parts_keyspace):
    """A connected session; what a test writes needs names of its own."""
    async with session_in(cassandra, parts_keyspace) as session:
        yield session


@pytest.fixture
def fresh():
    """A prefix for names that nobody else uses."""
    return f"t{uuid.uuid4().hex[:12]}"
