"""A budget for the bytes in flight in this process: writers and readers wait for room instead of growing the heap."""

from __future__ import annotations

import asyncio
from collections import deque

SMALL_BYTES_MAX = 256 * 1024  # a request up to this never waits behind large ones: slow clients hold whole stripes for long
SMALL_SHARE = 8  # one part in so many of the budget is kept for small requests


class MemoryBudget:
    """First come, first served, but small requests pass while there is room; one above the whole budget gets all of it."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._reserve = bytes_max // SMALL_SHARE
        self._free = bytes_max
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def in_use(self) -> int:
        return self._bytes_max - self._free

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._waiters)

    def _fits(self, size: int) -> bool:
        if size <= SMALL_BYTES_MAX:
            return size <= self._free
        return size <= self._free - self._reserve or self._free == self._bytes_max

    def try_acquire(self, size: int) -> bool:
        """Take room without waiting, when there is enough and nobody waits (or the request is small)."""
        size = min(size, self._bytes_max)
        if not self._fits(size) or (self._waiters and size > SMALL_BYTES_MAX):
            return False
        self._free -= size
        return True

    async def acquire(self, size: int) -> None:
        """Wait for room of ``size`` bytes."""
        if self.try_acquire(size):
            return
        size = min(size, self._bytes_max)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((size, future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(size)
            else:
                self._waiters = deque(entry for entry in self._waiters if entry[1] is not future)
                self._wake()
            raise

    def release(self, size: int) -> None:
        """Give room back."""
        self._free += min(size, self._bytes_max)
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self._fits(self._waiters[0][0]):
            size, future = self._waiters.popleft()
            if not future.done():
                self._free -= size
                future.set_result(None)
