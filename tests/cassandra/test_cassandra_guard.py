"""The shared node lives as long as a process that uses it, however that ends; and no longer. These start nodes of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cassandra_cluster
import cassandra_settings
import pytest
from cassandra_cluster import CassandraCluster, SharedNode
from cassandra_errors import CassandraToolError
from cassandra_process import kernel_view, pid_of
from cassandra_ready import is_ready
from cassandra_settings import ClusterSettings

WAIT_SECONDS = 240.0
LINGER_SECONDS = 0.5
PATHS = os.pathsep.join(str(Path(module.__file__).parent) for module in (cassandra_cluster, cassandra_settings))
SHARES = f"""
import sys, time
from pathlib import Path
from cassandra_cluster import SharedNode
node = SharedNode(Path(sys.argv[1]), {LINGER_SECONDS})
print(*node.contact_points(), flush=True)
time.sleep(600)
"""
OWNS = """
import sys, time
from pathlib import Path
from cassandra_cluster import CassandraCluster
with CassandraCluster(Path(sys.argv[1])) as cluster:
    print(*cluster.contact_points, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start_user():
    """``start_user(code, directory)``: a process that uses a cluster in ``directory`` and prints where that is."""
    started = []

    def start(code, directory):
        command = [sys.executable, "-c", code, str(directory)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PATHS}))
        return started[-1]

    yield start
    for user in started:
        kill(user)


def kill(user):
    user.kill()
    user.wait()
    user.stdout.close()


def told_by(user):
    (address,) = user.stdout.readline().split()
    assert re.fullmatch(r"127\.77\.\d+\.1", address)
    return address


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.05)


def serves(address):
    return is_ready(ClusterSettings(cache="", net=address.rpartition(".")[0]), 1, running=1)


def guards_of(directory):
    """pids of the guards that work for ``directory``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and kernel_view(int(entry.name)):
            words = (entry / "cmdline").read_bytes().split(b"\0") if (entry / "cmdline").exists() else []
            if any(word.endswith(b"cassandra_guard.py") for word in words) and os.fsencode(directory) in words:
                found.append(int(entry.name))
    return found


def test_the_node_is_shared_and_outlives_neither_killed_user(start_user, tmp_path):
    directory = tmp_path / "shared"
    users = [start_user(SHARES, directory) for _ in range(2)]
    address, other = map(told_by, users)
    assert address == other
    assert len(guards_of(directory)) == 1
    kill(users[0])
    time.sleep(2 * LINGER_SECONDS)
    assert serves(address)
    node = pid_of(directory / "ring" / "node1")
    kill(users[1])
    wait_until(lambda: not guards_of(directory), "the guard has ended")
    assert kernel_view(node) is None
    assert not directory.exists()


def test_why_there_is_no_node_is_told_to_everybody(monkeypatch, tmp_path):
    """Never skipped, never waited for in vain: a node that cannot start fails whoever asks, with its reason."""
    monkeypatch.setenv("DOLMEN_CASSANDRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    shared = SharedNode(tmp_path / "shared")
    for _ in range(2):
        with pytest.raises(CassandraToolError, match=r"Cassandra for tests: Maven is needed"):
            shared.contact_points()
    shared.release()


@pytest.mark.cassandra_cluster
def test_a_killed_guard_takes_its_node_along_and_the_next_user_gets_another(start_user, tmp_path):
    directory = tmp_path / "shared"
    first = start_user(SHARES, directory)
    told_by(first)
    node = pid_of(directory / "ring" / "node1")
    (guard,) = guards_of(directory)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: kernel_view(node) is None, "the node has ended")
    second = start_user(SHARES, directory)
    assert serves(told_by(second))
    assert pid_of(directory / "ring" / "node1") != node
    kill(first)
    kill(second)
    wait_until(lambda: not guards_of(directory), "the guard has ended")


@pytest.mark.cassandra_cluster
def test_the_clusters_of_a_killed_test_end(start_user, tmp_path):
    owner = start_user(OWNS, tmp_path)
    told_by(owner)
    node = pid_of(tmp_path / "node1")
    assert kernel_view(node)
    kill(owner)
    wait_until(lambda: not guards_of(tmp_path), "the guard has ended")
    assert kernel_view(node) is None


@pytest.mark.cassandra_cluster
def test_clusters_side_by_side_have_nets_of_their_own(tmp_path):
    first, second = CassandraCluster(tmp_path / "first"), CassandraCluster(tmp_path / "second")
    try:
        first.begin()
        second.begin()
        for cluster in (first, second):
            cluster.start()
        assert first.contact_points != second.contact_points
        pids = [json.loads((cluster.directory / "node1" / "pid.json").read_text())["pid"] for cluster in (first, second)]
    finally:
        first.close()
        second.close()
    assert list(map(kernel_view, pids)) == [None, None]
