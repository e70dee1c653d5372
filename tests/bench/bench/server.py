"""Starts ``dolmen dev`` on a directory and stops it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.control import Endpoint
from bench.metadata import NOT_COUNTED, Counts, Metadata, counts_now

READY_SECONDS = 120.0
STOP_SECONDS = 60.0  # open requests and group commits are finished first
ACCESS_KEY_ID = "DOLMENBENCH000000000"
SECRET_ACCESS_KEY = "bench-secret-of-a-server-on-loopback-only"
ENV_KEYS = ("DOLMEN_ROOT_ACCESS_KEY_ID", "DOLMEN_ROOT_SECRET_ACCESS_KEY")


class ServerFailed(Exception):
    """It did not start, or did not stay; one line."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. ``pid`` 0: not known, so CPU and memory are not measured."""

    endpoint: Endpoint
    pid: int
    data_dir: Path | None
    process: subprocess.Popen[bytes] | None = None  # None: not started here
    admin: str | None = None  # URL of its admin address
    metadata: Metadata | None = None  # None: embedded, or not known

    def check(self) -> None:
        """Raises ``ServerFailed`` when it ended."""
        if self.process is not None and self.process.poll() is not None:
            raise ServerFailed(f"dolmen dev ended with {self.process.returncode}")

    def counts(self) -> Counts:
        """Of the metadata cluster so far; nothing when there is none."""
        return NOT_COUNTED if self.metadata is None else counts_now(self.admin, self.metadata.node_pids)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def keys_of_environment() -> tuple[str, str]:
    """The root keys that are set, or those of the bench."""
    return os.environ.get(ENV_KEYS[0]) or ACCESS_KEY_ID, os.environ.get(ENV_KEYS[1]) or SECRET_ACCESS_KEY


@contextmanager
def dolmen_dev(
    data_dir: Path, workers: int, extra: tuple[str, ...] = (), cpus: str | None = None, metadata: Metadata | None = None
) -> Iterator[Server]:
    """A server of its own on free ports. Raises ``ServerFailed``."""
    program = Path(sys.executable).parent / "dolmen"
    if not program.exists():
        raise ServerFailed(f"{program} is missing: run `make install`")
    port, admin_port = free_port(), free_port()
    keys = keys_of_environment()
    data_dir.mkdir(parents=True, exist_ok=True)
    command = [str(program), "dev", str(data_dir), "--listen", f"127.0.0.1:{port}"]
    command += ["--admin-listen", f"127.0.0.1:{admin_port}", "--workers", str(workers)]
    if metadata is not None:
        command += ["--metadata", metadata.url]
    command += extra
    if cpus is not None:
        command = ["taskset", "--cpu-list", cpus, *command]
    log_path = data_dir / "bench-server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **dict(zip(ENV_KEYS, keys, strict=True))},
            start_new_session=True,  # Ctrl-C reaches the bench alone, which stops the server
        )
    try:
        _wait_ready(process, admin_port, log_path)
        admin = f"http://127.0.0.1:{admin_port}"
        yield Server(Endpoint("127.0.0.1", port, *keys), process.pid, data_dir, process, admin, metadata)
    finally:
        stop(process)


def _wait_ready(process: subprocess.Popen[bytes], admin_port: int, log_path: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    last = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"dolmen dev ended with {process.returncode}: {_last_line(log_path)}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError) as error:
            last = str(error)
        time.sleep(0.1)
    raise ServerFailed(f"dolmen dev is not ready after {READY_SECONDS:.0f} s ({last}); its last line: {_last_line(log_path)}")


def _last_line(log_path: Path) -> str:
    return (log_path.read_text(errors="replace").strip().splitlines() or ["nothing was printed"])[-1]


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and what does not go then is killed with all it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print("bench: the server did not stop; it is killed", file=sys.stderr)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
