"""What every request asks for, kept for a moment that all processes agree on.

An entry counts for ``seconds`` from the start of the read that brought it. Whoever changes what is cached waits as long before it
says that it is done: so a change acts with the next request, in every process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from dolmen.core.clock import Clock

V = TypeVar("V")


class _Entry(NamedTuple, Generic[V]):
    value: V
    asked: float  # monotonic: no later than what it says was true


class _Read(NamedTuple, Generic[V]):
    task: asyncio.Task[V | None]
    asked: float


class FreshCache(Generic[V]):
    """Values by name. None (there is nothing) is never kept. With 0 seconds nothing is, and every ``get`` reads."""

    def __init__(
        self, read: Callable[[str], Awaitable[V | None]], clock: Clock, seconds: float, entries_max: int
    ) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._entries_max = entries_max
        self._entries: OrderedDict[str, _Entry[V]] = OrderedDict()  # least recently used first
        self._reads: dict[str, _Read[V]] = {}  # the last one of each name, while it may be joined

    async def get(self, name: str) -> V | None:
        """No read while the entry counts; when half of its time is over, one that nobody waits for. Raises what ``read`` raises."""
        if self._seconds <= 0:
            return await self._read(name)
        now = self._clock.monotonic_seconds()
        entry = self._entries.get(name)
        if entry is not None and 0 <= now - entry.asked < self._seconds:
            self._entries.move_to_end(name)
            if now - entry.asked >= self._seconds / 2:
                self._begin(name, now)
            return entry.value
        joins = name in self._reads
        value = await asyncio.shield(self._begin(name, now))
        # What came into being does not wait for caches: that there was nothing a moment before we asked is no answer.
        return await self._read(name) if value is None and joins else value

    def put(self, name: str, value: V, asked: float) -> None:
        """What we changed it to ourselves; ``asked``: a time before the change was made. Reads under way are not kept any more."""
        self._reads.pop(name, None)
        if self._seconds > 0:
            self._keep(name, value, asked)

    def forget(self, name: str) -> None:
        """Also what is being read."""
        self._reads.pop(name, None)
        self._entries.pop(name, None)

    async def close(self) -> None:
        """End the reads that nobody waits for."""
        tasks = [read.task for read in self._reads.values()]
        self._reads.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str, now: float) -> asyncio.Task[V | None]:
        """The read of ``name`` that is under way, or a new one when that is too old to be told of."""
        read = self._reads.get(name)
        if read is None or not 0 <= now - read.asked < self._seconds:
            task = asyncio.get_running_loop().create_task(self._fetch(name, now))
            task.add_done_callback(_seen)
            read = self._reads[name] = _Read(task, now)
        return read.task

    async def _fetch(self, name: str, asked: float) -> V | None:
        mine = asyncio.current_task()
        try:
            value = await self._read(name)
        except BaseException:
            if self._is_last(name, mine):
                del self._reads[name]
            raise
        if self._is_last(name, mine):
            del self._reads[name]
            if value is None:
                self._entries.pop(name, None)
            else:
                self._keep(name, value, asked)
        return value

    def _is_last(self, name: str, task: asyncio.Task[V | None] | None) -> bool:
        read = self._reads.get(name)
        return read is not None and read.task is task

    def _keep(self, name: str, value: V, asked: float) -> None:
        self._entries[name] = _Entry(value, asked)
        self._entries.move_to_end(name)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)


def _seen(task: asyncio.Task[V | None]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
