"""Kubernetes for tests: one cluster that all pytest processes of this checkout share, and a namespace for each test.

Nobody may stop it, cut its zones or change its nodes: start one of your own for that (``scripts/kubernetes``, kube_lifecycle.up).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import kube_guard
from cassandra_guard import become_user
from kube_binaries import ASSETS_VARIABLE, cache_root, find_binaries
from kube_choice import Provider, choose_provider, docker_answers, kind_is_installed
from kube_cluster import KUBECTL_SECONDS, Cluster
from kube_errors import KubeToolError
from kube_lifecycle import end, up
from kube_mounts import file_system_of
from kube_nodes import load_image, nodes_of
from kube_plan import ClusterPlan
from kube_process import run

START_SECONDS = 300.0  # 24 s alone; six nodes on an overloaded machine
LINGER_SECONDS = 30.0  # the cluster waits so long for the next run of somebody who edits and runs again
POLL_SECONDS = 0.1
# Three nodes a zone: room for a spread and for one to fail, and still ready in seconds.
CONTROL_PLAN = ClusterPlan(fake_nodes=9)
END_TO_END_PLAN = ClusterPlan(level="c", nodes=3)
NAMESPACE_PREFIX = "dolmen-test-"
GUARD = Path(kube_guard.__file__).resolve()
T = TypeVar("T")
_SCRIPTS = GUARD.parents[2] / "scripts" / "kubernetes"


@dataclass(frozen=True)
class KubeCluster:
    """A cluster that tests use. ``root``: of one of our own; ``kind``: name of one of kind; both empty: the user's."""

    kubectl_program: Path
    kubeconfig: Path | None = None
    root: Path | None = None
    kind: str = ""

    def kubectl(self, *argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl printed; CommandFailed (with ``stderr``) unless ``check`` is False."""
        where: list[str | Path] = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        if self.root:
            where.append(f"--cache-dir={self.root / 'kubectl'}")
        return run(self.kubectl_program, *where, *argv, stdin=stdin, check=check, timeout_seconds=KUBECTL_SECONDS)

    def apply(self, *items: dict[str, Any]) -> None:
        """Create or change objects; CommandFailed says what the server refused."""
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))

    def field(self, kind: str, path: str, namespace: str = "") -> str:
        """What a JSONPath finds in an object or list (such as ``pod/web-0``); empty when there is no such thing."""
        where = [f"--namespace={namespace}"] if namespace else []
        return self.kubectl(*where, "get", kind, f"--output=jsonpath={path}", check=False).strip()

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace of a name that no other has; its deletion is begun at the end."""
        name = f"{NAMESPACE_PREFIX}{uuid.uuid4().hex[:12]}"
        labels = {"dolmen.dev/test": "true"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)

    def load_image(self, tarball: Path) -> None:
        """Put an image on every node; KubeToolError for a cluster of the user's, whose nodes we cannot reach."""
        if self.kind:
            run("kind", "load", "image-archive", tarball, "--name", self.kind)
            return
        if self.root is None:
            raise KubeToolError("images cannot be put on the nodes of an existing cluster: push them to its registry")
        cluster = Cluster.load(self.root)
        for node in nodes_of(cluster):
            load_image(cluster, node, tarball)


def wait_until(what: str, look: Callable[[], T], seconds: float = 60.0) -> T:
    """The first true answer; AssertionError with the last one when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last: {answer!r}"
        time.sleep(POLL_SECONDS)
    return answer


def find_kubectl() -> Path:
    """Of PATH, or the compiled one; KubeToolError without any."""
    found = shutil.which("kubectl")
    return Path(found) if found else find_binaries(["kubectl"])["kubectl"]


def private_directory() -> Path:
    """Of this user: below the system's temporary directory, or the cache when that is on layers, which real nodes cannot use."""
    parent = Path(tempfile.gettempdir())
    if file_system_of(parent.resolve()) == "overlay":
        parent = cache_root().parent
        parent.mkdir(parents=True, exist_ok=True)
    directory = parent / f"dolmen-kubernetes-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.geteuid() or directory.is_symlink():
        raise KubeToolError(f"{directory} is not ours")
    return directory


def shared_directory(provider: Provider, plan: ClusterPlan) -> Path:
    """One for each kind of cluster and state of the code that starts it: what other code started is not shared."""
    environment = [os.environ.get(ASSETS_VARIABLE, ""), str(cache_root())]
    digest = hashlib.sha256(json.dumps([str(GUARD), provider, asdict(plan), *environment]).encode())
    code = [*_SCRIPTS.glob("*.py"), *_SCRIPTS.glob("*.sh"), *(_SCRIPTS / "go").glob("go.*")]
    for path in (GUARD, kube_guard.KIND_CONFIG, *sorted(code)):
        digest.update(path.read_bytes())
    return private_directory() / f"shared-{digest.hexdigest()[:12]}"


class SharedCluster:
    """One cluster for all processes that name the same ``directory``; its guard starts it, and ends it after the last of them."""

    def __init__(self, directory: Path, provider: Provider, plan: ClusterPlan, linger_seconds: float = LINGER_SECONDS) -> None:
        self.directory = directory
        self._provider = provider
        self._plan = plan
        self._linger_seconds = linger_seconds
        self._users: IO[bytes] | None = None

    def begin_start(self) -> None:
        """Become a user of the cluster and see to it that it is being started; does not wait for it."""
        self._start_unless_failed(since=time.time())

    def wait(self) -> dict[str, Any]:
        """The state of a cluster that is ready. KubeToolError says why there is none."""
        since = time.time()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._start_unless_failed(since)  # also after a guard that ended before it was asked, but not after this failure
            state = self._state()
            if state.get("written_at", 0) >= since and "failed" in state:
                raise KubeToolError(f"Kubernetes for tests: {state['failed']}")
            if "kubeconfig" in state:
                return state
            time.sleep(POLL_SECONDS)
        raise KubeToolError(f"Kubernetes for tests is not ready within {START_SECONDS:.0f} s; see {self.directory}")

    def release(self) -> None:
        """Use it no more."""
        if self._users is not None:
            self._users.close()
            self._users = None

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return state

    def _start_unless_failed(self, since: float) -> None:
        """Start a guard unless one lives, or failed since then. The lock goes on to it, so that no moment is without an owner."""
        if self._users is None:
            self._users = become_user(self.directory)  # waits only for a guard that is ending its cluster
        with (self.directory / "guard.lock").open("ab") as lock, (self.directory / "guard.log").open("ab") as log:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            state = self._state()
            if "failed" in state and state["written_at"] >= since:
                return
            (self.directory / "state.json").unlink(missing_ok=True)
            where, linger = str(self.directory), str(self._linger_seconds)
            words = [where, str(lock.fileno()), linger, self._provider, json.dumps(asdict(self._plan))]
            process = subprocess.Popen(
                [sys.executable, str(GUARD), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
                cwd="/",
            )
            process.returncode = 0  # it outlives us by intention: Popen need not warn that it still runs


_made: dict[bool, SharedCluster | None] = {}


def _shared(end_to_end: bool) -> SharedCluster | None:
    """None when the user has named a cluster."""
    if end_to_end not in _made:
        plan = END_TO_END_PLAN if end_to_end else CONTROL_PLAN
        provider = choose_provider(os.environ, end_to_end=end_to_end, has_docker=docker_answers, has_kind=kind_is_installed)
        named = provider == "existing"
        _made[end_to_end] = None if named else SharedCluster(shared_directory(provider, plan), provider, plan)
    return _made[end_to_end]


def begin_start(*, end_to_end: bool) -> None:
    """Let the shared cluster be started while other tests run."""
    if (shared := _shared(end_to_end)) is not None:
        shared.begin_start()


def shared_cluster(*, end_to_end: bool) -> KubeCluster:
    """The cluster that all tests share: with a control plane and fake nodes, or (``end_to_end``) with nodes that run pods.

    The first call waits until it is ready. KubeToolError, never a skipped test, when there is none.
    """
    shared = _shared(end_to_end)
    if shared is None:
        return KubeCluster(find_kubectl())
    state = shared.wait()
    kubectl = find_binaries(["kubectl"])["kubectl"] if "root" in state else find_kubectl()
    root = Path(state["root"]) if "root" in state else None
    return KubeCluster(kubectl, Path(state["kubeconfig"]), root, str(state.get("kind", "")))


def release_shared_clusters() -> None:
    """At the end of a session: this process uses them no more."""
    for shared in _made.values():
        if shared is not None:
            shared.release()
    _made.clear()


@contextlib.contextmanager
def own_cluster(directory: Path, plan: ClusterPlan) -> Iterator[Cluster]:
    """A cluster of a test's own, which may be broken. It dies with this thread, however that ends."""
    cluster = up(directory, plan, die_with_parent=True)
    try:
        yield cluster
    finally:
        end(cluster)
