"""A budget for the bytes in flight in this process: writers and readers wait for room instead of growing the heap."""

from __future__ import annotations

import asyncio
from collections import deque


class MemoryBudget:
    """First come, first served; a request above the whole budget gets all of it."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._free = bytes_max
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def in_use(self) -> int:
        return self._bytes_max - self._free

    def try_acquire(self, size: int) -> bool:
        """Take room without waiting, when nobody waits and there is enough."""
        size = min(size, self._bytes_max)
        if self._waiters or size > self._free:
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
        while self._waiters and self._waiters[0][0] <= self._free:
            size, future = self._waiters.popleft()
            if not future.done():
                self._free -= size
                future.set_result(None)
