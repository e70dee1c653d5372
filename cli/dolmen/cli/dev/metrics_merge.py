"""One page of metrics from those of several processes: pure text work on the Prometheus exposition format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(\{(.*)\})?(\s.+)$")
_COMMENT = re.compile(r"^# (HELP|TYPE) ([A-Za-z_:][A-Za-z0-9_:]*) ?(.*)$")


@dataclass(slots=True)
class _Family:
    comments: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)


def merge_metrics(pages: Mapping[str, str]) -> str:
    """Every sample of every page with a label ``process``; each family's comments once and its samples together.

    ``pages``: name of the process -> its page. Lines that are neither comment nor sample are dropped.
    """
    families: dict[str, _Family] = {}
    for process, page in pages.items():
        current = ""
        for line in page.splitlines():
            if comment := _COMMENT.match(line):
                current = comment[2]
                families.setdefault(current, _Family()).comments.setdefault(comment[1], line)
            elif sample := _SAMPLE.match(line):
                # Samples of a histogram are named after their family with a suffix, and follow its comments.
                name = current if current and sample[1].startswith(current) else sample[1]
                families.setdefault(name, _Family()).samples.append(_labelled(sample, process))
    lines: list[str] = []
    for family in families.values():
        lines += [family.comments[kind] for kind in ("HELP", "TYPE") if kind in family.comments]
        lines += family.samples
    return "\n".join(lines) + "\n"


def _labelled(sample: re.Match[str], process: str) -> str:
    labels = f'process="{process}"' + (f",{sample[3]}" if sample[3] else "")
    return f"{sample[1]}{{{labels}}}{sample[4]}"
