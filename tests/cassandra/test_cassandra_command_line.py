"""The program behind ``make cassandra``: wrong use costs one line and exit code 2; jars are fetched once, whole or not at all."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import cassandra_jars
import pytest
from cassandra_errors import CassandraToolError, WrongUse
from cassandra_jars import VERSION, default_cache, find_java, is_fetched
from cassandra_nets import reserve_net
from cassandra_process import kernel_view, pid_of
from cassandra_ring import Ring
from cassandra_settings import ClusterSettings

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "cassandra"
JAR = f"cassandra-all-{VERSION}.jar"
WAIT_SECONDS = 300.0  # a node on an overloaded machine
# A Maven that notes that it was called, and then does what the test says with the directory that it was told to fill.
MAVEN = """#!/bin/sh
echo called >> {calls}
for word in "$@"; do case $word in -DoutputDirectory=*) out=${{word#*=}};; esac; done
mkdir -p "$out"
{act}
"""


def start_program(*arguments, **environment):
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.Popen(
        command,
        env={"HOME": "/nonexistent", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_program(*arguments, **environment):
    """(exit code, standard output, standard error)"""
    process = start_program(*arguments, **environment)
    out, errors = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, errors


@pytest.fixture
def maven(tmp_path):
    """``maven("shell commands")``: a PATH on which that is ``mvn``; ``maven.calls()``: how often it ran."""
    calls = tmp_path / "calls"

    def make(act):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "mvn").write_text(MAVEN.format(calls=calls, act=act))
        (folder / "mvn").chmod(0o755)
        return f"{folder}:/usr/bin:/bin"

    make.calls = lambda: calls.read_text().count("called") if calls.exists() else 0
    return make


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "required"),
        ("begin", "invalid choice"),
        ("start --nodes 2", "--nodes"),
        ("start --commitlog never", "--commitlog"),
        ("start --net 10.0.0", "127.x.y"),
        ("start --net 127.0.256", "127.x.y"),
        ("start 1", "whole cluster"),
        ("start --verbose", "unknown arguments"),
        ("kill", "number of a node"),
        ("kill two", "invalid int"),
        ("stop", "no cluster"),
        ("nodetool 1 status", "no cluster"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path, arguments, said):
    code, out, errors = run_program(*arguments.split(), "--dir", tmp_path / "none")
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"cassandra: .*{said}.*\n", errors), errors


def test_a_node_that_the_cluster_does_not_have_is_wrong_use(tmp_path):
    ClusterSettings(cache="", nodes=1).save(tmp_path)
    for command in (["pause", "2"], ["kill", "-9", "1"], ["nodetool", "1", "status"]):
        code, _, errors = run_program(*command, "--dir", tmp_path)
        assert code == 2
        assert re.fullmatch(r"cassandra: .*(no node 2|not running).*\n", errors), errors


def test_missing_maven_is_told_in_one_line(tmp_path):
    code, _, errors = run_program("fetch", "--cache", tmp_path / "cache", PATH=str(tmp_path))
    assert code == 1
    assert re.fullmatch(r"cassandra: Maven is needed .*install_cassandra_tools.sh.*\n", errors), errors


def test_missing_java_is_an_error_that_names_the_package(monkeypatch, tmp_path):
    for name in ("DOLMEN_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cassandra_jars, "DEBIAN_JAVAS", "none-*/bin/java")
    with pytest.raises(CassandraToolError, match="openjdk-17-jre-headless") as caught:
        find_java.__wrapped__()
    assert not isinstance(caught.value, WrongUse)


def test_the_cache_is_outside_of_the_checkout_unless_told(monkeypatch):
    monkeypatch.delenv("DOLMEN_CASSANDRA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path(f"/somewhere/dolmen/cassandra-{VERSION}")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/its/owner")
    assert default_cache() == Path(f"/its/owner/.cache/dolmen/cassandra-{VERSION}")
    monkeypatch.setenv("DOLMEN_CASSANDRA_CACHE", "/elsewhere")
    assert default_cache() == Path("/elsewhere")


def test_jars_are_fetched_once_by_two_at_once(maven, tmp_path):
    path = maven(f'sleep 0.5; touch "$out/{JAR}"')
    cache = tmp_path / "cache"
    both = [start_program("fetch", PATH=path, DOLMEN_CASSANDRA_CACHE=str(cache)) for _ in range(2)]
    said = sorted(process.communicate(timeout=WAIT_SECONDS)[0] for process in both)
    assert said == [f"already in {cache}\n", f"fetched into {cache}\n"]
    assert maven.calls() == 1
    assert is_fetched(cache)


@pytest.mark.parametrize("act", ['touch "$out/other.jar"; echo "[ERROR] no such jar"; exit 1', 'touch "$out/other.jar"'])
def test_a_fetch_that_fails_leaves_nothing(maven, tmp_path, act):
    cache = tmp_path / "cache"
    code, _, errors = run_program("fetch", "--cache", cache, PATH=maven(act))
    assert code == 1
    assert re.fullmatch(r"cassandra: Maven could not fetch .*\n", errors), errors
    assert [path.name for path in cache.iterdir()] == [".lock"]


def test_a_fetch_that_is_killed_is_begun_again(maven, tmp_path):
    cache = tmp_path / "cache"
    killed = start_program("fetch", "--cache", cache, PATH=maven(f'touch "$out/{JAR}" "$out/begun"; exec sleep 60'))
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(cache.rglob("begun")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not is_fetched(cache)
    code, _, errors = run_program("fetch", "--cache", cache, PATH=maven(f'touch "$out/{JAR}"'))
    assert (code, errors) == (0, "")
    assert is_fetched(cache)
    assert not any(path.name == "begun" for path in cache.rglob("*"))
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "lib"]


@pytest.mark.cassandra_cluster
def test_a_node_from_its_first_start_to_its_stop(tmp_path):
    net, reservation = reserve_net()
    with reservation, ExitStack() as stack:
        given = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "DOLMEN_CASSANDRA_CACHE": str(default_cache())}
        stack.callback(lambda: Ring.load(tmp_path / "one").stop(signal.SIGKILL))

        def said(line, code=0):
            """What the command prints, and that it ends with this code."""
            done, out, errors = run_program(*line.split(), "--dir", tmp_path / "one", **given)
            assert done == code, out + errors
            return out + errors

        assert f"contact points: {net}.1:9042" in said(f"start --net {net}")
        pid = pid_of(tmp_path / "one" / "node1")
        assert said(f"start --net {net}").startswith("already running")
        assert "stop it and remove" in said(f"start --net {net} --paxos v1", code=2)
        taken = run_program("start", "--net", net, "--dir", tmp_path / "two", **given)
        assert taken[0] == 2
        assert re.fullmatch(rf"cassandra: node 1 needs {net}.1:9042 .*\n", taken[2])
        said("pause 1")
        assert kernel_view(pid)[0] == "T"
        said("resume 1")
        assert "UN" in said("nodetool 1 status -r")
        said("kill -9 1")
        assert said("status") == "node 1: not running\n"
        said("restart 1")
        assert said("status") == f"node 1: {pid_of(tmp_path / 'one' / 'node1')}\n"
        assert said("stop") == "node 1: not running\n"
