"""OCI images as tarballs, made from directories and tar files, with neither a registry nor a container engine.

The layout is that of https://github.com/opencontainers/image-spec (image-layout.md) in one tar file, as ``ctr images import`` and
``docker load`` take it. The same files give the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube_errors import KubeToolError, WrongUse
from kube_node_plan import PAUSE_IMAGE

LAYERS_MAX = 64  # overlayfs stacks 500 at most, and nobody has that many
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MEDIA = "application/vnd.oci.image"
_LEFT_OUT = "__pycache__"  # it holds times and paths of this machine


@dataclass(frozen=True)
class Layer:
    """A tar file (suffix ``.tar``) taken as it is, or a file or directory that is put at ``target`` in the image."""

    source: Path
    target: str = "/"


@dataclass(frozen=True)
class ImageSettings:
    """How a container of the image starts unless its pod says otherwise."""

    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "0"
    working_directory: str = "/"


def architecture(machine: str) -> str:
    """As images name it; KubeToolError for a machine that no image of ours is for."""
    if machine not in _ARCHITECTURES:
        raise KubeToolError(f"images are made on {', '.join(_ARCHITECTURES)}, not on {machine}")
    return _ARCHITECTURES[machine]


def parse_layer(word: str) -> Layer:
    """SOURCE[:TARGET] of the command line; WrongUse when the source is not there."""
    source, _, target = word.partition(":")
    if not source or not Path(source).exists():  # an empty path is the current directory
        raise WrongUse(f"there is no {source or 'source'} for a layer (SOURCE[:TARGET])")
    return Layer(Path(source), target or "/")


def parse_environment(words: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words; WrongUse for one without a name or an equals sign."""
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise WrongUse("an environment variable is NAME=VALUE")
    return {name: value for name, _, value in pairs}


def image_configuration(settings: ImageSettings, digests: Sequence[str], machine: str) -> dict[str, Any]:
    """The image's config blob. ``digests``: of the uncompressed layers, lowest first."""
    variables = {"PATH": SEARCH_PATH, **settings.environment}
    return {
        "architecture": architecture(machine),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": list(digests)},
        "config": {
            "Entrypoint": list(settings.entrypoint),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "User": settings.user,
            "WorkingDir": settings.working_directory,
        },
    }


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine: no owner and no time."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.pax_headers = {}
    return info


def write_layer(layer: Layer, output: Path) -> None:
    """A file or directory as a tar file, in the order of names."""
    at = layer.target.strip("/")
    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as tar:
        if layer.source.is_file():
            tar.add(layer.source.resolve(), at or layer.source.name, filter=_plain)
            return
        for path in sorted(layer.source.rglob("*")):
            inside = path.relative_to(layer.source)
            if _LEFT_OUT not in inside.parts:
                tar.add(path, f"{at}/{inside}".lstrip("/"), recursive=False, filter=_plain)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


class _Layout:
    """An image layout that is being written into a tar file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._written: set[str] = set()

    def member(self, path: str, data: bytes) -> None:
        info = tarfile.TarInfo(path)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def json_blob(self, value: dict[str, Any], kind: str) -> dict[str, Any]:
        """Write a blob; its descriptor."""
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.member(f"blobs/sha256/{digest}", data)
        return {"mediaType": f"{_MEDIA}.{kind}+json", "digest": f"sha256:{digest}", "size": len(data)}

    def layer_blob(self, path: Path) -> dict[str, Any]:
        """Copy an uncompressed layer, once if two are the same; its descriptor."""
        digest, size = _sha256(path), path.stat().st_size
        if digest not in self._written:
            self._written.add(digest)
            info = tarfile.TarInfo(f"blobs/{digest.replace(':', '/')}")
            info.size = size
            with path.open("rb") as file:
                self._tar.addfile(info, file)
        return {"mediaType": f"{_MEDIA}.layer.v1.tar", "digest": digest, "size": size}


def build_image(
    output: Path, name: str, layers: Sequence[Layer], settings: ImageSettings, *, machine: str = platform.machine()
) -> None:
    """Write an image layout as one tar file, which appears whole. WrongUse without layers, or with too many."""
    if not 1 <= len(layers) <= LAYERS_MAX:
        raise WrongUse(f"an image has 1 to {LAYERS_MAX} layers, not {len(layers)}")
    partial = output.with_name(f"{output.name}.partial")
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch, tarfile.open(partial, "w") as tar:
        layout = _Layout(tar)
        described = []
        for number, layer in enumerate(layers):
            path = layer.source
            if not (path.is_file() and path.suffix == ".tar"):
                path = Path(scratch) / f"{number}.tar"
                write_layer(layer, path)
            described.append(layout.layer_blob(path))
        config = image_configuration(settings, [one["digest"] for one in described], machine)
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": layout.json_blob(config, "config.v1"),
            "layers": described,
        }
        named = layout.json_blob(manifest, "manifest.v1") | {"annotations": {"io.containerd.image.name": name}}
        layout.member("index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        layout.member("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    partial.replace(output)


def pause_image(program: Path, output: Path) -> Path:
    """The image whose one process holds a pod's namespaces open."""
    build_image(output, PAUSE_IMAGE, [Layer(program, "/pause")], ImageSettings(entrypoint=("/pause",)))
    return output
