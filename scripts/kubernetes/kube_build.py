"""Compile Kubernetes from its published Go modules: no image registry, no prebuilt download. What is done already is kept.

``go/go.mod`` replaces every staging module, which Kubernetes requires at v0.0.0, by its published version
(https://github.com/kubernetes/kubernetes/issues/79384). One program is compiled after the other, as linking kube-apiserver
alone takes 2 GiB; the compiler's own processes are bounded by ``jobs``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kube_binaries import GO_FLAGS, GO_MODULE, KWOK_STAGES, Binary, binary, cache_root, is_built, stamp_of, version_directory
from kube_errors import KubeToolError
from kube_process import run

GO_MINIMUM = (1, 26)  # as go/go.mod says
JOBS_MAX = 16  # a compiler takes up to 1 GiB; more at once only fill the memory
PROGRESS_SECONDS = 30.0
INSTALLER = "scripts/install_kubernetes_tools.sh"
# Seconds of a cold build on two busy cores: what to expect, no promise.
EXPECTED_SECONDS = {
    "etcd": 164, "kube-apiserver": 2400, "kube-controller-manager": 750, "kube-scheduler": 33, "kubectl": 116, "kubelet": 188,
    "kube-proxy": 49, "kwok": 209, "helm": 243, "pause": 2,
}  # fmt: skip
# What kwok plays: nodes with leases, pods that run at once, volumes. In its module, below kustomize/stage.
STAGE_PATTERNS = ("node/fast/node*.yaml", "node/heartbeat-with-lease/node*.yaml", "pod/fast/pod*.yaml", "volume/fast/pv*.yaml")


def default_jobs() -> int:
    return min(os.cpu_count() or 1, JOBS_MAX)


def own_go() -> Path:
    """Where the installer puts a Go when the machine has none that is new enough."""
    return cache_root().parent / "go" / "go" / "bin" / "go"


def go_environment(given: dict[str, str], go: Path) -> dict[str, str]:
    """The environment of the compiler: the caller's, with our flags after its own."""
    own = {"GOROOT": str(go.parents[1]), "GOTOOLCHAIN": "local"} if go == own_go() else {}
    return {**given, **own, "CGO_ENABLED": "0", "GOFLAGS": " ".join([given.get("GOFLAGS", ""), *GO_FLAGS]).strip()}


def compile_command(go: Path, made: Binary, jobs: int, output: Path) -> list[str]:
    """The command that makes ``output``, or for a module of its own (``go install``) a program in GOBIN."""
    flags = ["-p", str(jobs), "-ldflags", made.link_flags]
    if made.version:
        return [str(go), "install", *flags, f"{made.package}@{made.version}"]
    return [str(go), "build", *flags, "-o", str(output), made.package]


def go_version_of(told: str) -> tuple[int, int] | None:
    """(1, 26) of ``go1.26.8``; None when that is no version."""
    found = re.match(r"go(\d+)\.(\d+)", told.strip())
    return (int(found[1]), int(found[2])) if found else None


def find_go() -> Path:
    """A Go that is new enough: of PATH, or that of the installer. KubeToolError without one."""
    on_path = shutil.which("go")
    told = "none was found"
    candidates: list[Path] = [Path(on_path)] if on_path else []
    for go in (*candidates, own_go()):
        if not go.is_file():
            continue
        environment = go_environment(dict(os.environ), go)
        done = subprocess.run([go, "env", "GOVERSION"], cwd=GO_MODULE, capture_output=True, text=True, check=False, env=environment)
        version = go_version_of(done.stdout)
        if version is not None and version >= GO_MINIMUM:
            return go
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        told = f"{go} is {said[0]}" if said else f"{go} says nothing"
    wanted = ".".join(map(str, GO_MINIMUM))
    raise KubeToolError(f"Go {wanted} or newer is needed to compile Kubernetes ({told}): {INSTALLER} a")


def build(names: Sequence[str], jobs: int) -> Path:
    """Compile what is not compiled yet; the directory of the programs. KubeToolError names the one that failed, and its log.

    Of several processes one compiles and the others wait. What a killed one has finished stays, and the compiler's own cache
    keeps the packages of the program it was at.
    """
    place = version_directory()
    for directory in ("bin", "stamps", "logs"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    if not all(map(is_built, names)):
        with _alone(place / "lock"):
            go = find_go()
            for number, name in enumerate(names, 1):
                _build_one(go, name, jobs, f"[{number}/{len(names)}] {name}")
    return place / "bin"


def _build_one(go: Path, name: str, jobs: int, label: str) -> None:
    place = version_directory()
    if is_built(name):
        tell(f"{label}: already there")
        return
    expected = EXPECTED_SECONDS.get(name, 0)
    tell(f"{label}: compiling (about {_duration(expected)} on two busy cores when nothing is cached)")
    made = binary(name)
    new = place / "bin" / f"{name}.new"
    began = time.monotonic()
    environment = {**go_environment(dict(os.environ), go), "GOBIN": str(place / "gobin")}
    _follow(compile_command(go, made, jobs, new), environment, place / "logs" / f"{name}.log", label)
    if made.version:
        (place / "gobin" / name).replace(new)
    (place / "stamps" / name).unlink(missing_ok=True)  # that of an older program must never lie beside this one
    if name == "kwok":
        (place / "bin" / KWOK_STAGES).write_text(_kwok_stages(go, f"sigs.k8s.io/kwok@{made.version}"))
    new.replace(place / "bin" / name)
    (place / "stamps" / name).write_text(f"{stamp_of(made)}\n")
    tell(f"{label}: compiled in {_duration(time.monotonic() - began)}")


def _follow(command: list[str], environment: dict[str, str], log_path: Path, label: str) -> None:
    """Run the compiler to its end, and tell every PROGRESS_SECONDS that it goes on."""
    began = time.monotonic()
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=GO_MODULE, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            while (code := _wait(process, PROGRESS_SECONDS)) is None:
                tell(f"{label}: compiling for {_duration(time.monotonic() - began)}")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code:
        raise KubeToolError(f"{label} did not compile: {first_complaint(log_path.read_text(errors='replace'))}; see {log_path}")


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def first_complaint(log: str) -> str:
    """The line of the compiler's output that says most: the first that neither tells of a download nor names a package."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("#", "go: downloading", "go: finding"))]
    return (telling or lines or ["it said nothing"])[0]


def _kwok_stages(go: Path, module: str) -> str:
    """The stage files of a kwok module as one stream of YAML documents. The binary alone plays nothing."""
    downloaded = json.loads(run(go, "mod", "download", "-json", module, cwd=GO_MODULE))
    return join_stages(Path(downloaded["Dir"]) / "kustomize" / "stage")


def join_stages(directory: Path) -> str:
    """KubeToolError when a kind of stage is missing: the layout of kwok's module has changed."""
    parts: list[str] = []
    for pattern in STAGE_PATTERNS:
        paths = sorted(directory.glob(pattern))
        if not paths:
            raise KubeToolError(f"kwok's module has no {pattern} below {directory}")
        parts += [f"---\n{path.read_text().rstrip()}\n" for path in paths]
    return "".join(parts)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; the kernel frees it when the process ends, however it ends."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            tell("another process compiles: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def tell(line: str) -> None:
    """Progress goes to standard error, so that standard output is the result alone."""
    print(line, file=sys.stderr, flush=True)
