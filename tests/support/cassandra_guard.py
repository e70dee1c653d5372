"""Ends test clusters whose users are gone, however these ended: a process of its own, which outlives a killed pytest.

    cassandra_guard.py shared DIRECTORY LOCK_FD LINGER_SECONDS     starts one node for many pytest processes, and ends it
    cassandra_guard.py follow DIRECTORY                            ends the cluster of one process, which started it itself

Users hold a POSIX lock on DIRECTORY/users (the kernel frees it with the process, and no fork inherits it). LOCK_FD is a lock on
DIRECTORY/guard.lock, taken by whoever started this process: it says that a guard lives, from before its first instruction on.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "cassandra"))

from cassandra_errors import CassandraToolError
from cassandra_jars import default_cache
from cassandra_nets import reserve_net
from cassandra_process import end_node
from cassandra_ring import Ring
from cassandra_settings import ClusterSettings

POLL_SECONDS = 0.5


def open_users(directory: Path) -> IO[bytes]:
    """The file that users hold a lock on. A process opens it once: closing any handle frees all its POSIX locks on it."""
    return (directory / "users").open("ab+")


def become_user(directory: Path) -> IO[bytes]:
    """Hold the shared lock until the returned file is closed. Waits for whoever holds it alone, to remove the directory."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            users = open_users(directory)
        except FileNotFoundError:  # removed in between
            continue
        fcntl.lockf(users, fcntl.LOCK_SH)
        if os.fstat(users.fileno()).st_nlink:
            return users
        users.close()


def write_state(directory: Path, state: dict[str, object]) -> None:
    """``contact_points`` of a node that serves, or ``failed``: why there is none. Appears whole."""
    partial = directory / "state.partial"
    partial.write_text(json.dumps({**state, "written_at": time.time()}))
    partial.rename(directory / "state.json")


def end_all(directory: Path) -> None:
    """SIGKILL every node below ``directory``: nobody needs what they wrote."""
    for home in directory.glob("node*"):
        end_node(home, signal.SIGKILL)


def _try_alone(users: IO[bytes]) -> bool:
    try:
        fcntl.lockf(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _watch(ring: Ring, users: IO[bytes], linger_seconds: float) -> bool:
    """True when nobody used the node for so long: newcomers now wait for us. False when the node is gone of itself."""
    idle_since: float | None = None
    while ring.pid(1) is not None:
        if _try_alone(users):
            idle_since = idle_since or time.monotonic()
            if time.monotonic() - idle_since >= linger_seconds:
                return True
            fcntl.lockf(users, fcntl.LOCK_UN)
        else:
            idle_since = None
        time.sleep(POLL_SECONDS)
    return False


def share(directory: Path, linger_seconds: float) -> None:
    """Start the node, tell where it is, and end it when its users are gone."""
    data = directory / "ring"
    end_all(data)  # of a guard that was killed before it could
    shutil.rmtree(data, ignore_errors=True)
    net, reservation = reserve_net()
    ring = Ring(ClusterSettings(cache=str(default_cache()), net=net, quick_schema=True), data)
    with reservation, open_users(directory) as users:
        idle = False
        try:
            ring.launch(die_with_parent=True)
            ring.wait_ready()
        except (CassandraToolError, OSError) as error:
            write_state(directory, {"failed": str(error)})
        else:
            write_state(directory, {"contact_points": ring.contact_points})
            idle = _watch(ring, users, linger_seconds)
            (directory / "state.json").unlink()
        end_all(data)
        shutil.rmtree(directory if idle else data, ignore_errors=True)


def follow(directory: Path) -> None:
    """Wait until the owner has let go of its lock, by will or by death, then end what still runs."""
    with open_users(directory) as users:
        fcntl.lockf(users, fcntl.LOCK_EX)
        end_all(directory)


def main() -> None:
    kind, directory, *rest = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run's Ctrl-C: its processes end, and then this one ends the nodes
    if kind == "shared":
        os.set_inheritable(int(rest[0]), False)
        share(Path(directory), float(rest[1]))
    else:
        follow(Path(directory))


if __name__ == "__main__":
    main()
