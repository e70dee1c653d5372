"""Ends the cluster of the tests when its users are gone, however these ended: a process of its own, which outlives a killed pytest.

    kube_guard.py DIRECTORY LOCK_FD LINGER_SECONDS PROVIDER PLAN      PROVIDER: harness or kind; PLAN: a ClusterPlan as JSON

The locks are those of cassandra_guard: users hold one on DIRECTORY/users, which the kernel frees with the process; LOCK_FD, on
DIRECTORY/guard.lock, says that a guard lives. DIRECTORY/state.json tells where the cluster is, or why there is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "kubernetes"))

from cassandra_guard import open_users, write_state
from kube_cluster import Cluster
from kube_errors import KubeToolError
from kube_lifecycle import end, up
from kube_plan import ClusterPlan
from kube_process import run

POLL_SECONDS = 0.5
KIND_CONFIG = Path(__file__).resolve().parents[2] / "kind-config.yaml"
KIND_WAIT = "180s"
Alive = Callable[[], bool]


def kind_name(directory: Path) -> str:
    """Of the cluster that is kept in ``directory``: the user may have others."""
    return f"dolmen-{directory.name}"


def end_left_over(root: Path) -> None:
    """End what a guard that was killed has left, and remove its files."""
    if ClusterPlan.load(root) is not None:
        end(Cluster.load(root))
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def harness_cluster(directory: Path, plan: ClusterPlan) -> Iterator[tuple[dict[str, object], Alive]]:
    """A cluster of our own that dies with this process; its state, and whether it lives."""
    root = directory / "cluster"
    end_left_over(root)
    cluster = up(root, plan, die_with_parent=True)
    try:
        state: dict[str, object] = {"kubeconfig": str(cluster.kubeconfig), "root": str(root)}
        yield state, lambda: cluster.processes.pid("kube-apiserver") is not None
    finally:
        end(cluster)


@contextlib.contextmanager
def kind_cluster(directory: Path) -> Iterator[tuple[dict[str, object], Alive]]:
    """A cluster of kind, as kind-config.yaml describes it."""
    name, kubeconfig = kind_name(directory), directory / "kubeconfig"
    chosen = ("--name", name, "--kubeconfig", kubeconfig)
    run("kind", "delete", "cluster", *chosen, check=False)  # of a guard that was killed
    try:
        run("kind", "create", "cluster", *chosen, "--config", KIND_CONFIG, "--wait", KIND_WAIT)
        yield {"kubeconfig": str(kubeconfig), "kind": name}, lambda: True
    finally:
        run("kind", "delete", "cluster", *chosen, check=False)


def _is_unused(users: IO[bytes]) -> bool:
    """True, and newcomers wait for us from now on, when nobody uses the cluster."""
    try:
        fcntl.lockf(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def watch(alive: Alive, users: IO[bytes], linger_seconds: float) -> bool:
    """True when nobody used the cluster for so long; False when it is gone of itself."""
    idle_since: float | None = None
    while alive():
        if _is_unused(users):
            idle_since = idle_since or time.monotonic()
            if time.monotonic() - idle_since >= linger_seconds:
                return True
            fcntl.lockf(users, fcntl.LOCK_UN)
        else:
            idle_since = None
        time.sleep(POLL_SECONDS)
    return False


def share(directory: Path, linger_seconds: float, provider: str, plan: ClusterPlan) -> None:
    """Start the cluster, tell where it is, and end it when its users are gone."""
    made = kind_cluster(directory) if provider == "kind" else harness_cluster(directory, plan)
    with open_users(directory) as users:
        idle = False
        try:
            with made as (state, alive):
                write_state(directory, state)
                idle = watch(alive, users, linger_seconds)
                (directory / "state.json").unlink()
        except (KubeToolError, OSError) as error:
            write_state(directory, {"failed": str(error)})
        if idle:  # nobody asks for the logs; those of a failure stay until the next start
            shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    directory, lock, linger_seconds, provider, plan = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run's Ctrl-C: its processes end, and then this one ends the cluster
    os.set_inheritable(int(lock), False)
    fields = json.loads(plan)
    share(Path(directory), float(linger_seconds), provider, ClusterPlan(**{**fields, "zones": tuple(fields["zones"])}))


if __name__ == "__main__":
    main()
