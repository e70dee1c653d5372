#!/usr/bin/env python3
"""Install the S3 clients that tests/clients runs: each Python one in an environment of its own, the Go ones from Debian.

Usage: ``scripts/install_clients.py [--cache DIRECTORY] [CLIENT...]``; without names, all of them.

The clients' pins contradict each other (several generations of botocore), hence one environment for each file of
tests/clients/requirements: ``.cache/clients/NAME-HASH``, the hash over the pins and the Python, kept between runs.
What cannot be had is told in one line each; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "tests" / "clients" / "requirements"
CACHE = ROOT / ".cache" / "clients"
# Programs in Go that PyPI does not have. restic is at once a client of the store and a user of minio-go.
DEBIAN_PACKAGES = ("rclone", "restic")
# pip spends most of its time on the processor and on writing files; more at once than cores gains nothing.
INSTALLS_AT_ONCE = max(2, os.cpu_count() or 2)


class InstallError(Exception):
    """A client cannot be had; the text is one line that says what to do."""


def python_clients() -> list[str]:
    """Names of the clients with an environment of their own."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def environment_of(client: str, cache: Path = CACHE) -> Path:
    """Where the environment of ``client`` is, or would be."""
    pins = (REQUIREMENTS / f"{client}.txt").read_bytes()
    digest = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]
    return cache / f"{client}-{digest}"


def is_complete(environment: Path) -> bool:
    return (environment / ".complete").exists()


def _quietly(command: list[str], failure: str, **environment: str) -> None:
    """Run it; InstallError with ``failure`` and the last line it printed."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise InstallError(f"{failure}: {error}") from error
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()[-1]
        raise InstallError(f"{failure}: {told}")


def install_python_client(client: str, cache: Path) -> None:
    """Make the environment of ``client`` unless it is there; older ones of the same client go."""
    environment = environment_of(client, cache)
    if is_complete(environment):
        return
    for old in cache.glob(f"{client}-{'?' * 12}"):
        shutil.rmtree(old)
    # Without pip inside: ours installs into it, which saves the seconds that ensurepip takes.
    _quietly([sys.executable, "-m", "venv", "--without-pip", str(environment)], f"{client}: no virtual environment")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(environment / "bin" / "python")]
    # Modules are compiled when first used: most of botocore's neighbours never are.
    install = [*pip, "install", "--quiet", "--no-compile", "--no-deps", "-r", str(REQUIREMENTS / f"{client}.txt")]
    _quietly(install, f"{client}: pip could not install it")
    (environment / ".complete").touch()


def install_debian_packages(wanted: tuple[str, ...]) -> None:
    """By apt-get, when something is missing and this is root."""
    missing = [name for name in wanted if shutil.which(name) is None]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise InstallError(f"{names}: not installed; run: sudo apt-get install {names}")
    update = ["apt-get", "update", "-qq"]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    _quietly(update, f"{names}: apt-get update failed", DEBIAN_FRONTEND="noninteractive")
    _quietly(install, f"{names}: apt-get could not install them", DEBIAN_FRONTEND="noninteractive")


def install(wanted: list[str], cache: Path) -> list[str]:
    """Install these clients; returns a line for each that cannot be had."""
    cache.mkdir(parents=True, exist_ok=True)
    debian = tuple(name for name in wanted if name in DEBIAN_PACKAGES)
    python = [name for name in wanted if name not in DEBIAN_PACKAGES]
    # One installation at a time: two `make test` of one checkout share the cache.
    with (cache / ".lock").open("w") as lock, concurrent.futures.ThreadPoolExecutor(INSTALLS_AT_ONCE) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs = [pool.submit(install_debian_packages, debian)]
        jobs += [pool.submit(install_python_client, name, cache) for name in python]
        errors = [job.exception() for job in jobs]
    for error in errors:
        if error is not None and not isinstance(error, InstallError):
            raise error
    return [str(error) for error in errors if error is not None]


def main() -> int:
    known = [*python_clients(), *DEBIAN_PACKAGES]
    parser = argparse.ArgumentParser(description="Install the S3 clients that tests/clients runs.")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the environments are (default: .cache/clients)")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=f"one of {', '.join(known)}; default: all")
    options = parser.parse_args()
    unknown = sorted(set(options.clients) - set(known))
    if unknown:
        parser.error(f"unknown client {unknown[0]}; known: {', '.join(known)}")
    failures = install(options.clients or known, options.cache)
    for line in failures:
        print(f"install_clients: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
