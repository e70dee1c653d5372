"""Write timestamps of this process: microseconds that never go back."""

from __future__ import annotations

from dolmen.core.clock import Clock


class Stamps:
    """For plain writes that follow each other: intents, fences, entries of queues."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_us = 0

    def next(self) -> int:
        """Larger than every stamp before, whatever the clock does."""
        self._last_us = max(self._clock.now_us(), self._last_us + 1)
        return self._last_us
