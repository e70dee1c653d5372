"""One page of metrics from those of several processes.

Counters and histograms of all processes are summed: a request does not say which worker had it. Gauges get a label ``process``,
because a sum of, say, memory limits means nothing; so do the figures about a process itself (``process_…``, ``python_…``).
What a process had counted when it ended is kept, so that a sum never falls and no rate jumps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

SUMMED = ("counter", "histogram", "summary")
OWN_PREFIXES = ("process_", "python_")

Key = tuple[str, tuple[tuple[str, str], ...]]  # name and labels of a sample


@dataclass(slots=True)
class _Process:
    """What is kept of one process between two pages."""

    pid: int = 0
    last: dict[Key, float] = field(default_factory=dict)  # sums of the run that is or was
    ended: dict[Key, float] = field(default_factory=dict)  # sums of the runs before


class _Page(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


class Merger:
    """Remembers sums over restarts; its memory is one number for each sample of each process."""

    def __init__(self) -> None:
        self._processes: dict[str, _Process] = {}
        self._families: dict[str, tuple[str, str]] = {}  # of what is summed: help, type

    def merge(self, pages: Mapping[str, tuple[int, str]]) -> bytes:
        """``pages``: name of the process -> (its pid, its page). A process that is not there counts as it was."""
        gauges: dict[str, Metric] = {}
        for name, (pid, page) in pages.items():
            self._read(name, pid, page, gauges)
        registry = CollectorRegistry()
        registry.register(_Page([*self._sums(), *gauges.values()]))
        return generate_latest(registry)

    def _read(self, name: str, pid: int, page: str, gauges: dict[str, Metric]) -> None:
        process = self._processes.setdefault(name, _Process())
        if process.pid != pid:
            for key, value in process.last.items():
                process.ended[key] = process.ended.get(key, 0.0) + value
            process.pid, process.last = pid, {}
        for family in text_string_to_metric_families(page):
            if family.type in SUMMED and not family.name.startswith(OWN_PREFIXES):
                self._families[family.name] = (family.documentation, family.type)
                for sample in family.samples:
                    if not sample.name.endswith("_created"):  # a time: sums of it mean nothing
                        process.last[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
                continue
            metric = gauges.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                metric.add_sample(sample.name, {**sample.labels, "process": name}, sample.value)

    def _sums(self) -> list[Metric]:
        sums: dict[Key, float] = {}
        for process in self._processes.values():
            for part in (process.ended, process.last):
                for key, value in part.items():
                    sums[key] = sums.get(key, 0.0) + value
        metrics = {name: Metric(name, help_text, kind) for name, (help_text, kind) in self._families.items()}
        for (sample, labels), value in sums.items():
            metrics[self._family_of(sample)].add_sample(sample, dict(labels), value)
        return list(metrics.values())

    def _family_of(self, sample: str) -> str:
        """``…_total``, ``…_bucket``, ``…_sum`` and ``…_count`` belong to the family without it."""
        return sample if sample in self._families else sample.rpartition("_")[0]
