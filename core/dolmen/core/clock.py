"""Time is handed in: everything that needs it takes a ``Clock``, so that tests and simulations own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the current time comes from."""

    def now_us(self) -> int:
        """Wall-clock time in microseconds since the Unix epoch. May step backwards."""
        ...

    def monotonic_seconds(self) -> float:
        """Time that never goes back, in seconds from an arbitrary origin."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_seconds(self) -> float:
        return time.monotonic()
