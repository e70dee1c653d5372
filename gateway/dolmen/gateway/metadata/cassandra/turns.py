"""One at a time for each name within this process: conditional changes of one partition only disturb each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Locks by name, each kept only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}  # the lock, and how many hold it or wait

    @asynccontextmanager
    async def of(self, name: Hashable) -> AsyncIterator[bool]:
        """Hold the name's turn; tells whether it had to be waited for."""
        lock, before = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = lock, before + 1
        try:
            async with lock:
                yield before > 0
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = lock, users - 1
