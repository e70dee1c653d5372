"""A whole run: floors, rows, goals, and the machine; saved as JSON and compared with an earlier one."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.build import REPOSITORY
from bench.row import Row

FORMAT = 1


class NotAResult(Exception):
    """The file to compare with is none of ours; one line."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. ``settings`` and ``machine`` are for the reader only."""

    floors: dict[str, float]
    rows: list[Row]
    settings: dict[str, Any]
    machine: dict[str, Any]

    def by_name(self) -> dict[str, Row]:
        """Rows by their names."""
        return {row.name: row for row in self.rows}


@dataclass(frozen=True, slots=True)
class Ratio:
    """Now over then, of one row; None where either is missing."""

    name: str
    rate: float | None
    p50: float | None
    p99: float | None
    cpu: float | None
    statements: float | None
    nodes_cpu: float | None
    peak: float | None


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, kernel, Python, and the commit that was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    commit = subprocess.run(
        ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def to_json(result: Result) -> dict[str, Any]:
    """The saved form."""
    return {
        "format": FORMAT,
        "machine": result.machine,
        "settings": result.settings,
        "floors": result.floors,
        "rows": [dataclasses.asdict(row) for row in result.rows],
    }


def load(path: Path) -> Result:
    """A saved run. Raises ``NotAResult``."""
    try:
        raw = json.loads(path.read_text())
        if raw["format"] != FORMAT:
            raise NotAResult(f"{path} has format {raw['format']}, this bench reads {FORMAT}")
        known = {each.name for each in dataclasses.fields(Row)}
        rows = [Row(**{key: value for key, value in row.items() if key in known}) for row in raw["rows"]]
        return Result(raw["floors"], rows, raw["settings"], raw["machine"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAResult(f"{path} is no saved result: {error}") from error


def compare(now: Result, then: Result) -> list[Ratio]:
    """Rows that both have, in the order of ``now``."""
    earlier, told = then.by_name(), []
    for row in now.rows:
        old = earlier.get(row.name)
        if old is None or old.skipped or row.skipped:
            continue
        told.append(
            Ratio(
                row.name,
                over(row.rate, old.rate),
                over(row.p50_ms, old.p50_ms),
                over(row.p99_ms, old.p99_ms),
                over(row.cpu_ms, old.cpu_ms),
                over(row.statements, old.statements),
                over(row.nodes_cpu_ms, old.nodes_cpu_ms),
                over(row.peak_process_mb, old.peak_process_mb),
            )
        )
    return told


def over(now: float | None, then: float | None) -> float | None:
    """The ratio; None when it has no meaning."""
    return now / then if now is not None and then else None
