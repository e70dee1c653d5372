"""Deliveries to one target: a window of its messages in memory, the rest in its queue; key by key in order, with back-off."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Gauge

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError, Unavailable
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.delivery.queue import Message, TargetQueue
from dolmen.gateway.delivery.targets import Target

WINDOW_MAX = 256  # messages of a target in memory: of 5 KB at most, for 64 targets 80 MB in the worst case
CONCURRENCY = 8  # requests to one target at a time: a receiver with 10 ms a message takes 800 a second
FIRST_RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 300.0
SETTLE_SECONDS = 2.0  # a message that has not gone by then moves from the events to the target's queue
KEEP_DAYS = 7  # tried for so long before it is given up: a receiver may be away for a long week-end
TICK_SECONDS = 1.0  # how often a lane looks at what waits without being woken
REMOVE_SECONDS = 0.25  # messages that went within so long leave the queue in one commit; a crash repeats them
EXPIRE_SECONDS = 600.0  # how often the queue of a target that is declared no more is looked through for what is too old
# Statuses that say "not now" of the receiver as a whole, not of one message.
AWAY_STATUSES = frozenset({429, 502, 503, 504})
_DAY_US = 86_400 * 1_000_000

QUEUED = Gauge("dolmen_notifications_queued", "Messages that wait for their target", ["target"])
OLDEST = Gauge("dolmen_notifications_oldest_seconds", "Age of the oldest message that waits", ["target"])
DELIVERED = Counter("dolmen_notifications_delivered_total", "Messages that the target has accepted", ["target"])
FAILED = Counter("dolmen_notifications_failed_total", "Attempts that the target did not accept", ["target"])
DROPPED = Counter("dolmen_notifications_dropped_total", f"Messages given up after {KEEP_DAYS} days", ["target"])

Post = Callable[[Target, bytes], Awaitable[int]]  # the status of the answer; raises ``Unavailable`` without one


def backoff_seconds(attempts: int) -> float:
    """Twice as long after each failure, up to five minutes; between half and all of it, so that many do not come at once."""
    longest = min(FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 30), RETRY_SECONDS_MAX)
    return longest * random.uniform(0.5, 1.0)


class Lane:
    """``run`` until cancelled; ``offer`` what comes from the events, ``store`` what it does not take.

    A message is forgotten in the events (``release``) when it was accepted, given up, or is durable in the queue.
    """

    def __init__(
        self,
        name: str,
        target: Target | None,
        *,
        queue: TargetQueue,
        post: Post,
        clock: Clock,
        release: Callable[[bytes], None],
    ) -> None:
        """``target``: None when it is declared no more; its messages are kept for when it comes back."""
        self.name = name
        self._target = target
        self._queue = queue
        self._post = post
        self._clock = clock
        self._release = release
        self._log = get_logger("notifications")
        self._chains: dict[bytes, deque[Message]] = {}  # by order: the first one is tried, the others wait for it
        self._known: dict[bytes, Message] = {}  # by event id: all of the window
        self._ready: deque[bytes] = deque()
        self._later: list[tuple[float, bytes]] = []  # heap of (monotonic seconds, order)
        self._failures = 0  # rounds of attempts in a row without an answer, of any message
        self._paused_at = 0.0
        self._paused_until = 0.0
        self._running: set[asyncio.Task[None]] = set()
        self._gone: list[Message] = []  # sent or given up: to be removed from the queue
        # Ids of events whose writing to the queue failed, which may have come after its effect: in the window, or to come again.
        self._uncertain: set[bytes] = set()
        self._behind = True  # there may be messages in the queue beyond the window
        self._cursor = ""  # up to here the queue was read
        self._lock = asyncio.Lock()  # between writing to the queue and reading from it
        self._wake = asyncio.Event()
        self._stored_count = 0
        self._warned = False
        self._error: BaseException | None = None
        self._next_expiry = 0.0
        self._next_measure = 0.0
        self._next_removal = 0.0
        self._oldest_us: int | None = None  # of a queue that nobody takes from

    # ---- what comes in ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Count what waits and read its beginning."""
        self._stored_count = await self._queue.count()
        await self._refill()
        self._measure()

    def offer(self, message: Message) -> bool:
        """Take a message of the events into the window; False when it must be stored."""
        known = self._known.get(message.event_id) or next((one for one in self._gone if one.event_id == message.event_id), None)
        if known is not None:  # it was moved to the queue before, and the row of its event outlived that
            known.in_inbox = True
            if known.stored:
                self._forget_event(known)
            return True
        if self._target is None or self._behind or len(self._known) >= WINDOW_MAX:
            return False
        message.in_inbox = True
        self._add(message)
        return True

    async def store(self, messages: list[Message]) -> None:
        """Make them durable in the queue and forget them in the events."""
        async with self._lock:
            self._behind = True
            await self._write(messages)
            lowest = min(message.event_id for message in messages).hex()
            if lowest <= self._cursor:  # a commit that became visible late: read from before it again
                self._cursor = f"{max(int(lowest, 16) - 1, 0):032x}"
        self._wake.set()

    async def _write(self, messages: list[Message]) -> None:
        ids = {message.event_id for message in messages}
        self._uncertain |= ids
        await self._queue.write(messages)
        self._uncertain -= ids
        self._stored_count += len(messages)
        for message in messages:
            message.stored = True
            self._forget_event(message)

    def _forget_event(self, message: Message) -> None:
        if message.in_inbox:
            message.in_inbox = False
            self._release(message.event_id)

    def _add(self, message: Message) -> None:
        self._known[message.event_id] = message
        chain = self._chains.get(message.order)
        if chain is None:
            self._chains[message.order] = deque((message,))
            self._ready.append(message.order)
        else:
            chain.append(message)
        self._wake.set()

    async def _refill(self) -> None:
        """Read on in the queue while there is room."""
        if self._target is None:
            return
        async with self._lock:
            while self._behind and len(self._known) < WINDOW_MAX:
                page, more = await self._queue.read(self._cursor, WINDOW_MAX, self._clock.monotonic_seconds())
                gone = {message.event_id for message in self._gone}
                for message in page:
                    if len(self._known) >= WINDOW_MAX:
                        break
                    self._cursor = message.event_id.hex()
                    if message.event_id not in self._known and message.event_id not in gone:
                        self._add(message)
                else:
                    self._behind = more and bool(page)

    async def look_for_trials(self) -> None:
        """Test messages, written by gateways."""
        if self._target is None:
            return
        async with self._lock:
            trials = await self._queue.read_trials(self._clock.monotonic_seconds())
            gone = {message.event_id for message in self._gone}
            for message in trials:
                if message.event_id not in self._known and message.event_id not in gone:
                    self._stored_count += 1
                    self._add(message)

    # ---- what goes out ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._settle()
                except DolmenError as error:  # the store is away: everything stays where it is
                    self._log.warning("notifications cannot be settled", target=self.name, error=str(error))
                    await asyncio.sleep(TICK_SECONDS)
                if self._error is not None:
                    raise self._error
                self._begin()
                self._measure()
                await self._rest()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _settle(self) -> None:
        """Bring the store up to date with the window."""
        now = self._clock.monotonic_seconds()
        if self._gone and now >= self._next_removal:
            self._next_removal = now + REMOVE_SECONDS
            async with self._lock:
                gone = list(self._gone)  # it stays listed until it is removed: what is read meanwhile is compared with it
                await self._queue.remove(gone)
                del self._gone[: len(gone)]
            self._uncertain -= {message.event_id for message in gone}
            self._stored_count = max(self._stored_count - sum(message.stored for message in gone), 0)
        slow = [one for one in self._known.values() if one.in_inbox and now - one.loaded_seconds >= SETTLE_SECONDS]
        if slow:
            async with self._lock:
                await self._write(slow)
        if self._target is None:
            await self._expire()
        elif self._behind and len(self._known) <= WINDOW_MAX // 2:
            await self._refill()

    async def _expire(self) -> None:
        """Nobody is there to send to: only give up what is too old."""
        now = self._clock.monotonic_seconds()
        if now < self._next_expiry:
            return
        self._next_expiry = now + EXPIRE_SECONDS
        page, _ = await self._queue.read("", WINDOW_MAX, 0.0)
        old = [message for message in page if self._is_old(message)]
        for message in old:
            self._drop(message)
            message.done = True
        if old:
            await self._queue.remove(old)
            self._stored_count = max(self._stored_count - len(old), 0)
            self._next_expiry = 0.0  # there may be more
        self._oldest_us = next((message.at_us for message in page if not message.done), None)

    def _begin(self) -> None:
        """Start what may start."""
        now = self._clock.monotonic_seconds()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[1])
        if now < self._paused_until:
            return
        width = 1 if self._failures else CONCURRENCY  # while it is away one message asks for all
        while self._ready and len(self._running) < width:
            message = self._chains[self._ready.popleft()][0]
            task = asyncio.create_task(self._deliver(message))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error  # ``run`` ends with it

    async def _deliver(self, message: Message) -> None:
        assert self._target is not None
        begun = self._clock.monotonic_seconds()
        try:
            status = await self._post(self._target, message.body)
        except Unavailable as error:
            self._away(message, begun, str(error))
            return
        if status in AWAY_STATUSES:
            self._away(message, begun, f"status {status}")
            return
        self._failures = 0
        self._paused_until = 0.0
        if 200 <= status < 300:
            DELIVERED.labels(self.name).inc()
            self._warned = False
            self._finish(message)
        else:
            message.attempts += 1
            delay = backoff_seconds(message.attempts)
            self._failed(message, f"status {status}", self._clock.monotonic_seconds() + delay)

    def _away(self, message: Message, begun: float, why: str) -> None:
        """The target itself is away: all its messages wait. Attempts that were under way together count as one.

        The message gets a delay of its own only when the target answers others in between: it may be what kills the receiver.
        """
        if begun >= self._paused_at:
            if not self._failures:
                message.attempts += 1
            self._failures += 1
            self._paused_at = self._clock.monotonic_seconds()
            self._paused_until = self._paused_at + backoff_seconds(self._failures)
        own = self._clock.monotonic_seconds() + backoff_seconds(message.attempts) if message.attempts else 0.0
        self._failed(message, why, max(self._paused_until, own))

    def _failed(self, message: Message, why: str, again: float) -> None:
        """``again``: monotonic seconds of the next attempt."""
        FAILED.labels(self.name).inc()
        if not self._warned:  # once for each time that it goes away; the counters tell the rest
            self._warned = True
            self._log.warning("notification not accepted, it is tried again", target=self.name, error=why)
        if self._is_old(message):
            self._drop(message)
            self._finish(message)
        else:
            heapq.heappush(self._later, (again, message.order))

    def _is_old(self, message: Message) -> bool:
        return self._clock.now_us() - message.at_us > KEEP_DAYS * _DAY_US

    def _drop(self, message: Message) -> None:
        DROPPED.labels(self.name).inc()
        self._log.error("notification given up", target=self.name, days=KEEP_DAYS, event_id=message.event_id.hex())

    def _finish(self, message: Message) -> None:
        """Accepted or given up: the next message of the same order may go."""
        message.done = True
        self._known.pop(message.event_id, None)
        chain = self._chains[message.order]
        chain.popleft()
        if chain:
            self._ready.append(message.order)
        else:
            del self._chains[message.order]
        if message.stored or message.event_id in self._uncertain:
            self._gone.append(message)
        self._forget_event(message)

    async def _rest(self) -> None:
        """Until there is something to do."""
        now = self._clock.monotonic_seconds()
        moments = [now + TICK_SECONDS]
        if self._later:
            moments.append(self._later[0][0])
        if self._gone:
            moments.append(self._next_removal)
        if self._ready and self._paused_until > now:
            moments.append(self._paused_until)
        try:
            async with asyncio.timeout(max(min(moments) - now, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    # ---- what is told ----------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return self._stored_count + sum(1 for message in self._known.values() if not message.stored)

    def _measure(self) -> None:
        now = self._clock.monotonic_seconds()
        if now < self._next_measure:
            return
        self._next_measure = now + TICK_SECONDS
        QUEUED.labels(self.name).set(self.waiting)
        oldest_us = min((message.at_us for message in self._known.values()), default=self._oldest_us)
        OLDEST.labels(self.name).set(0.0 if oldest_us is None else max(self._clock.now_us() - oldest_us, 0) / 1_000_000)
