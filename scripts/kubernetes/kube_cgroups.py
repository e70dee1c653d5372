"""Control groups of nodes, version 1: one below each controller, so that pods have limits and a whole node can be frozen."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Literal

from kube_errors import KubeToolError

ROOT = Path("/sys/fs/cgroup")
REMOVE_TRIES = 50  # the last process may still be on its way out: 5 s
REMOVE_POLL_SECONDS = 0.1
_CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")
State = Literal["FROZEN", "THAWED"]


def require_version_1(root: Path = ROOT) -> None:
    """KubeToolError where control groups are of version 2 only, or not writable."""
    if not (root / "freezer").is_dir() or (root / "cgroup.controllers").exists():
        raise KubeToolError("real nodes need control groups of version 1, not 2: use kind with kind-config.yaml instead")
    if not os.access(root / "freezer", os.W_OK):
        raise KubeToolError("real nodes need control groups that can be written: run as root, in a privileged container if in one")


def controllers(root: Path = ROOT) -> list[Path]:
    """The hierarchies of version 1."""
    return sorted(path for path in root.iterdir() if path.name != "unified" and (path / "cgroup.procs").exists())


def make_groups(group: str, root: Path = ROOT) -> None:
    """Make ``group`` (cluster/node) below each controller. A new cpuset is empty and admits no process until it is filled in."""
    for controller in controllers(root):
        path = controller / group
        path.mkdir(parents=True, exist_ok=True)
        if controller.name == "cpuset":
            for above, below in ((controller, path.parent), (path.parent, path)):
                for name in _CPUSET_FILES:
                    (below / name).write_text((above / name).read_text())


def set_frozen(group: str, state: State, root: Path = ROOT) -> None:
    """Freeze or thaw all processes of a group. Nothing when there is no such group."""
    with contextlib.suppress(FileNotFoundError):
        (root / "freezer" / group / "freezer.state").write_text(state)


def remove_groups(cluster: str, root: Path = ROOT) -> None:
    """Remove the groups of a cluster, the inner ones first."""
    if not root.is_dir():
        return
    for controller in root.iterdir():
        for path, _, _ in os.walk(controller / cluster, topdown=False):
            _remove(Path(path))


def _remove(path: Path) -> None:
    for _ in range(REMOVE_TRIES):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(REMOVE_POLL_SECONDS)
        else:
            return
