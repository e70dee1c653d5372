"""Keyspaces of a run of pytest: made once for all its workers, dropped by the last of them.

A table costs about a second of a busy machine: tests share one keyspace and take bucket ids of their own in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cassandra_cluster import VARIABLE, private_directory, shared_node
from cassandra_guard import become_user, open_users
from cassandra_jars import locked

PREFIX = "dolmen_test_"
NAME_CHARACTERS_MAX = 48  # Cassandra's limit
WHERE = "where"  # in a run's directory: its DOLMEN_TEST_CASSANDRA
REPLICAS_MAX = 3
PROTOCOL = 4  # every server that may be named speaks it
CONNECT_SECONDS = 20.0  # to nodes that were stopped until a moment ago, and have much to do
REQUEST_SECONDS = 60.0  # changes of the schema on an overloaded machine
# xdist gives its workers one id; without it this process is the run.
RUN = (os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex)[:16]
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

MakeSchema = Callable[[list[str], str], object]  # (contact points, keyspace): makes the tables

_users: IO[bytes] | None = None


@contextlib.contextmanager
def cql_session(contact_points: list[str]) -> Iterator[Any]:
    """A synchronous session of the driver, for set-up and for looking at tables."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy

    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=REQUEST_SECONDS)
    cluster = Cluster(
        contact_points,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=PROTOCOL,
        connect_timeout=CONNECT_SECONDS,
        control_connection_timeout=CONNECT_SECONDS,
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def create_keyspace(contact_points: list[str], keyspace: str) -> None:
    """Make it anew, replicated over as many nodes as there are, at most REPLICAS_MAX."""
    with cql_session(contact_points) as session:
        centre = session.execute("SELECT data_center FROM system.local").one().data_center
        peers = session.execute("SELECT data_center FROM system.peers_v2")
        replicas = min(REPLICAS_MAX, 1 + sum(peer.data_center == centre for peer in peers))
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
        options = f"{{'class': 'NetworkTopologyStrategy', '{centre}': {replicas}}}"
        session.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {options}")


def shared_keyspace(make_schema: MakeSchema, label: str = "main") -> str:
    """Name of the keyspace ``label`` of this run. Whoever comes first creates it and calls ``make_schema``; others wait.

    When ``make_schema`` fails, the next caller tries again with a fresh keyspace.
    """
    keyspace = f"{PREFIX}{RUN}_{label}"
    assert len(keyspace) <= NAME_CHARACTERS_MAX, keyspace
    contact_points = shared_node()
    directory = join_run()
    with locked(directory / f"{keyspace}.lock"):
        made = directory / f"{keyspace}.made"
        if not made.exists():
            end_killed_runs()
            create_keyspace(contact_points, keyspace)
            make_schema(contact_points, keyspace)
            made.touch()
    return keyspace


def join_run() -> Path:
    """The directory of this run, which this process uses until ``end_run``: what is made for the run is noted there."""
    global _users
    directory = private_directory() / f"run-{RUN}"
    if _users is None:
        _users = become_user(directory)
        (directory / WHERE).write_text(os.environ.get(VARIABLE, ""))
    return directory


def end_run() -> None:
    """At the end of a worker's session: the last one drops the keyspaces."""
    global _users
    if _users is not None:
        with _users:
            fcntl.lockf(_users, fcntl.LOCK_UN)
            _end_if_unused(private_directory() / f"run-{RUN}", _users)
        _users = None


def end_killed_runs() -> None:
    """Drop what runs left that were killed, if they used the same Cassandra; a node of ours went with them, or will."""
    for directory in private_directory().glob("run-*"):
        if directory.name != f"run-{RUN}" and _where(directory) == os.environ.get(VARIABLE, ""):
            with contextlib.suppress(FileNotFoundError), open_users(directory) as users:
                _end_if_unused(directory, users)


def drop_keyspaces(keyspaces: list[str]) -> None:
    with cql_session(shared_node()) as session:
        for keyspace in keyspaces:
            session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")


def _end_if_unused(directory: Path, users: IO[bytes]) -> None:
    try:
        fcntl.lockf(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # others still work
    made = [path.stem for path in directory.glob(f"{PREFIX}*.lock")]
    shutil.rmtree(directory)
    if made:
        drop_keyspaces(made)


def _where(directory: Path) -> str | None:
    try:
        return (directory / WHERE).read_text()
    except FileNotFoundError:  # it is being made, or removed
        return None
