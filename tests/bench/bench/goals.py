"""What we mean to reach with the first build, against what was measured.

The goals were set by figures of another machine. There a core did MD5 at 0.645 GB/s, and append + fdatasync ran 14,200 times a
second. Here they are scaled by two factors of this run, and the unscaled goal is shown beside:

* cpu: MD5 here / MD5 there. Goals of CPU, latency and large-object speed.
* durable: the smaller of cpu and (append + fdatasync here / there). Rates of small durable writes.

Ratios and memory are not scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.floors import APPEND, MD5
from bench.row import Row

REFERENCE_MD5_GB = 0.645
REFERENCE_APPEND = 14_200.0

Measure = Callable[[Mapping[str, Row]], "float | None"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: what is measured, its target on the reference machine, which way is better, and how it scales."""

    name: str
    unit: str
    target: float
    at_least: bool  # False: at most
    scale: str  # "cpu", "durable" or "none"
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal judged. ``holds`` None: not measured in this run."""

    name: str
    unit: str
    at_least: bool
    target: float  # as written down
    scaled: float  # for this machine
    measured: float | None
    holds: bool | None  # the scaled one
    holds_as_written: bool | None


def of(name: str, field: str, factor: float = 1.0) -> Measure:
    """A field of a row."""

    def measure(rows: Mapping[str, Row]) -> float | None:
        row = rows.get(name)
        value = getattr(row, field) if row is not None and not row.skipped and row.requests else None
        return None if value is None else value * factor

    return measure


def ratio(upper: Measure, lower: Measure) -> Measure:
    """One figure over another; None when either is missing."""

    def measure(rows: Mapping[str, Row]) -> float | None:
        above, below = upper(rows), lower(rows)
        return above / below if above is not None and below else None

    return measure


def largest(*measures: Measure) -> Measure:
    """The worst of several figures that should be small; None unless all are there."""

    def measure(rows: Mapping[str, Row]) -> float | None:
        values = [each(rows) for each in measures]
        return None if None in values else max(value for value in values if value is not None)

    return measure


def each_size(label: str, field: str) -> list[Measure]:
    """A field of one listing row at 10^4, 10^5 and 10^6 keys."""
    return [of(f"LIST 10^{exponent} {label}", field) for exponent in (4, 5, 6)]


def growth(label: str, field: str) -> Measure:
    """The same at 10^6 keys over 10^4."""
    return ratio(of(f"LIST 10^6 {label}", field), of(f"LIST 10^4 {label}", field))


GOALS = (
    Goal("PUT 4 KiB @64", "/s", 1200, True, "durable", of("PUT 4 KiB @64", "rate")),
    Goal("PUT 4 KiB @64 CPU", "ms", 1.2, False, "cpu", of("PUT 4 KiB @64", "cpu_ms")),
    Goal("GET 4 KiB @64", "/s", 2000, True, "cpu", of("GET 4 KiB @64", "rate")),
    Goal("GET 4 KiB @64 CPU", "ms", 0.45, False, "cpu", of("GET 4 KiB @64", "cpu_ms")),
    Goal("PUT 10 MiB @16 (0.8 x MinIO)", "MB/s", 0.8 * 307, True, "cpu", of("PUT 10 MiB @16", "mb_per_second")),
    Goal("PUT 10 MiB @16 CPU", "ms", 50, False, "cpu", of("PUT 10 MiB @16", "cpu_ms")),
    Goal("GET 10 MiB @16 (1.5 x Garage)", "MB/s", 1.5 * 521, True, "cpu", of("GET 10 MiB @16", "mb_per_second")),
    Goal("GET 10 MiB @16 CPU", "ms", 15, False, "cpu", of("GET 10 MiB @16", "cpu_ms")),
    Goal("multipart 64 MiB @4 (MinIO)", "MB/s", 264, True, "cpu", of("multipart 64 MiB @4", "mb_per_second")),
    Goal("LIST page CPU, worst of 10^4 to 10^6", "ms", 15, False, "cpu", largest(*each_size("page @1", "cpu_ms"))),
    Goal("LIST page CPU, 10^6 over 10^4", "x", 1.15, False, "none", growth("page @1", "cpu_ms")),
    Goal("LIST page p50, 10^6 over 10^4", "x", 1.15, False, "none", growth("page @1", "p50_ms")),
    Goal("LIST delimiter page p50, 10^6 over 10^4", "x", 1.15, False, "none", growth("page delimiter @1", "p50_ms")),
    Goal("LIST 100 prefixes p50, worst of 10^4 to 10^6", "ms", 5, False, "cpu", largest(*each_size("100 prefixes @1", "p50_ms"))),
    Goal("DELETE @16", "/s", 1100, True, "durable", of("DELETE 4 KiB @16", "rate")),
    Goal("DeleteObjects x 1000 p50", "ms", 190, False, "cpu", of("DeleteObjects x 1000 @1", "p50_ms")),
    Goal("peak RSS of a process, PUT 10 MiB @64", "MB", 300, False, "none", of("PUT 10 MiB @64", "peak_process_mb")),
    Goal("peak RSS in all, PUT 10 MiB @64", "MB", 600, False, "none", of("PUT 10 MiB @64", "peak_total_mb")),
    Goal("peak RSS of a process, GET 10 MiB @64", "MB", 300, False, "none", of("GET 10 MiB @64", "peak_process_mb")),
    Goal("peak RSS in all, GET 10 MiB @64", "MB", 600, False, "none", of("GET 10 MiB @64", "peak_total_mb")),
)


def scales(floors: Mapping[str, float]) -> dict[str, float]:
    """How much quicker than the reference this machine is, by kind of goal."""
    cpu = floors[MD5] / REFERENCE_MD5_GB
    return {"cpu": cpu, "durable": min(cpu, floors[APPEND] / REFERENCE_APPEND), "none": 1.0}


def judge(rows: Mapping[str, Row], floors: Mapping[str, float]) -> list[Verdict]:
    """Every goal, measured or not."""
    factors, told = scales(floors), []
    for goal in GOALS:
        factor = factors[goal.scale]
        scaled = goal.target * factor if goal.at_least else goal.target / factor
        measured = goal.measure(rows)
        told.append(
            Verdict(
                name=goal.name,
                unit=goal.unit,
                at_least=goal.at_least,
                target=goal.target,
                scaled=scaled,
                measured=measured,
                holds=_reached(goal, measured, scaled),
                holds_as_written=_reached(goal, measured, goal.target),
            )
        )
    return told


def _reached(goal: Goal, measured: float | None, target: float) -> bool | None:
    if measured is None:
        return None
    return measured >= target if goal.at_least else measured <= target
