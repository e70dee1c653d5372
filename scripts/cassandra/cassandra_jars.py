"""The server's jars and the Java that runs them: fetched once from Maven's repository into a cache outside of the checkout."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cassandra_errors import CassandraToolError

VERSION = "5.0.8"
DEBIAN_JAVAS = "usr/lib/jvm/java-17-openjdk-*/bin/java"  # below /
INSTALLER = "scripts/install_cassandra_tools.sh"
FETCH_TRIES = 2  # a connection that broke once; what fails twice is told
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"  # pinned: Maven's default differs by version
_PARTIAL_PREFIX = ".partial-"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>dolmen.test</groupId><artifactId>cassandra-runtime</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>"""


def default_cache() -> Path:
    """Where the jars are kept: ``DOLMEN_CASSANDRA_CACHE``, or a directory of this version in the user's cache."""
    if given := os.environ.get("DOLMEN_CASSANDRA_CACHE"):
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "dolmen" / f"cassandra-{VERSION}"


def is_fetched(cache: Path) -> bool:
    """Whether ``cache``/lib is there: it is renamed into place, so it is whole."""
    return (cache / "lib" / f"cassandra-all-{VERSION}.jar").is_file()


def fetch(cache: Path) -> bool:
    """Put the server's jars (100 files, 67 MiB) into ``cache``/lib; False when they were there.

    Of several processes one fetches and the others wait for it. CassandraToolError without Maven, or when it fails.
    """
    if is_fetched(cache):
        return False
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock"):
        if is_fetched(cache):
            return False
        for left in cache.glob(f"{_PARTIAL_PREFIX}*"):  # of a fetch that was killed: whoever has the lock is alone
            shutil.rmtree(left)
        if shutil.which("mvn") is None:
            raise CassandraToolError(f"Maven is needed to fetch Cassandra (Debian: maven); {INSTALLER} installs it")
        with tempfile.TemporaryDirectory(prefix=_PARTIAL_PREFIX, dir=cache) as work:
            part = _copy_dependencies(Path(work))
            shutil.rmtree(cache / "lib", ignore_errors=True)  # of another version, in a cache that the user named
            part.rename(cache / "lib")
    return True


def _copy_dependencies(work: Path) -> Path:
    """Let Maven copy the jars into a new directory below ``work``, which it returns."""
    pom, part = work / "pom.xml", work / "lib"
    pom.write_text(_POM)
    goal = [_PLUGIN, "-DincludeScope=runtime", f"-DoutputDirectory={part}", "-f", str(pom)]
    # Strict: a jar whose checksum is not the repository's is an error, not a warning.
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "--strict-checksums", *goal]
    told = ""
    for _ in range(FETCH_TRIES):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0 and (part / f"cassandra-all-{VERSION}.jar").is_file():
            return part
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        told = lines[0] if lines else f"exit {done.returncode}"
    raise CassandraToolError(f"Maven could not fetch Cassandra {VERSION}: {told}")


@functools.cache
def find_java() -> str:
    """The ``java`` of a version 17 runtime: DOLMEN_JAVA_HOME, JAVA_HOME, PATH, Debian's place. CassandraToolError without one."""
    homes = [Path(os.environ[name]) for name in ("DOLMEN_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    on_path = shutil.which("java")
    candidates = [home / "bin" / "java" for home in homes] + ([Path(on_path)] if on_path else [])
    candidates += sorted(Path("/").glob(DEBIAN_JAVAS))
    for candidate in candidates:
        if candidate.is_file():
            said = subprocess.run([candidate, "-version"], capture_output=True, text=True, check=False).stderr
            if re.search(r'version "17\b', said):
                return str(candidate)
    raise CassandraToolError(
        f"Cassandra needs Java 17 (Debian: openjdk-17-jre-headless); {INSTALLER} installs it, DOLMEN_JAVA_HOME names another"
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` alone; the kernel frees it when the process ends, however it ends."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
