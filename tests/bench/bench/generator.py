"""Runs load.c on a plan and reads its line of JSON."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.build import compiled
from bench.plan import Request, read_capture, write_plan

SECONDS_MAX = 1800.0  # of one run: far above any row; a hung server does not hang the bench


class GeneratorFailed(Exception):
    """load.c could not run; one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of the generator. ``requests`` counts successes; latencies are those of successes, in nanoseconds."""

    requests: int
    errors: dict[str, int]  # by HTTP status, or: connect closed timeout length early protocol
    seconds: float
    bytes_out: int
    bytes_in: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int
    mean_ns: float
    first_byte_p50_ns: int
    cpu_seconds: float  # of the generator itself
    reconnects: int
    rounds: float  # how often the plan was gone through
    first_error: str

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())

    @property
    def rate(self) -> float:
        """Successful requests per second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Generator:
    """The load generator pointed at one server."""

    port: int
    host: str = "127.0.0.1"
    pin_cpu: int | None = None

    def run(
        self,
        requests: Iterable[Request],
        *,
        connections: int,
        seconds: float | None = None,
        count: int | None = None,
    ) -> Outcome:
        """Replay the requests. Raises ``GeneratorFailed``."""
        with tempfile.TemporaryDirectory(prefix="dolmen-bench-") as scratch:
            return self._run(Path(scratch), requests, connections, seconds, count)[0]

    def run_once_captured(
        self, requests: Iterable[Request], *, connections: int
    ) -> tuple[Outcome, dict[int, tuple[int, bytes]]]:
        """Replay each request once and return the responses too: index -> (status, head and body)."""
        with tempfile.TemporaryDirectory(prefix="dolmen-bench-") as scratch:
            capture = Path(scratch) / "capture"
            outcome, _ = self._run(Path(scratch), requests, connections, None, None, "--capture", str(capture))
            return outcome, read_capture(capture)

    def _run(
        self,
        scratch: Path,
        requests: Iterable[Request],
        connections: int,
        seconds: float | None,
        count: int | None,
        *extra: str,
    ) -> tuple[Outcome, int]:
        plan = scratch / "plan"
        planned = write_plan(plan, requests)
        command = [str(compiled("load")), "--host", self.host, "--port", str(self.port), "--plan", str(plan)]
        command += ["--connections", str(connections), *extra]
        if seconds is not None:
            command += ["--seconds", f"{seconds:.3f}"]
        if count is not None:
            command += ["--count", str(count)]
        if self.pin_cpu is not None:
            command += ["--pin", str(self.pin_cpu)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            raise GeneratorFailed(f"no end after {SECONDS_MAX:.0f} s") from error
        if done.returncode != 0:
            raise GeneratorFailed(done.stderr.strip() or f"load ended with {done.returncode}")
        return Outcome(**json.loads(done.stdout)), planned
