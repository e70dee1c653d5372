"""What a change leaves behind beside itself: garbage, repairs, events. Durable in the same batch, copied to the queues later.

The copies have ids that follow from the change, so copying again is the same; and a later change of the key copies what it finds
before it puts its own notes in the place. So nothing is ever forgotten, and nothing costs a conditional write of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.records import Event, RepairRow

COPIED_MAX = 65_536  # changes known to be copied, ~200 bytes each; one that was forgotten is copied once more
NEVER_HAPPENED = 0xFFFF  # the number of the note about data that was handed over with a change that never happened
EVENT_AGAIN_SECONDS = 7 * 86_400  # older events are not copied again: what told that they were delivered may be gone by now

_encode = msgspec.msgpack.Encoder().encode


class Notes(msgspec.Struct, frozen=True, array_like=True):
    """The notes of one change of one key."""

    seq: int  # of the change: the timestamp of the copies
    op: bytes
    at_us: int
    due_us: int  # of the garbage
    garbage: tuple[ObjectLayout, ...] = ()
    repairs: tuple[RepairRow, ...] = ()
    events: tuple[Event, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.garbage or self.repairs or self.events)


_decode = msgspec.msgpack.Decoder(Notes).decode


def encode_notes(notes: Notes) -> bytes:
    """What the column ``pending`` holds."""
    return _encode(notes)


class NoteBook:
    """Copies notes to the queues."""

    def __init__(self, garbage: TimeQueue, events: TimeQueue, repairs: Repairs, clock: Clock) -> None:
        self._garbage = garbage
        self._events = events
        self._repairs = repairs
        self._clock = clock
        self._copied: OrderedDict[bytes, None] = OrderedDict()  # ops

    async def copy_found(self, raw: bytes) -> None:
        """Copy what a head held, unless this process knows that it is done."""
        if raw:
            notes = _decode(raw)
            if notes.op not in self._copied:
                await self.copy(notes)

    async def copy(self, notes: Notes) -> None:
        """Every note into its queue; again and again is the same."""
        again_us = self._clock.now_us() - notes.at_us
        events = notes.events if again_us < EVENT_AGAIN_SECONDS * 1_000_000 else ()
        await asyncio.gather(
            *(
                self._garbage.add(garbage_id(notes, number), notes.due_us, _encode(layout), notes.seq)
                for number, layout in enumerate(notes.garbage)
            ),
            *(self._events.add(event.event_id, event.due_us, _encode(event), notes.seq) for event in events),
            *([self._repairs.add(notes.repairs)] if notes.repairs else ()),
        )
        self._copied[notes.op] = None
        if len(self._copied) > COPIED_MAX:
            self._copied.popitem(last=False)


def new_garbage_id(due_us: int) -> bytes:
    """18 bytes for a note that no change made."""
    return due_us.to_bytes(8, "big") + secrets.token_bytes(10)


def garbage_id(notes: Notes, number: int) -> bytes:
    """18 bytes: when it is due, then what names the note."""
    return notes.due_us.to_bytes(8, "big") + notes.op + number.to_bytes(2, "big")
