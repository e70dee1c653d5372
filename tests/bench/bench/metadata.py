"""Metadata in Cassandra: where they are, and what a row costs the cluster."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from bench.processes import cpu_seconds
from prometheus_client.parser import text_string_to_metric_families

COUNTER = "dolmen_metadata_statements_total"  # of the driver; `dolmen dev` sums it up over its processes
SCRAPE_SECONDS = 15.0  # `dolmen dev` gives each of its processes 5


@dataclass(frozen=True, slots=True)
class Metadata:
    """A keyspace, and the processes of the nodes when they are ours."""

    url: str
    node_pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """What the cluster was asked, and the CPU of its nodes: since the start, or between two moments. None: not known."""

    statements: float | None = None
    nodes_cpu_seconds: float | None = None

    def since(self, before: Counts) -> Counts:
        """What came after ``before``."""
        return Counts(
            _minus(self.statements, before.statements), _minus(self.nodes_cpu_seconds, before.nodes_cpu_seconds)
        )

    def each(self, requests: int) -> tuple[float | None, float | None]:
        """(statements, milliseconds of the nodes) for each of so many requests."""
        if not requests:
            return None, None
        cpu_seconds = self.nodes_cpu_seconds
        return (
            None if self.statements is None else self.statements / requests,
            None if cpu_seconds is None else cpu_seconds / requests * 1e3,
        )


NOT_COUNTED = Counts()


def counts_now(admin: str | None, node_pids: Sequence[int]) -> Counts:
    """``admin``: URL of the admin address of the server, None when it counts no statements."""
    return Counts(None if admin is None else _scraped(admin), cpu_seconds(node_pids) if node_pids else None)


def statements_in(page: str) -> float | None:
    """Statements of all kinds on a page of metrics; None when it does not count them."""
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    values = [sample.value for sample in samples if sample.name == COUNTER]
    return sum(values) if values else None


def _scraped(admin: str) -> float | None:
    try:
        with urllib.request.urlopen(f"{admin}/metrics", timeout=SCRAPE_SECONDS) as answer:
            return statements_in(answer.read().decode("utf-8", "replace"))
    except OSError:
        return None  # the row has no figure then


def _minus(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
