"""How often a loop looks for work: soon after there was some, ever more rarely while there is none."""

from __future__ import annotations

import asyncio


class Pace:
    """``rest`` between two passes; ``poke`` ends it early, for instance when a disk has returned."""

    def __init__(self, seconds_min: float, seconds_max: float) -> None:
        self._min = seconds_min
        self._max = seconds_max
        self._delay = seconds_min
        self._poked = asyncio.Event()

    def poke(self) -> None:
        self._poked.set()
        self._delay = self._min

    async def rest(self, useful: bool, at_least_seconds: float = 0.0) -> None:
        """``useful``: the pass did something. ``at_least_seconds`` holds unless poked."""
        self._delay = self._min if useful else min(2 * self._delay, self._max)
        try:
            async with asyncio.timeout(max(self._delay, at_least_seconds)):
                await self._poked.wait()
        except TimeoutError:
            pass
        self._poked.clear()
