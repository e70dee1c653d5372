"""Which programs a cluster is made of, and where they are: KUBEBUILDER_ASSETS, or compiled in a cache outside of the checkout."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kube_errors import KubeToolError, WrongUse

GO_MODULE = Path(__file__).resolve().parent / "go"
CACHE_VARIABLE = "DOLMEN_KUBERNETES_CACHE"
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"  # envtest's convention: a directory with ready programs
KWOK_VERSION = "v0.8.0"
HELM_VERSION = "v4.3.1"
KWOK_STAGES = "kwok-stages.yaml"  # beside kwok: what it plays
GO_FLAGS = ("-trimpath", "-buildvcs=false")  # the same bytes from every checkout
STAMP_LENGTH = 16  # hexadecimal digits: 64 bits tell the few builds of one cache apart

_CONTROL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_NODES = (*_CONTROL, "kubelet", "kube-proxy", "pause")
LEVELS: dict[str, tuple[str, ...]] = {
    "a": _CONTROL,
    "fake": ("kwok",),
    "helm": ("helm",),
    "c": _NODES,
    "all": (*_NODES, "kwok", "helm"),
}
_COMPANIONS = ("kwok", "helm", "pause")  # nobody's KUBEBUILDER_ASSETS has them: taken from the cache then
_OTHER_FILES = {"kwok": (KWOK_STAGES,)}


@dataclass(frozen=True)
class Binary:
    """One program: the Go package it is made of; ``version`` when that is a module of its own, not one of ``go/go.mod``."""

    name: str
    package: str
    version: str = ""
    link_flags: str = ""


def module_version(module: str) -> str:
    """The version that ``go/go.mod`` requires of a module, such as v1.37.1."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", (GO_MODULE / "go.mod").read_text(), flags=re.MULTILINE)
    if found is None:
        raise KubeToolError(f"{GO_MODULE / 'go.mod'} requires no {module}")
    return found[1]


@functools.cache
def kubernetes_version() -> str:
    return module_version("k8s.io/kubernetes")


def link_flags(version: str) -> str:
    """The linker's flags: without symbols, and stamped, as the server would call itself v0.0.0-master otherwise."""
    stamps = {
        "gitVersion": version,
        "gitMajor": version.removeprefix("v").split(".")[0],
        "gitMinor": version.split(".")[1],
        "gitTreeState": "clean",
        "gitCommit": "module",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items())])


def binary(name: str) -> Binary:
    """How a program is made; WrongUse when there is none of this name."""
    ours = link_flags(kubernetes_version())
    if name == "etcd":
        return Binary(name, "go.etcd.io/etcd/server/v3", link_flags=ours)
    if name == "pause":
        return Binary(name, "./pause", link_flags=ours)
    if name == "kwok":
        return Binary(name, "sigs.k8s.io/kwok/cmd/kwok", KWOK_VERSION, "-s -w")
    if name == "helm":
        stamp = f"-X helm.sh/helm/v4/internal/version.version={HELM_VERSION}"
        return Binary(name, "helm.sh/helm/v4/cmd/helm", HELM_VERSION, f"-s -w {stamp}")
    if name in LEVELS["all"]:
        return Binary(name, f"k8s.io/kubernetes/cmd/{name}", link_flags=ours)
    raise WrongUse(f"there is no program {name}: {', '.join(LEVELS['all'])}, or a level: {', '.join(LEVELS)}")


def names_of(words: Iterable[str]) -> list[str]:
    """Levels and names of programs as names, each once, in the order of their making. WrongUse for an unknown word."""
    wanted: set[str] = set()
    for word in words:
        wanted.update(LEVELS.get(word) or (binary(word).name,))
    return [name for name in LEVELS["all"] if name in wanted]


def cache_root() -> Path:
    """``DOLMEN_KUBERNETES_CACHE``, or a place in the user's cache."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "dolmen" / "kube"


def version_directory() -> Path:
    """Of everything that is compiled for this version of Kubernetes: ``bin``, ``stamps``, ``logs``."""
    return cache_root() / kubernetes_version()


def stamp_of(made: Binary) -> str:
    """A hash of what a program is made from: its modules, its package and the flags of the build."""
    digest = hashlib.sha256()
    for part in (made.package, made.version, made.link_flags, *GO_FLAGS, platform.machine()):
        digest.update(f"{part}\0".encode())
    sources = [] if made.version else [GO_MODULE / "go.mod", GO_MODULE / "go.sum"]
    if made.package.startswith("./"):
        sources += sorted((GO_MODULE / made.package).glob("*.go"))
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:STAMP_LENGTH]


def is_built(name: str) -> bool:
    """Whether the cache has this program as it would be made today. The stamp is written last, so what has one is whole."""
    place = version_directory()
    try:
        stamped = (place / "stamps" / name).read_text().strip()
    except FileNotFoundError:
        return False
    files = (name, *_OTHER_FILES.get(name, ()))
    return stamped == stamp_of(binary(name)) and all((place / "bin" / file).is_file() for file in files)


def asset(name: str) -> Path | None:
    """The program in KUBEBUILDER_ASSETS; None when that is not set or has none of this name."""
    assets = os.environ.get(ASSETS_VARIABLE)
    return Path(assets).absolute() / name if assets and (Path(assets) / name).is_file() else None


def find_binaries(names: Iterable[str]) -> dict[str, Path]:
    """Name to path of each program; KubeToolError names all that are missing, and what makes them."""
    assets = os.environ.get(ASSETS_VARIABLE)
    found: dict[str, Path] = {}
    missing = []
    for name in names:
        if given := asset(name):
            found[name] = given
        elif (not assets or name in _COMPANIONS) and is_built(name):
            found[name] = version_directory() / "bin" / name
        else:
            missing.append(name)
    if missing and assets:
        lacking = [name for name in missing if name not in _COMPANIONS]
        if lacking:
            raise KubeToolError(f"{ASSETS_VARIABLE} names {assets}, which has no {', '.join(lacking)}: complete or unset it")
    if missing:
        raise KubeToolError(f"not compiled yet: {', '.join(missing)}; python3 scripts/kubernetes build {' '.join(missing)}")
    return found
