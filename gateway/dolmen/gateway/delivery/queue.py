"""Messages of one target that could not be sent at once, as documents: they outlive the process in the order of their events.

An event's row (written in the commit of the change) is the first queue. From there a message either goes out within moments, or is
moved here, so that the messages of a target that is away never stand in the way of another's.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.records import DocumentChange
from dolmen.gateway.metadata.store import MetadataStore

REGISTER = "notifications"  # the space that lists the targets with a queue
WRITE_MAX = 256  # messages of one commit
COUNT_MAX = 100_000  # how far a queue is counted at the start: beyond it the gauge says "at least"
COUNT_PAGE = 1000
TRIALS_MAX = 16  # test messages read at a time

_TARGET = "target"
_MESSAGE = "message"
_TRIAL = "trial"


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A message as it is stored. Only add fields at the end."""

    order: bytes  # messages of the same order (a key) go one after the other
    at_us: int
    body: bytes


class Message:
    """One message on its way to one target."""

    __slots__ = ("attempts", "at_us", "body", "done", "event_id", "in_inbox", "is_trial", "loaded_seconds", "order", "stored")

    def __init__(self, event_id: bytes, order: bytes, at_us: int, body: bytes, loaded_seconds: float) -> None:
        self.event_id = event_id
        self.order = order
        self.at_us = at_us
        self.body = body
        self.loaded_seconds = loaded_seconds  # monotonic
        self.attempts = 0
        self.in_inbox = False  # the event's row is still needed
        self.stored = False  # there is a document
        self.is_trial = False
        self.done = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


def _space(target: str) -> str:
    return f"{REGISTER}/{target}"


async def enqueue_trial(store: MetadataStore, target: str, body: bytes, now_us: int) -> None:
    """The test message of a configuration: durable, and on its own."""
    name = (now_us.to_bytes(8, "big") + secrets.token_bytes(8)).hex()
    raw = _encode(Stored(_TRIAL.encode(), now_us, body))
    await store.write_documents(_space(target), [DocumentChange(kind=_TRIAL, name=name, raw=raw)])


async def known_targets(store: MetadataStore) -> list[str]:
    """Targets that ever had a queue, declared or not."""
    found = await store.list_documents(REGISTER, _TARGET, "", "", COUNT_PAGE)
    return [document.name for document in found]


class TargetQueue:
    """The documents of one target."""

    def __init__(self, store: MetadataStore, target: str) -> None:
        self._store = store
        self._target = target
        self._space = _space(target)
        self._registered = False

    async def write(self, messages: Sequence[Message]) -> None:
        """Durable when it returns."""
        if not self._registered:
            await self._store.write_documents(REGISTER, [DocumentChange(kind=_TARGET, name=self._target, raw=b"")])
            self._registered = True
        for first in range(0, len(messages), WRITE_MAX):
            changes = [
                DocumentChange(kind=_MESSAGE, name=one.event_id.hex(), raw=_encode(Stored(one.order, one.at_us, one.body)))
                for one in messages[first : first + WRITE_MAX]
            ]
            await self._store.write_documents(self._space, changes)

    async def remove(self, messages: Sequence[Message]) -> None:
        """They were sent, or given up."""
        for first in range(0, len(messages), WRITE_MAX):
            changes = [
                DocumentChange(kind=_TRIAL if one.is_trial else _MESSAGE, name=one.event_id.hex(), raw=None)
                for one in messages[first : first + WRITE_MAX]
            ]
            await self._store.write_documents(self._space, changes)

    async def read(self, after: str, limit: int, now_seconds: float) -> tuple[list[Message], bool]:
        """Messages behind ``after`` (the id of an event in hex) in the order of their events, and whether there may be more."""
        return await self._read(_MESSAGE, after, limit, now_seconds)

    async def read_trials(self, now_seconds: float) -> list[Message]:
        return (await self._read(_TRIAL, "", TRIALS_MAX, now_seconds))[0]

    async def _read(self, kind: str, after: str, limit: int, now_seconds: float) -> tuple[list[Message], bool]:
        messages = []
        documents = await self._store.list_documents(self._space, kind, "", after, limit)
        for document in documents:
            try:
                found = _decode(document.raw)
            except msgspec.MsgspecError as error:  # of a newer release: it stays for that
                log = get_logger("notifications")
                log.error("message cannot be read", target=self._target, name=document.name, error=str(error))
                continue
            one = Message(bytes.fromhex(document.name), found.order, found.at_us, found.body, now_seconds)
            one.stored = True
            one.is_trial = kind == _TRIAL
            messages.append(one)
        return messages, len(documents) >= limit

    async def count(self) -> int:
        """How many messages wait, up to ``COUNT_MAX``."""
        counted, after = 0, ""
        while counted < COUNT_MAX:
            page = await self._store.list_documents(self._space, _MESSAGE, "", after, COUNT_PAGE)
            counted += len(page)
            if len(page) < COUNT_PAGE:
                break
            after = page[-1].name
        return counted
