"""Three real nodes for all tests of this folder, and one keyspace on them. A test that breaks nodes finds them whole again.

``DOLMEN_FAULT_RING`` names the directory of a cluster that ``scripts/cassandra start --nodes 3 --commitlog batch --dir ...`` has
started; otherwise one is started for the session.
"""

import contextlib
import os
import random
import secrets
from pathlib import Path

import pytest
from cassandra_cluster import CassandraCluster
from cassandra_keyspaces import cql_session, create_keyspace
from cassandra_ring import Ring
from cassandra_store import make_schema, url_of
from dev_server import DevServer
from fault_gateways import Gateways
from fault_worker import Job

GATEWAYS = 3
GIVEN = os.environ.get("DOLMEN_FAULT_RING", "")


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    if GIVEN:
        yield Ring.load(Path(GIVEN))
        return
    with CassandraCluster(tmp_path_factory.mktemp("three"), nodes=3, commitlog="batch") as cluster:
        yield cluster.ring


@contextlib.contextmanager
def keyspace_on(ring):
    name = f"faults_{secrets.token_hex(6)}"
    make_whole(ring)
    create_keyspace(ring.contact_points, name)
    make_schema(ring.contact_points, name)
    yield name
    if GIVEN:
        make_whole(ring)
        with cql_session(ring.contact_points) as session:
            session.execute(f"DROP KEYSPACE {name}")


@pytest.fixture(scope="session")
def keyspace(ring):
    with keyspace_on(ring) as name:
        yield name


def make_whole(ring):
    for node in ring.settings.numbers:
        if ring.pid(node) is not None:
            ring.resume(node)
    ring.start()


@pytest.fixture
def nodes(ring, keyspace):
    """All three run, before the test and after it."""
    make_whole(ring)
    yield ring
    make_whole(ring)


def url_on(ring, keyspace):
    return url_of(ring.contact_points, keyspace, cache_seconds=1.0, replication_min=3)


@pytest.fixture
def url(nodes, keyspace):
    return url_on(nodes, keyspace)


@pytest.fixture(scope="session")
def s3_url(ring):
    """A keyspace of its own: its maintenance would collect the garbage that the other tests count."""
    with keyspace_on(ring) as name:
        yield url_on(ring, name)


@pytest.fixture(scope="session")
def s3_store(ring, s3_url, tmp_path_factory):
    """``dolmen dev`` with three gateway processes; one for the session, as its map of data nodes is in the keyspace."""
    make_whole(ring)
    options = ("--metadata", s3_url)
    with DevServer(tmp_path_factory.mktemp("s3"), workers=GATEWAYS, options=options) as server:
        yield server


@pytest.fixture
def seed():
    """Of everything that is drawn; DOLMEN_FAULT_SEED to draw the same once more. When things happen is the machine's."""
    drawn = int(os.environ.get("DOLMEN_FAULT_SEED") or random.randrange(1 << 32))
    print(f"DOLMEN_FAULT_SEED={drawn}")
    return drawn


@pytest.fixture
async def gateways(url, seed, tmp_path):
    log = tmp_path / "gateways.log"
    made = Gateways(Job(url), GATEWAYS, log, seed)
    async with made:
        yield made
    # A worker says nothing unless something is broken; the log is shown with a failed test.
    print(log.read_text(errors="replace")[-3000:])


@pytest.fixture
async def bucket(gateways):
    """(name, id) of a bucket of its own, which the gateways use."""
    name = f"faults-{secrets.token_hex(6)}"
    assert await gateways.all[0].call("create_bucket", name) == "ok"
    return name, await gateways.use_bucket(name)
