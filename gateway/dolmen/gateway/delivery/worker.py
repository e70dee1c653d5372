"""Takes events from the metadata to the lanes of their targets. Runs where the maintenance lease is held: once in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import Gauge

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.delivery.lane import Lane, Post
from dolmen.gateway.delivery.queue import Message, TargetQueue, known_targets
from dolmen.gateway.delivery.targets import Target
from dolmen.gateway.delivery.template import body_for, decode_template
from dolmen.gateway.metadata.records import Event
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.outbound import Outbound

EVENTS_MAX = 500  # read at a time, beside those that are in the lanes
POLL_SECONDS = 0.2  # how soon an event is seen; a look at an empty table costs 50 microseconds
GATHER_SECONDS = 0.02  # what ends within so long is forgotten in one commit
TRIALS_SECONDS = 1.0  # how often the queues are asked for test messages
POST_SECONDS = 10.0  # a receiver that takes longer should accept first and work later
ANSWER_BYTES_MAX = 64 * 1024  # of a receiver: nobody reads it
UNREADABLE_SECONDS = 3600.0  # an event of a newer release may be readable after the next update

INBOX = Gauge("dolmen_notifications_inbox", "Events that were committed and not yet given to their targets")


def webhook(outbound: Outbound, timeout_seconds: float = POST_SECONDS) -> Post:
    """Sends messages over HTTP."""

    async def post(target: Target, body: bytes) -> int:
        answer = await outbound.request(
            "POST",
            target.url,
            headers=target.headers(),
            body=body,
            timeout_seconds=timeout_seconds,
            bytes_max=ANSWER_BYTES_MAX,
        )
        return answer.status

    return post


class Notifier:
    """``run`` until cancelled; whatever was not finished is found again by the next one."""

    def __init__(self, store: MetadataStore, clock: Clock, targets: Mapping[str, Target], post: Post) -> None:
        self._store = store
        self._clock = clock
        self._targets = targets
        self._post = post
        self._log = get_logger("notifications")
        self._lanes: dict[str, Lane] = {}
        self._held: dict[bytes, int] = {}  # by event id: lanes that still need the event's row
        self._finished: list[bytes] = []  # rows to be forgotten
        self._wake = asyncio.Event()

    async def run(self) -> None:
        self._lanes, self._held, self._finished = {}, {}, []  # of an earlier term nothing is true any more
        async with asyncio.TaskGroup() as group:
            while not await self._opened(group):
                await asyncio.sleep(POLL_SECONDS)
            group.create_task(self._look_for_trials())
            while True:
                try:
                    more = await self.step(group)
                except DolmenError as error:
                    self._log.warning("events cannot be read", error=str(error))
                    more = False
                await (asyncio.sleep(0) if more else self._rest())

    async def _opened(self, group: asyncio.TaskGroup) -> bool:
        """Lanes for every declared target, and for those that once were."""
        try:
            for name in sorted({*self._targets, *await known_targets(self._store)}):
                await self._lane(name, group)
        except DolmenError as error:
            self._log.warning("queues cannot be read", error=str(error))
            return False
        return True

    async def _lane(self, name: str, group: asyncio.TaskGroup) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = Lane(
                name,
                self._targets.get(name),
                queue=TargetQueue(self._store, name),
                post=self._post,
                clock=self._clock,
                release=self._release,
            )
            await lane.open()
            self._lanes[name] = lane
            group.create_task(lane.run())
        return lane

    async def step(self, group: asyncio.TaskGroup) -> bool:
        """Forget what is done, read what is new; True when there may be more at once."""
        finished, self._finished = self._finished, []
        if finished:
            try:
                await self._store.finish_events(finished)
            except BaseException:
                self._finished += finished
                raise
            for event_id in finished:
                del self._held[event_id]
        limit = len(self._held) + EVENTS_MAX
        events = await self._store.due_events(self._clock.now_us(), limit)
        await self._spread([event for event in events if event.event_id not in self._held], group)
        INBOX.set(len(events))
        return len(events) >= limit or bool(self._finished)

    async def _spread(self, events: list[Event], group: asyncio.TaskGroup) -> None:
        """Give each event to its lanes. Raises ``DolmenError``; what was not given away is then read again."""
        refused: dict[str, list[Message]] = {}
        try:
            for event in events:
                await self._give(event, refused, group)
            for target in list(refused):
                await self._lanes[target].store(refused[target])
                del refused[target]
        except BaseException:
            for messages in refused.values():
                for message in messages:
                    self._held.pop(message.event_id, None)
            raise

    async def _give(self, event: Event, refused: dict[str, list[Message]], group: asyncio.TaskGroup) -> None:
        """One event; ``refused`` takes by target what must be stored."""
        try:
            template = decode_template(event.template)
        except msgspec.MsgspecError as error:
            self._log.error("event cannot be read", event_id=event.event_id.hex(), error=str(error))
            await self._store.postpone_events([event.event_id], self._clock.now_us() + int(UNREADABLE_SECONDS * 1_000_000))
            return
        lanes = [(listener, await self._lane(listener.target, group)) for listener in template.listeners]
        self._held[event.event_id] = len(lanes)
        if not lanes:
            self._finished.append(event.event_id)
        for listener, lane in lanes:
            message = Message(
                event.event_id,
                event.bucket_id + event.key,
                event.at_us,
                body_for(listener, event, template),
                self._clock.monotonic_seconds(),
            )
            if not lane.offer(message):
                message.in_inbox = True
                refused.setdefault(listener.target, []).append(message)

    def _release(self, event_id: bytes) -> None:
        """One lane needs the event's row no more."""
        left = self._held.get(event_id)
        if left is None:
            return
        self._held[event_id] = left - 1
        if left == 1:
            self._finished.append(event_id)
            self._wake.set()

    async def _look_for_trials(self) -> None:
        while True:
            for lane in list(self._lanes.values()):
                try:
                    await lane.look_for_trials()
                except DolmenError as error:
                    self._log.warning("test messages cannot be read", target=lane.name, error=str(error))
            await asyncio.sleep(TRIALS_SECONDS)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            pass
        self._wake.clear()
