"""Clusters of a test's own: what is acknowledged survives killed nodes, a paused node comes back, one of three may be missing."""

import subprocess
import time

import pytest
from cassandra import ConsistencyLevel, Timeout, Unavailable
from cassandra.query import SimpleStatement
from cassandra_cluster import CassandraCluster
from cassandra_errors import WrongUse
from cassandra_keyspaces import cql_session
from cassandra_ready import is_ready

QUORUM_SECONDS = 60.0
pytestmark = pytest.mark.cassandra_cluster


def make_table(contact_points, replicas):
    with cql_session(contact_points) as session:
        options = f"{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
        session.execute(f"CREATE KEYSPACE kept WITH replication = {options}")
        session.execute("CREATE TABLE kept.rows (id int PRIMARY KEY, said text)")


def at_quorum(contact_points, text):
    """Run the statement, which may be repeated, until a quorum answers: a while after a kill, the dead node is still asked."""
    statement = SimpleStatement(text, consistency_level=ConsistencyLevel.QUORUM)
    deadline = time.monotonic() + QUORUM_SECONDS
    with cql_session(contact_points) as session:
        while True:
            try:
                return session.execute(statement)
            except (Timeout, Unavailable):
                assert time.monotonic() < deadline


def write(contact_points, number):
    at_quorum(contact_points, f"INSERT INTO kept.rows (id, said) VALUES ({number}, 'row {number}')")


def read(contact_points):
    return dict(sorted(at_quorum(contact_points, "SELECT id, said FROM kept.rows")))


def test_one_node_keeps_what_it_acknowledged_when_killed(tmp_path):
    with CassandraCluster(tmp_path, commitlog="batch") as cluster:
        make_table(cluster.contact_points, 1)
        write(cluster.contact_points, 1)
        cluster.kill(1)
        assert not is_ready(cluster.ring.settings, 1, running=1)
        cluster.restart(1)
        assert read(cluster.contact_points) == {1: "row 1"}
        write(cluster.contact_points, 2)
        cluster.stop()
        with pytest.raises(WrongUse, match="not running"):
            cluster.pause(1)
        cluster.start()
        assert read(cluster.contact_points) == {1: "row 1", 2: "row 2"}


def test_three_nodes_go_on_without_one(tmp_path):
    with CassandraCluster(tmp_path, nodes=3, commitlog="batch") as cluster:
        make_table(cluster.contact_points, 3)
        write(cluster.contact_points, 1)
        cluster.pause(2)
        assert not is_ready(cluster.ring.settings, 2, running=3)
        write([cluster.address(1)], 2)
        cluster.resume(2)
        cluster.ring.wait_ready()
        cluster.kill(3)
        write([cluster.address(1)], 3)
        cluster.restart(3)
        cluster.ring.wait_ready()
        cluster.kill(1)
        assert read([cluster.address(2), cluster.address(3)]) == {1: "row 1", 2: "row 2", 3: "row 3"}
        told = subprocess.run(cluster.ring.nodetool(2, ["status"]), capture_output=True, text=True, check=True).stdout
        assert all(cluster.address(node) in told for node in (1, 2, 3))
