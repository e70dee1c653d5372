"""Real Cassandra for tests: one node that all pytest processes share, and clusters of a test's own that may be broken.

``DOLMEN_TEST_CASSANDRA=host,host`` names an existing cluster for the tests that break nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Self

import cassandra_guard
from cassandra_errors import CassandraToolError
from cassandra_jars import VERSION, default_cache
from cassandra_nets import reserve_net
from cassandra_ring import Ring
from cassandra_settings import ClusterSettings

VARIABLE = "DOLMEN_TEST_CASSANDRA"
START_SECONDS = 600.0  # a first run fetches the jars as well
LINGER_SECONDS = 30.0  # the node waits so long for the next run of somebody who edits and runs again
POLL_SECONDS = 0.1
GUARD = Path(cassandra_guard.__file__).resolve()
_NODE_FILES = (GUARD, *sorted(GUARD.parents[2].glob("scripts/cassandra/*.py")))  # what a node is started by


def named_cluster() -> list[str]:
    """Contact points of DOLMEN_TEST_CASSANDRA; empty when it is not set."""
    return [host.strip() for host in os.environ.get(VARIABLE, "").split(",") if host.strip()]


def private_directory() -> Path:
    """Of this user, below the system's temporary directory; CassandraToolError when it is somebody else's."""
    directory = Path(tempfile.gettempdir()) / f"dolmen-cassandra-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.geteuid() or directory.is_symlink():
        raise CassandraToolError(f"{directory} is not ours")
    return directory


def default_shared_directory() -> Path:
    """One for each checkout and state of the code that starts nodes: what other code started is not shared."""
    digest = hashlib.sha256(f"{VERSION} {GUARD} {default_cache()}".encode())
    for path in _NODE_FILES:
        digest.update(path.read_bytes())
    return private_directory() / f"shared-{digest.hexdigest()[:12]}"


class SharedNode:
    """One node for all processes that name the same ``directory``; its guard starts it, and ends it after the last of them.

    ``linger_seconds``: how long it then waits for another.
    """

    def __init__(self, directory: Path, linger_seconds: float = LINGER_SECONDS) -> None:
        self.directory = directory
        self._linger_seconds = linger_seconds
        self._users: IO[bytes] | None = None
        self._contact_points: list[str] = []

    def begin_start(self) -> None:
        """Become a user of the node and see to it that it is being started; does not wait for it."""
        if self._users is None:
            self._users = cassandra_guard.become_user(self.directory)  # waits only for a guard that is ending its node
        self._ensure_guard(since=time.time())

    def contact_points(self) -> list[str]:
        """Wait until the node serves; where it is. CassandraToolError says why it does not."""
        since = time.time()
        deadline = time.monotonic() + START_SECONDS
        while not self._contact_points:
            self.begin_start()
            state = self._state()
            if state.get("written_at", 0) >= since and "failed" in state:
                raise CassandraToolError(f"Cassandra for tests: {state['failed']}")
            if "contact_points" in state:
                self._contact_points = list(state["contact_points"])
            elif time.monotonic() > deadline:
                raise CassandraToolError(f"Cassandra for tests is not ready; see {self.directory}")
            else:
                time.sleep(POLL_SECONDS)
        return self._contact_points

    def release(self) -> None:
        """Use it no more."""
        self._contact_points = []
        if self._users is not None:
            self._users.close()
            self._users = None

    def _state(self) -> dict[str, object]:
        try:
            return json.loads((self.directory / "state.json").read_text())
        except FileNotFoundError:
            return {}

    def _ensure_guard(self, since: float) -> None:
        """Start a guard unless one lives. The lock goes on to it, so that no moment is without an owner."""
        with (self.directory / "guard.lock").open("ab") as lock, (self.directory / "guard.log").open("ab") as log:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            if "failed" in (state := self._state()) and state["written_at"] >= since:
                return
            (self.directory / "state.json").unlink(missing_ok=True)
            words = ["shared", str(self.directory), str(lock.fileno()), str(self._linger_seconds)]
            _start_guard(words, log, pass_fds=(lock.fileno(),))


def _start_guard(words: list[str], log: IO[bytes], pass_fds: tuple[int, ...] = ()) -> None:
    command = [sys.executable, str(GUARD), *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=pass_fds, cwd="/"
    )
    process.returncode = 0  # it outlives us by intention: Popen need not warn that it still runs


_shared: SharedNode | None = None


def _default() -> SharedNode:
    global _shared
    _shared = _shared or SharedNode(default_shared_directory())
    return _shared


def begin_start() -> None:
    """Let the shared node be started while other tests run. Does nothing when DOLMEN_TEST_CASSANDRA names a cluster."""
    if not named_cluster():
        _default().begin_start()


def shared_node() -> list[str]:
    """Contact points of the node that all tests share, or of the cluster that DOLMEN_TEST_CASSANDRA names. Never stop it.

    The first call waits until it serves. CassandraToolError, never a skipped test, when there is none.
    """
    return named_cluster() or _default().contact_points()


def release_shared_node() -> None:
    """At the end of a session: this process uses the node no more."""
    if _shared is not None:
        _shared.release()


class CassandraCluster:
    """A cluster of a test's own, on a net of its own: a context that starts it, and kills its nodes at the end.

    Nodes are numbered from 1. ``directory`` holds data and logs; it is left for a look at node1/node.log. Should this process
    be killed, a guard kills the nodes.
    """

    def __init__(
        self, directory: Path, nodes: int = 1, *, commitlog: str = "periodic", paxos: str = "v2", load_test: bool = False
    ) -> None:
        self.directory = directory
        self._options = {"nodes": nodes, "commitlog": commitlog, "paxos": paxos, "load_test": load_test}
        self._resources = contextlib.ExitStack()
        self._ring: Ring | None = None

    def __enter__(self) -> Self:
        try:
            self.begin()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Choose a net and start the processes, without waiting until they serve (``start`` does)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        net, reservation = reserve_net()
        self._resources.enter_context(reservation)
        users = self._resources.enter_context(cassandra_guard.open_users(self.directory))
        fcntl.lockf(users, fcntl.LOCK_EX)
        with (self.directory / "guard.log").open("ab") as log:
            _start_guard(["follow", str(self.directory)], log)
        self._ring = Ring(ClusterSettings(cache=str(default_cache()), net=net, **self._options), self.directory)
        self._ring.launch()

    def close(self) -> None:
        """Kill the nodes and give the net back."""
        if self._ring is not None:
            self._ring.stop(signal.SIGKILL)
        self._ring = None
        self._resources.close()

    @property
    def ring(self) -> Ring:
        """The same cluster as the command line sees it (nodetool, pids, directories)."""
        assert self._ring is not None, "the cluster was not started"
        return self._ring

    @property
    def contact_points(self) -> list[str]:
        return self.ring.contact_points

    def address(self, node: int) -> str:
        return self.ring.settings.address(node)

    def start(self) -> None:
        """Start the nodes that do not run, and wait until all serve."""
        self.ring.start()

    def stop(self) -> None:
        """End all nodes by SIGTERM: they drain first (about 5 s). ``start`` starts them again with their data."""
        self.ring.stop()

    def kill(self, node: int) -> None:
        """SIGKILL, and wait until it is gone."""
        self.ring.kill(node)

    def pause(self, node: int) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        self.ring.pause(node)

    def resume(self, node: int) -> None:
        """SIGCONT."""
        self.ring.resume(node)

    def restart(self, node: int) -> None:
        """End it if it runs, start it again, and wait until it serves."""
        self.ring.restart(node)
