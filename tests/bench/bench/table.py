"""Prints a run for a person. Plain text, no colours: it is pasted into notes."""

from __future__ import annotations

from collections.abc import Sequence

from bench.floors import APPEND, APPEND_GROUP, GENERATOR_RATE, HELLO_CPU, HELLO_RATE, MD5, OTHERS, STREAM
from bench.goals import REFERENCE_APPEND, REFERENCE_MD5_GB, Verdict, scales
from bench.result import Ratio, Result, over
from bench.row import Row

OTHERS_CORES_MAX = 0.1  # busy cores above which a run is called disturbed

FLOOR_TEXT = {
    MD5: ("MD5 of one core", "GB/s"),
    APPEND: ("append 4 KiB + fdatasync", "/s"),
    APPEND_GROUP: ("append 4 KiB, 64 in one fdatasync", "records/s"),
    HELLO_RATE: ("raw uvicorn hello @16, one process", "/s"),
    HELLO_CPU: ("raw uvicorn hello, server CPU", "ms"),
    STREAM: ("loopback stream, 10 MiB answers @1", "MB/s"),
    GENERATOR_RATE: ("load generator against a C server @16", "/s"),
    OTHERS: ("busy before the run: other programs", "cores"),
}


def number(value: float | None) -> str:
    """Three significant digits, or "-"."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns: the first to the left, the others to the right."""
    widths = [max(len(line[index]) for line in (header, *lines)) for index in range(len(header))]
    text = []
    for line in (header, *lines):
        cells = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def rows_table(rows: Sequence[Row]) -> str:
    """All rows, and below them the errors and notes. What was counted of a metadata cluster has its columns when there is one."""
    on_cluster = any(row.statements is not None or row.nodes_cpu_ms is not None for row in rows)
    header = (
        *("", "count", "per s", "MB/s", "p50 ms", "p99 ms", "max ms", "CPU ms"),
        *(("stmts", "nodes CPU ms") if on_cluster else ()),
        *("RSS MB", "RSS all", "gen CPU ms", "gen core", "others", "errors"),
    )
    lines = []
    for row in rows:
        if row.skipped:
            lines.append((row.name, *("-",) * (len(header) - 2), "skipped"))
            continue
        lines.append(
            (
                row.name,
                str(row.requests),
                number(row.rate) + ("" if row.rate_low is None else f" ({number(row.rate_low)} to {number(row.rate_high)})"),
                *map(number, (row.mb_per_second, row.p50_ms, row.p99_ms, row.max_ms, row.cpu_ms)),
                *map(number, (row.statements, row.nodes_cpu_ms) if on_cluster else ()),
                *map(number, (row.peak_process_mb, row.peak_total_mb, row.generator_cpu_ms)),
                f"{row.generator_share:.0%}",
                "-" if row.other_cores is None else f"{row.other_cores:.0%}",
                " ".join(f"{kind}:{count}" for kind, count in row.errors.items()) or "0",
            )
        )
    notes = [f"  {row.name}: {note}" for row in rows for note in (*row.notes, *filter(None, [row.skipped]))]
    return "\n".join([grid(header, lines), *notes])


def floors_table(floors: dict[str, float]) -> str:
    """Floors of this run."""
    lines = [(text, number(floors.get(name)), unit) for name, (text, unit) in FLOOR_TEXT.items()]
    table = grid(("floors of this run", "", ""), lines)
    if floors.get(OTHERS, 0.0) > OTHERS_CORES_MAX:
        table += "\nOther programs ran beside the bench: rates are too low, and so are disk floors and the goals scaled by them."
    return table


def process_table(rows: Sequence[Row]) -> str:
    """CPU per request and peak RSS by process: where the time goes."""
    names = list(dict.fromkeys(name for row in rows for name in row.cpu_ms_by_process))
    header = ("CPU ms (peak RSS MB) by process", *names)
    lines = []
    for row in rows:
        cpu, peak = row.cpu_ms_by_process, row.peak_mb_by_process
        lines.append((row.name, *(f"{number(cpu[name])} ({peak[name]:.0f})" if name in cpu else "-" for name in names)))
    return grid(header, lines)


def goals_table(verdicts: Sequence[Verdict], floors: dict[str, float]) -> str:
    """First build goals: measured, as written down, for this machine."""
    words = {
        (True, True): "holds",
        (True, False): "holds as scaled only",
        (False, True): "holds as written only",
        (False, False): "FALLS SHORT",
        (None, None): "not measured",
    }
    lines = []
    for each in verdicts:
        sign = ">=" if each.at_least else "<="
        bounds = (f"{sign} {number(each.target)}", f"{sign} {number(each.scaled)}")
        lines.append((each.name, number(each.measured), *bounds, each.unit, words[each.holds, each.holds_as_written]))
    factors = scales(floors)
    scaling = (
        f"Scaled from the machine where the goals were set. cpu x {factors['cpu']:.2f} (MD5 here / {REFERENCE_MD5_GB} GB/s):\n"
        f"CPU, latency, reads, large objects. durable x {factors['durable']:.2f} (the smaller of cpu and append+fdatasync here /\n"
        f"{REFERENCE_APPEND:,.0f}/s): rates of small durable writes. Ratios and memory are not scaled."
    )
    return grid(("first build goals", "measured", "written", "scaled", "unit", ""), lines) + "\n" + scaling


def compare_table(ratios: Sequence[Ratio], now: Result, then: Result) -> str:
    """Now over then. Rates above 1 are better, the others below 1."""
    on_cluster = any(each.statements is not None or each.nodes_cpu is not None for each in ratios)
    names = ("rate", "p50", "p99", "CPU", *(("stmts", "nodes CPU") if on_cluster else ()), "RSS")
    lines = [
        (f"floor: {text}", _times(over(now.floors.get(name), then.floors.get(name))), *("-",) * (len(names) - 1))
        for name, (text, _) in FLOOR_TEXT.items()
    ]
    for each in ratios:
        cluster = (each.statements, each.nodes_cpu) if on_cluster else ()
        lines.append((each.name, *map(_times, (each.rate, each.p50, each.p99, each.cpu, *cluster, each.peak))))
    old, new = {row.name for row in then.rows}, {row.name for row in now.rows}
    header = (f"now / {then.machine.get('commit')} of {then.machine.get('when')}", *names)
    text = [grid(header, lines)]
    if old - new:
        text.append(f"only in the earlier run: {', '.join(sorted(old - new))}")
    if new - old:
        text.append(f"only in this run: {', '.join(sorted(new - old))}")
    return "\n".join(text)


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
