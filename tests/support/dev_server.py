"""A whole store for tests: ``dolmen dev`` in a process of its own, on free ports, in a directory of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import boto3
from botocore.config import Config
from cassandra_home import cassandra_keyspace
from s3_results import watch_client

METADATA = "DOLMEN_TEST_METADATA"  # "cassandra": every store of the tests has its metadata in a keyspace of its own
START_SECONDS = 60.0  # a loaded machine; a quiet one needs two or three
STOP_SECONDS = 40.0
POLL_SECONDS = 0.05
REGION = "us-east-1"
DOMAIN = "s3.dolmen.test"  # of the shared store: BUCKET.s3.dolmen.test beside /BUCKET; nobody resolves it
ROOT = ("AKIDOLMENROOT0000000", "root-secret-access-key-of-the-tests")
ALICE = ("AKIDOLMENALICE000000", "alice-secret-access-key-of-the-tests")
BOB = ("AKIDOLMENBOB00000000", "bob-secret-access-key-of-the-tests")
ACCOUNTS = f"""
[[account]]
id = "111111111111"
canonical_id = "{"a" * 64}"
display_name = "alice"
email = "alice@example.com"
[[account.key]]
access_key_id = "{ALICE[0]}"
secret_access_key = "{ALICE[1]}"

[[account]]
id = "222222222222"
canonical_id = "{"b" * 64}"
display_name = "bob"
email = "bob@example.com"
tenant = "acme"
[[account.key]]
access_key_id = "{BOB[0]}"
secret_access_key = "{BOB[1]}"
"""


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DevServer:
    """``dolmen dev`` on one directory; it may be stopped, killed and started again."""

    def __init__(
        self,
        directory: Path,
        *,
        workers: int = 1,
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = free_port()
        self.admin_port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self._keyspaces = cassandra_keyspace() if os.environ.get(METADATA) == "cassandra" else None
        self.metadata = f"embedded:{self.data}/metadata/metadata.sqlite"
        if self._keyspaces is not None:
            self.metadata = self._keyspaces.url
            options = (*options, "--metadata", self.metadata)
        self._workers = workers
        self._options = options
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "accounts.toml").write_text(ACCOUNTS)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        if self._keyspaces is not None:
            self._keyspaces.drop()

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "dolmen.cli", "dev", str(self.data)),
            *("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}"),
            *("--workers", str(self._workers), "--accounts", str(self.directory / "accounts.toml")),
            *self._options,
        ]

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until S3 requests succeed."""
        if self._process is not None:
            self._process.wait(STOP_SECONDS)  # it was stopped or killed before
        environment = {
            **os.environ,
            "DOLMEN_ROOT_ACCESS_KEY_ID": ROOT[0],
            "DOLMEN_ROOT_SECRET_ACCESS_KEY": ROOT[1],
            **self._environment,
        }
        with (self.directory / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"dolmen dev ended with {self._process.returncode}:\n{self.output()}")
            if self.get("/readyz")[0] == 200:
                return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"dolmen dev is not ready ({self.get('/readyz')[1]!r}):\n{self.output()}")

    def get(self, path: str) -> tuple[int, bytes]:
        """A page of the admin address; (0, reason) when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.admin}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def status(self) -> dict[str, object]:
        """``/v1/status``."""
        code, body = self.get("/v1/status")
        assert code == 200, body
        found: dict[str, object] = json.loads(body)
        return found

    def output(self) -> str:
        return (self.directory / "output.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def kill(self) -> None:
        """SIGKILL the supervisor; its children die with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self, keys: tuple[str, str] = ROOT, **config: object):
        """A boto3 client with default settings; retries are off, so that tests see what the server says."""
        settings = {"retries": {"total_max_attempts": 1, "mode": "standard"}, "max_pool_connections": 64, **config}
        made = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            config=Config(**settings),
        )
        return watch_client(made)
