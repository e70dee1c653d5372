"""Compiles the two C programs of the bench into .cache/bench/, once for each content of their sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
REPOSITORY = HERE.parents[1]
CACHE = REPOSITORY / ".cache" / "bench"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")
APT = "apt-get install gcc libc6-dev"


class NoCompiler(Exception):
    """There is no C compiler, and none could be installed. One line."""


def compiled(name: str, *, cache: Path = CACHE) -> Path:
    """The program made from ``name``.c; compiled when this source was not compiled before. Raises ``NoCompiler``."""
    source = HERE / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    program = cache / f"{name}-{digest}"
    if program.exists():
        return program
    compiler = find_compiler()
    cache.mkdir(parents=True, exist_ok=True)
    scratch = cache / f".{name}-{digest}.{os.getpid()}"
    built = subprocess.run([compiler, *FLAGS, str(source), "-o", str(scratch)], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        scratch.unlink(missing_ok=True)
        raise NoCompiler(f"{compiler} cannot compile {source.name}: {built.stderr.strip()}")
    scratch.replace(program)  # another run may do the same at the same time
    return program


def find_compiler() -> str:
    """``cc`` or ``gcc``; as root on Debian it is installed when missing. Raises ``NoCompiler``."""
    found = shutil.which("cc") or shutil.which("gcc")
    if found is not None:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"bench: no C compiler; running {APT}", file=sys.stderr)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update -qq", "apt-get install -y -qq --no-install-recommends gcc libc6-dev"):
            subprocess.run(command.split(), env=environment, stdout=sys.stderr, check=False)
        found = shutil.which("cc") or shutil.which("gcc")
        if found is not None:
            return found
    raise NoCompiler(f"no C compiler for the load generator; run: sudo {APT}")
