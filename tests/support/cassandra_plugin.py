"""Fixtures for tests that need a real Cassandra, and the hooks that start it while other tests run."""

from __future__ import annotations

import uuid

import pytest
from cassandra_cluster import begin_start, release_shared_node, shared_node
from cassandra_keyspaces import PREFIX, cql_session, drop_keyspaces, end_run, join_run
from cassandra_keyspaces import shared_keyspace as make_shared_keyspace

FIXTURE = "cassandra"
MARKER = "cassandra"
SUITE = "cassandra_suite"  # of what lies in tests/cassandra, but for clusters
CLUSTER = "cassandra_cluster"


@pytest.fixture(scope="session")
def cassandra():
    """Contact points of a running Cassandra that all tests share: use a keyspace of your own, do not stop or pause it."""
    return shared_node()


@pytest.fixture(scope="session")
def shared_keyspace(cassandra):
    """``shared_keyspace(make_schema, label="main")``: a keyspace that all workers of this run share; see cassandra_keyspaces."""
    return make_shared_keyspace


@pytest.fixture(scope="session")
def cassandra_keyspace_name(cassandra):
    """A name that no keyspace has. Whoever uses it creates the keyspace; it is dropped at the end of the session."""
    name = f"{PREFIX}{uuid.uuid4().hex[:16]}"
    yield name
    drop_keyspaces([name])


@pytest.fixture
def cassandra_session(cassandra):
    """A synchronous session of the driver, for a look at tables."""
    with cql_session(cassandra) as session:
        yield session


def _needs_cassandra(item):
    return item.get_closest_marker(MARKER) is not None


@pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
def pytest_mark_tests_of_cassandra(items):
    """By their fixtures, and by their place. Those that ask for the fixture when they run are marked where they are written."""
    for item in items:
        if "tests/cassandra/" in item.nodeid and item.get_closest_marker(CLUSTER) is None:
            item.add_marker(SUITE)
        if FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Tests of Cassandra come last, in their order: it starts meanwhile."""
    items.sort(key=_needs_cassandra)


def pytest_collection_finish(session):
    if not session.config.option.collectonly and any(map(_needs_cassandra, session.items)):
        begin_start()
        join_run()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    end_run()
    release_shared_node()
