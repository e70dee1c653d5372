"""One line of the result, and how it is measured around a run of the load generator."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.generator import Generator, Outcome
from bench.metadata import NOT_COUNTED, Counts
from bench.plan import Request
from bench.processes import Spent, Usage, machine_busy_seconds, reset_peaks, spent, usage
from bench.server import Server

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Figures of one row. None: not measured. MB is 10^6 bytes."""

    name: str  # stable: --compare and the goals look rows up by it
    requests: int = 0
    rate: float = 0.0  # successful requests per second
    mb_per_second: float | None = None  # object bytes
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    cpu_ms: float | None = None  # of all server processes, for each successful request
    statements: float | None = None  # to the metadata cluster, for each successful request
    nodes_cpu_ms: float | None = None  # of the Cassandra nodes, for each successful request
    peak_process_mb: float | None = None
    peak_total_mb: float | None = None
    generator_cpu_ms: float = 0.0  # for each request
    generator_share: float = 0.0  # of one core
    other_cores: float | None = None  # CPU of the machine that neither server nor generator used, in cores
    errors: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    cpu_ms_by_process: dict[str, float] = field(default_factory=dict)
    peak_mb_by_process: dict[str, float] = field(default_factory=dict)
    skipped: str = ""  # why there are no figures
    rate_low: float | None = None  # of several passes
    rate_high: float | None = None


@dataclass(kw_only=True)
class Bench:
    """What every row needs."""

    server: Server
    seconds: float
    quick: bool
    nonce: str  # in the keys of this run, so that a second run on the same data meets none of them
    bucket: str
    workdir: Path  # on the disk of the server
    progress: Callable[[str], None]
    pin_cpu: int | None = None
    seeded: dict[int, list[str]] = field(default_factory=dict)  # size -> keys that may be read

    @property
    def generator(self) -> Generator:
        endpoint = self.server.endpoint
        return Generator(endpoint.port, endpoint.host, self.pin_cpu)


@dataclass
class Watch:
    """CPU and memory of the server over one row, and what its metadata cluster did."""

    bench: Bench
    before: dict[int, Usage] = field(default_factory=dict)
    begin_seconds: float = 0.0
    busy_seconds: float = 0.0  # of the whole machine
    cluster: Counts = NOT_COUNTED

    def begin(self) -> None:
        self.cluster = self.bench.server.counts()  # first here and last in ``end``: what it costs the server is not the row's
        if self.bench.server.pid:
            reset_peaks(self.bench.server.pid)
            self.before = usage(self.bench.server.pid)
        self.busy_seconds, self.begin_seconds = machine_busy_seconds(), time.monotonic()

    def end(self) -> Spent | None:
        """What the server used; None when its process is not known."""
        self.busy_seconds = machine_busy_seconds() - self.busy_seconds
        self.begin_seconds = time.monotonic() - self.begin_seconds
        used = spent(self.before, usage(self.bench.server.pid)) if self.bench.server.pid else None
        self.cluster = self.bench.server.counts().since(self.cluster)
        return used

    def other_cores(self, used: Spent | None, outcome: Outcome) -> float | None:
        """After ``end``: cores that the rest of the machine kept busy, the kernel's own threads included."""
        if used is None:
            return None
        known = used.cpu_seconds + outcome.cpu_seconds + (self.cluster.nodes_cpu_seconds or 0.0)
        return max(0.0, self.busy_seconds - known) / self.begin_seconds


def measure(
    bench: Bench,
    name: str,
    requests: Iterable[Request],
    *,
    connections: int,
    object_bytes: int = 0,
    count: int | None = None,
    unique: bool = False,
) -> Row:
    """Run for ``bench.seconds`` (or ``count`` requests) and make the row. ``unique``: the plan should not be used up."""
    planned = list(requests)
    watch = Watch(bench)
    watch.begin()
    limit = count if count is not None else (len(planned) if unique else None)
    outcome = bench.generator.run(
        planned, connections=connections, seconds=bench.seconds if count is None else None, count=limit
    )
    return row_of(name, outcome, watch, object_bytes=object_bytes)


