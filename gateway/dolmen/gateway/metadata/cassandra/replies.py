"""Replies cross from the threads of the driver to the event loop: in a queue, with one wake-up of the loop for many of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ReplyQueue(Generic[T]):
    """``put`` from any thread; ``receive`` is called on the loop, once for each. Bounded by what is in flight."""

    __slots__ = ("_loop", "_queue", "_receive", "_woken", "wakeups")

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[T], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._queue: deque[T] = deque()
        self._woken = False
        self.wakeups = 0  # how often the loop was woken

    def put(self, reply: T) -> None:
        """From any thread. What comes after the loop has gone is dropped: nobody waits for it."""
        self._queue.append(reply)
        # Two threads may both see False: a needless wake-up. None is lost: ``_drain`` takes the mark away before it looks.
        if not self._woken:
            self._woken = True
            self.wakeups += 1
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop is closed
                self._queue.clear()

    def _drain(self) -> None:
        self._woken = False
        queue = self._queue
        while queue:
            self._receive(queue.popleft())
