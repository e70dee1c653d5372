"""A token bucket: background work must leave the disks and cores to clients."""

from __future__ import annotations

import asyncio

from dolmen.core.clock import Clock

BURST_SECONDS = 0.5  # saved up at most: a pause is no licence for a storm


class Throttle:
    """``take`` lets ``per_second`` units pass on average."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._left = per_second * BURST_SECONDS
        self._last_seconds = clock.monotonic_seconds()

    async def take(self, units: float) -> None:
        """Take what was used; returns when the debt is paid. Never refuses, so one large piece cannot get stuck."""
        now = self._clock.monotonic_seconds()
        burst = self._per_second * BURST_SECONDS
        self._left = min(burst, self._left + (now - self._last_seconds) * self._per_second) - units
        self._last_seconds = now
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)