def row_of(name: str, outcome: Outcome, watch: Watch, *, object_bytes: int = 0, operations: int | None = None) -> Row:
    """The row of one outcome; ends the watch. ``operations``: what counts as one, when it took several requests."""
    used = watch.end()
    row = row_from(name, outcome, used, watch.cluster, object_bytes=object_bytes, operations=operations)
    return dataclasses.replace(row, other_cores=watch.other_cores(used, outcome))


def row_from(
    name: str,
    outcome: Outcome,
    used: Spent | None,
    cluster: Counts = NOT_COUNTED,
    *,
    object_bytes: int = 0,
    operations: int | None = None,
) -> Row:
    """The arithmetic of ``row_of``."""
    done = outcome.requests if operations is None else operations
    rate = done / outcome.seconds if outcome.seconds > 0 else 0.0
    each = max(1, done)
    statements, nodes_cpu_ms = cluster.each(done)
    notes = []
    if used is not None and used.restarted:
        notes.append("a server process came or went")
    if outcome.first_error:
        notes.append(f"first error: {' '.join(outcome.first_error.split())[:300]}")
    return Row(
        name=name,
        requests=done,
        rate=rate,
        mb_per_second=rate * object_bytes / 1e6 if object_bytes else None,
        p50_ms=outcome.p50_ns / 1e6,
        p90_ms=outcome.p90_ns / 1e6,
        p99_ms=outcome.p99_ns / 1e6,
        max_ms=outcome.max_ns / 1e6,
        cpu_ms=used.cpu_seconds / each * 1e3 if used is not None and done else None,
        statements=statements,
        nodes_cpu_ms=nodes_cpu_ms,
        peak_process_mb=max(used.peak_by_name.values(), default=0) / 1e6 if used is not None else None,
        peak_total_mb=used.peak_total_bytes / 1e6 if used is not None else None,
        generator_cpu_ms=outcome.cpu_seconds / each * 1e3,
        generator_share=outcome.cpu_seconds / outcome.seconds if outcome.seconds > 0 else 0.0,
        errors=outcome.errors,
        notes=tuple(notes),
        cpu_ms_by_process={key: value / each * 1e3 for key, value in used.cpu_by_name.items()} if used is not None else {},
        peak_mb_by_process={key: value / 1e6 for key, value in used.peak_by_name.items()} if used is not None else {},
    )


MEDIANS = (
    *("rate", "mb_per_second", "p50_ms", "p90_ms", "p99_ms", "cpu_ms", "statements", "nodes_cpu_ms"),
    *("generator_cpu_ms", "generator_share", "other_cores"),
)
MAXIMA = ("max_ms", "peak_process_mb", "peak_total_mb")


def merge(passes: Sequence[Row]) -> Row:
    """One row of several passes: medians, maxima of peaks, sums of counts and errors."""
    told = [row for row in passes if not row.skipped]
    if len(told) <= 1:
        return (told or list(passes))[0]
    figures: dict[str, float | None] = {}
    for names, combine in ((MEDIANS, statistics.median), (MAXIMA, max)):
        for name in names:
            values = [value for row in told if (value := getattr(row, name)) is not None]
            figures[name] = combine(values) if values else None
    errors: dict[str, int] = {}
    for row in told:
        for kind, number in row.errors.items():
            errors[kind] = errors.get(kind, 0) + number
    return Row(
        name=told[0].name,
        requests=sum(row.requests for row in told),
        errors=errors,
        notes=tuple(dict.fromkeys(note for row in told for note in row.notes)),
        cpu_ms_by_process=_each(told, "cpu_ms_by_process", statistics.median),
        peak_mb_by_process=_each(told, "peak_mb_by_process", max),
        rate_low=min(row.rate for row in told),
        rate_high=max(row.rate for row in told),
        **figures,  # type: ignore[arg-type]
    )


def _each(rows: Sequence[Row], name: str, combine: Callable[[list[float]], float]) -> dict[str, float]:
    keys = dict.fromkeys(key for row in rows for key in getattr(row, name))
    return {key: combine([getattr(row, name)[key] for row in rows if key in getattr(row, name)]) for key in keys}
