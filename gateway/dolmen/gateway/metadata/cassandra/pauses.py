"""How long to wait between tries."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_SECONDS = 0.005  # a conditional change takes a few milliseconds
LONGEST_SECONDS = 0.25


def pauses(first_seconds: float = FIRST_SECONDS, longest_seconds: float = LONGEST_SECONDS) -> Iterator[float]:
    """Seconds between tries, without end: doubling up to the longest, each with chance."""
    pause_seconds = first_seconds
    while True:
        yield pause_seconds * random.uniform(0.5, 1.5)
        pause_seconds = min(2 * pause_seconds, longest_seconds)
