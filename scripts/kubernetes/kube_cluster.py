"""One cluster in its directory: its plan, its processes, and kubectl for it."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from kube_binaries import find_binaries
from kube_errors import CommandFailed, KubeToolError, WrongUse
from kube_pki import Pki
from kube_plan import NODES, ClusterPlan
from kube_process import Processes, run

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.2
KUBECTL_SECONDS = 600.0  # the longest wait that is left to kubectl itself; a hanging server must not hang the tests
ANSWER_MAX = 300  # characters of the last answer that an error repeats
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")  # whose end is the cluster's


def hub_name(root: Path) -> str:
    """Of the network namespace and the control groups of a cluster: one name for each directory, without a hyphen or slash."""
    return "dolmen" + hashlib.sha256(str(root).encode()).hexdigest()[:6]


class Cluster:
    """The cluster in ``root``. Every process that has the directory may use it."""

    def __init__(self, root: Path, plan: ClusterPlan, *, die_with_parent: bool = False) -> None:
        self.root = root.resolve()
        self.plan = plan
        self.processes = Processes(self.root, die_with_parent=die_with_parent)
        self.kubeconfig = self.root / "kubeconfig"
        self.pki = Pki(self.root / "pki")

    @classmethod
    def load(cls, root: Path) -> Self:
        """The cluster that was started in ``root``; WrongUse when none was."""
        plan = ClusterPlan.load(root)
        if plan is None:
            raise WrongUse(f"no cluster was started in {root}")
        return cls(root, plan)

    @functools.cached_property
    def binaries(self) -> dict[str, Path]:
        """The programs that this cluster needs; KubeToolError when one is missing."""
        return find_binaries(self.plan.binaries)

    @property
    def hub(self) -> str | None:
        """The network namespace of the control plane; None at level a, which needs none."""
        return hub_name(self.root) if self.plan.level == NODES else None

    def require_hub(self) -> str:
        """WrongUse at level a, which has no network of its own."""
        if self.hub is None:
            raise WrongUse(f"the cluster in {self.root} has no real nodes: start it with --level {NODES}")
        return self.hub

    def kubectl(self, *argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl printed; CommandFailed with what it complained of, unless ``check`` is False."""
        # Its cache is of this cluster alone: another one may get the same port.
        command = [self.binaries["kubectl"], f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.root / 'kubectl'}", *argv]
        return run(*command, stdin=stdin, check=check, timeout_seconds=KUBECTL_SECONDS)

    def apply(self, items: Sequence[dict[str, Any]]) -> None:
        """Create or change objects."""
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))

    def wait_for(self, what: str, *argv: str, expect: str = "", seconds: float = WAIT_SECONDS) -> str:
        """Repeat a kubectl call until its answer holds ``expect``. KubeToolError when that takes too long, or a process ends."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.kubectl(*argv)
                if answer.strip() and expect in answer:
                    return answer
            except CommandFailed as error:
                answer = str(error)
            for name in CORE:
                if name in self.processes.names():
                    self.processes.require(name)
            if time.monotonic() > deadline:
                told = " ".join(answer.split())[:ANSWER_MAX]
                where = self.processes.logs
                raise KubeToolError(f"{what}: not within {seconds:.0f} s; last answer: {told or 'none'}; logs in {where}")
            time.sleep(POLL_SECONDS)
