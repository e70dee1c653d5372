"""The Cassandra that all tests share: every worker finds the same one, and the run's keyspaces are made once and dropped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cassandra_cluster
import cassandra_settings
import pytest
from cassandra_cluster import VARIABLE, begin_start, shared_node
from cassandra_errors import CassandraToolError
from cassandra_keyspaces import PREFIX
from cassandra_nets import NETS, reserve_net
from cassandra_process import kernel_view, pid_of

PATHS = os.pathsep.join(str(Path(module.__file__).parent) for module in (cassandra_cluster, cassandra_settings))
# What a worker of pytest-xdist does; a line on its standard input ends its session.
WORKER = """
import sys
from cassandra_keyspaces import cql_session, end_run, join_run, shared_keyspace

def make_table(contact_points, keyspace):
    with cql_session(contact_points) as session:
        session.execute(f"CREATE TABLE {keyspace}.made (id int PRIMARY KEY, times counter)")
        session.execute(f"UPDATE {keyspace}.made SET times = times + 1 WHERE id = 1")

join_run()
print(shared_keyspace(make_table), flush=True)
sys.stdin.readline()
end_run()
"""


def test_the_shared_node_is_cassandra_5(cassandra_session):
    version = cassandra_session.execute("SELECT release_version FROM system.local").one().release_version
    assert version.startswith("5."), version


@pytest.fixture
def start_worker(cassandra):
    """``start_worker(run)``: a worker of that run of pytest, and the keyspace that it has found or made."""
    started = []

    def start(run):
        environment = {**os.environ, "PYTHONPATH": PATHS, VARIABLE: ",".join(cassandra), "PYTEST_XDIST_TESTRUNUID": run}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", WORKER], env=environment, **pipes))
        return started[-1]

    yield start
    for worker in started:
        with worker:
            worker.kill()


@pytest.fixture
def keyspaces(cassandra_session):
    return lambda: {row.keyspace_name for row in cassandra_session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}


def test_a_keyspace_is_made_once_for_all_workers_and_dropped_by_the_last(start_worker, cassandra_session, keyspaces):
    run = os.urandom(8).hex()
    workers = [start_worker(run) for _ in range(2)]
    keyspace, other = (worker.stdout.readline().strip() for worker in workers)
    assert keyspace == other
    assert keyspace.startswith(PREFIX)
    for worker in workers:
        assert cassandra_session.execute(f"SELECT times FROM {keyspace}.made").one().times == 1
        worker.communicate("end\n")
        assert worker.returncode == 0
    assert keyspace not in keyspaces()


def test_what_a_killed_run_left_is_dropped_by_the_next(start_worker, keyspaces):
    killed = start_worker(os.urandom(8).hex())
    left = killed.stdout.readline().strip()
    assert left in keyspaces()
    killed.kill()
    killed.wait()
    assert start_worker(os.urandom(8).hex()).stdout.readline().strip() in keyspaces()
    assert left not in keyspaces()


def test_a_name_for_a_keyspace_is_free(cassandra_session, cassandra_keyspace_name):
    options = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    cassandra_session.execute(f"CREATE KEYSPACE {cassandra_keyspace_name} WITH replication = {options}")


def test_a_schema_that_failed_is_tried_again(shared_keyspace):
    def fail(contact_points, keyspace):
        raise ValueError(keyspace)

    for _ in range(2):
        with pytest.raises(ValueError, match=f"{PREFIX}.*failing"):
            shared_keyspace(fail, "failing")


def test_a_named_cluster_is_used_and_none_is_started(monkeypatch):
    def refuse():
        raise AssertionError("a node of our own was asked for")

    monkeypatch.setattr(cassandra_cluster, "_default", refuse)
    monkeypatch.setenv(VARIABLE, "10.0.0.1, 10.0.0.2")
    begin_start()
    assert shared_node() == ["10.0.0.1", "10.0.0.2"]
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(AssertionError, match="our own"):
        shared_node()


def test_nets_are_reserved_until_they_are_given_back(monkeypatch):
    monkeypatch.setattr("cassandra_nets.NETS", NETS[-2:])
    (first, one), (second, two) = reserve_net(), reserve_net()
    with one, two:
        assert {first, second} == set(NETS[-2:])
        with pytest.raises(CassandraToolError, match="free"):
            reserve_net()
    third, three = reserve_net()
    with three:
        assert third in {first, second}


def test_a_recycled_pid_is_not_taken_for_the_node(tmp_path):
    _, started_at = kernel_view(os.getpid())
    for recorded, found in ((started_at, os.getpid()), ("1", None)):
        (tmp_path / "pid.json").write_text(json.dumps({"pid": os.getpid(), "started_at": recorded}))
        assert pid_of(tmp_path) == found
