"""The lowest layer of images: a Debian root with the packages that are asked for, from the mirror that this machine's apt uses."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kube_errors import CommandFailed, KubeToolError, WrongUse

SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian policy 5.6.7


def codename(os_release: str) -> str:
    """VERSION_CODENAME of /etc/os-release; KubeToolError where there is none."""
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)\"?$", os_release, flags=re.MULTILINE)
    if found is None:
        raise KubeToolError("the base image is made on Debian: /etc/os-release names no VERSION_CODENAME")
    return found[1]


def base_command(packages: Sequence[str], suite: str, sources: Path, output: Path) -> list[str]:
    """The command line of mmdebstrap; WrongUse for what is no name of a package."""
    wrong = [name for name in packages if not _PACKAGE.fullmatch(name)]
    if wrong:
        raise WrongUse(f"no names of packages: {', '.join(wrong)}")
    return [
        *("mmdebstrap", "--quiet", "--format=tar", "--variant=minbase", f"--include={','.join(packages)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        *(suite, str(output), str(sources)),
    ]


def make_base(output: Path, packages: Sequence[str]) -> None:
    """Write the layer (about a minute); it appears whole. KubeToolError when mmdebstrap is missing or fails."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.partial")
    sources = next((path for path in SOURCES if path.is_file()), None)
    if sources is None:
        raise KubeToolError(f"the base image is made on Debian: there is no {' or '.join(map(str, SOURCES))}")
    command = base_command(packages, codename(Path("/etc/os-release").read_text()), sources, partial)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0"}  # the same bytes from the same packages
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise KubeToolError("mmdebstrap is not installed: scripts/install_kubernetes_tools.sh c") from error
    if done.returncode:
        partial.unlink(missing_ok=True)
        raise CommandFailed("mmdebstrap", done.returncode, done.stdout, done.stderr)
    partial.replace(output)
