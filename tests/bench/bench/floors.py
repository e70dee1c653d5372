"""What this machine can do at all, measured in the same run: no store is quicker than these."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.build import HERE, compiled
from bench.generator import Generator, GeneratorFailed
from bench.plan import Request, pattern
from bench.processes import machine_busy_seconds, usage
from bench.server import free_port

APPEND_BYTES = 4096
GROUP = 64
MD5_BYTES = 1 << 20
STREAM_BYTES = 10 << 20
HELLO_CLIENTS = 16
START_SECONDS = 20.0
SLICES = 5  # of which the best counts for MD5 and the disk: what the machine can do, not what others left of it
GET_HELLO = Request(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", expected_bytes=5)

# Names are stable: --compare and the goals look floors up by them. Units are part of the name.
MD5 = "md5_gb_per_second"
APPEND = "append_4k_fdatasync_per_second"
APPEND_GROUP = "append_4k_groups_of_64_records_per_second"
HELLO_RATE = "uvicorn_hello_per_second"
HELLO_CPU = "uvicorn_hello_cpu_ms"
STREAM = "loopback_stream_mb_per_second"
GENERATOR_RATE = "generator_ceiling_per_second"
OTHERS = "other_programs_cores"


def measure_floors(folder: Path, seconds: float, pin_cpu: int | None, progress: Callable[[str], None]) -> dict[str, float]:
    """All floors by name; ``folder`` is on the disk that the server will use."""
    progress("floors: what else runs")
    found = {OTHERS: other_programs(min(1.0, seconds))}
    progress("floors: MD5")
    found[MD5] = max(md5_speed(seconds / SLICES) for _ in range(SLICES))
    progress("floors: append and fdatasync")
    with tempfile.TemporaryDirectory(dir=folder, prefix="floor-") as scratch:
        for name, group in ((APPEND, 1), (APPEND_GROUP, GROUP)):
            found[name] = max(append_rate(Path(scratch) / name, group, seconds / SLICES) for _ in range(SLICES))
    progress("floors: uvicorn hello")
    found[HELLO_RATE], found[HELLO_CPU] = uvicorn_hello(seconds, pin_cpu)
    progress("floors: loopback and load generator")
    found[GENERATOR_RATE], found[STREAM] = loopback(seconds, pin_cpu)
    return found


def other_programs(seconds: float) -> float:
    """Cores that are busy while the bench only waits."""
    busy, begin = machine_busy_seconds(), time.monotonic()
    time.sleep(seconds)
    return (machine_busy_seconds() - busy) / (time.monotonic() - begin)


def md5_speed(seconds: float) -> float:
    """GB for each second of CPU time, in blocks of 1 MiB: other load on the machine does not count."""
    data, done = pattern()[:MD5_BYTES], 0
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        hashlib.md5(data)
        done += 1
    return done * MD5_BYTES / (time.process_time() - begin) / 1e9


def append_rate(path: Path, group: int, seconds: float) -> float:
    """Records per second: append ``group`` records of 4 KiB in one write, fdatasync, again."""
    data, done = pattern()[: APPEND_BYTES * group], 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            os.write(descriptor, data)
            os.fdatasync(descriptor)
            done += group
        return done / (time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        path.unlink()


def uvicorn_hello(seconds: float, pin_cpu: int | None) -> tuple[float, float]:
    """Requests per second of one raw uvicorn process, and its CPU for each in milliseconds."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.hello:app", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--lifespan", "off", "--no-access-log", "--log-level", "warning"]
    with _running(command) as process:
        generator = Generator(port, pin_cpu=pin_cpu)
        _wait_listening(generator)
        before = usage(process.pid)[process.pid].cpu_seconds
        outcome = generator.run([GET_HELLO], connections=HELLO_CLIENTS, seconds=seconds)
        cpu = usage(process.pid)[process.pid].cpu_seconds - before
    return outcome.rate, cpu / max(1, outcome.requests) * 1e3


def loopback(seconds: float, pin_cpu: int | None) -> tuple[float, float]:
    """The load generator against the simplest server in C: small requests per second, and MB/s of a stream."""
    with _running([str(compiled("stub"))], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        generator = Generator(int(process.stdout.readline()), pin_cpu=pin_cpu)
        hello = generator.run([GET_HELLO], connections=HELLO_CLIENTS, seconds=seconds)
        head = f"GET /bytes/{STREAM_BYTES} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
        stream = generator.run([Request(head, expected_bytes=STREAM_BYTES)], connections=1, seconds=seconds)
    return hello.rate, stream.rate * STREAM_BYTES / 1e6


@contextmanager
def _running(command: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    with subprocess.Popen(command, stdout=stdout, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_listening(generator: Generator) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            generator.run([GET_HELLO], connections=1, count=100)
            return
        except GeneratorFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
