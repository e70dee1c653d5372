"""How many statements one process has in flight, and how many may wait for a place: both bounded, the rest is refused."""

from __future__ import annotations

import asyncio
from collections import deque

from dolmen.gateway.metadata.cassandra.cql import NotSent

# A connection carries 32,768 streams and must never run out of them: the driver would then block the loop. At 4,000 statements
# a second, what one process can send, this is an eighth of a second of them.
IN_FLIGHT_MAX = 512
WAITING_MAX = 4096  # about a second's worth behind it; more would only be answered after its caller has gone
WAIT_SECONDS_MAX = 3.0  # as long as one statement may take


class Gate:
    """Places for statements in flight, given out in order of arrival. Belongs to one event loop."""

    __slots__ = ("_limit", "_waiting", "_waiting_max", "in_flight")

    def __init__(self, limit: int = IN_FLIGHT_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._limit = limit
        self._waiting_max = waiting_max
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0

    def try_enter(self) -> bool:
        """A place at once, if there is one and nobody waits for it."""
        if self.in_flight < self._limit and not self._waiting:
            self.in_flight += 1
            return True
        return False

    async def enter(self) -> None:
        """A place, in turn. Raises ``NotSent`` when too many wait, or for too long."""
        if self.try_enter():
            return
        if len(self._waiting) >= self._waiting_max:
            raise NotSent("too many statements wait for the metadata cluster")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place came at the same moment
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise NotSent("the metadata cluster is too slow: no statement could be sent in time") from None
            raise

    def leave(self) -> None:
        """The place goes to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1
