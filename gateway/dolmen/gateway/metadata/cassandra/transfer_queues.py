"""Entries of queues and repairs in Cassandra as items that are moved: see ``Transferable``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from dolmen.core.checksums import crc32c
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.queues import REGISTER, SLICE_US, SPREAD, TimeQueue
from dolmen.gateway.metadata.cassandra.repairs import SPREAD as REPAIRS_SPREAD
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.records import Event, GarbageNote, RepairRow
from dolmen.gateway.metadata.transfer import EventItem, GarbageItem, Item, Page, Place, RepairItem

TIME_BYTES = 8  # at the beginning of an id here
FOREIGN_ID_BYTES = 16  # ids of garbage notes elsewhere: they tell no time

_REGISTER = Statement("SELECT id FROM queue_entries WHERE queue = ? AND slice = ? AND h = 0", Kind.READ)
_ENTRIES = Statement(
    "SELECT id, due_us, body FROM queue_entries WHERE queue = ? AND slice = ? AND h = ? AND id > ? LIMIT ?", Kind.READ
)
_ENTRY = Statement("SELECT id, due_us, body FROM queue_entries WHERE queue = ? AND slice = ? AND h = ? AND id = ?", Kind.READ)
_SLOTS = Statement("SELECT stripe_id, slot, pg FROM repairs WHERE h = ? AND stripe_id = ?", Kind.READ)

_encode = msgspec.msgpack.Encoder().encode
_decode_layout = msgspec.msgpack.Decoder(ObjectLayout).decode
_decode_event = msgspec.msgpack.Decoder(Event).decode


class _At(msgspec.Struct, frozen=True, array_like=True):
    """Behind which entry a walk goes on."""

    number: int  # of the slice
    h: int
    entry_id: bytes


_decode_at = msgspec.msgpack.Decoder(_At).decode


class QueueItems:
    """The entries of one queue."""

    def __init__(
        self,
        cql: Cql,
        name: str,
        queue: TimeQueue,
        stamps: Stamps,
        item_of: Callable[[Row], Item],
        id_of: Callable[[bytes | str | int], bytes],
    ) -> None:
        """``name``: of the queue. ``item_of`` makes an item of (id, due_us, body), ``id_of`` an id of what an item's place has."""
        self._cql = cql
        self._name = name
        self._queue = queue
        self._stamps = stamps
        self._item_of = item_of
        self._id_of = id_of

    async def dump(self, after: bytes, limit: int) -> Page:
        """By slices, partitions of a slice, and ids."""
        at = _decode_at(after) if after else _At(0, 0, b"")
        register = await self._cql.run(_REGISTER, self._name, REGISTER)
        numbers = sorted(int.from_bytes(row[0], "big") for row in register)
        rows: list[Row] = []
        for number in [number for number in numbers if number >= at.number]:
            for h in range(at.h if number == at.number else 0, SPREAD):
                behind = at.entry_id if (number, h) == (at.number, at.h) else b""
                rows += await self._cql.run(_ENTRIES, self._name, number, h, behind, limit - len(rows))
                if len(rows) >= limit:
                    return Page([self._item_of(row) for row in rows], _encode(_At(number, h, rows[-1][0])))
        return Page([self._item_of(row) for row in rows], None)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        found = await together(self._entry(self._id_of(place[0])) for place in places)
        return [self._item_of(row) for rows in found for row in rows]

    async def _entry(self, entry_id: bytes) -> list[Row]:
        number = int.from_bytes(entry_id[:TIME_BYTES], "big") // SLICE_US
        return await self._cql.run(_ENTRY, self._name, number, crc32c(entry_id) % SPREAD, entry_id)

    async def load(self, items: Sequence[Item]) -> None:
        await together(self._add(item) for item in items)

    async def _add(self, item: Item) -> None:
        # A stamp of now: what was finished here before, and is there again, is there again.
        if isinstance(item, GarbageItem):
            note = item.note
            await self._queue.add(entry_id_of(note.note_id), note.due_us, _encode(note.layout), self._stamps.next())
        else:
            assert isinstance(item, EventItem)
            event = item.event
            await self._queue.add(event.event_id, event.due_us, _encode(event), self._stamps.next())

    async def forget(self, places: Sequence[Place]) -> None:
        await self._queue.finish([self._id_of(place[0]) for place in places])


def entry_id_of(note_id: bytes | str | int) -> bytes:
    """Ids of queues begin with a time. One that has none is put into the first slice of all, always at the same place of it."""
    assert isinstance(note_id, bytes)
    if len(note_id) != FOREIGN_ID_BYTES:
        return note_id
    return (int.from_bytes(note_id[:TIME_BYTES], "big") % SLICE_US).to_bytes(TIME_BYTES, "big") + note_id


def same_id(event_id: bytes | str | int) -> bytes:
    """Ids of events begin with their time everywhere."""
    assert isinstance(event_id, bytes)
    return event_id


def note_id_of(entry_id: bytes) -> bytes:
    """The id that the note has elsewhere."""
    note_id = entry_id[TIME_BYTES:]
    return note_id if len(note_id) == FOREIGN_ID_BYTES and entry_id_of(note_id) == entry_id else entry_id


def garbage_item(row: Row) -> GarbageItem:
    """From (id, due_us, body)."""
    entry_id, due_us, body = row
    return GarbageItem(GarbageNote(note_id=note_id_of(entry_id), due_us=due_us, layout=_decode_layout(body)))


def event_item(row: Row) -> EventItem:
    """From (id, due_us, body)."""
    _, due_us, body = row
    return EventItem(msgspec.structs.replace(_decode_event(body), due_us=due_us))


class RepairItems:
    """The items of kind REPAIR."""

    def __init__(self, cql: Cql, repairs: Repairs) -> None:
        self._cql = cql
        self._repairs = repairs

    async def dump(self, after: bytes, limit: int) -> Page:
        rows = await self._repairs.list(after, limit)
        return Page([RepairItem(row) for row in rows], rows[-1].stripe_id if len(rows) == limit else None)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        return [RepairItem(row) for row in await self._held(places)]

    async def _held(self, places: Sequence[Place]) -> list[RepairRow]:
        found = await together(self._row(place[0]) for place in places)
        return [row for row in found if row is not None]

    async def _row(self, stripe_id: bytes | str | int) -> RepairRow | None:
        assert isinstance(stripe_id, bytes)
        rows = await self._cql.run(_SLOTS, crc32c(stripe_id) % REPAIRS_SPREAD, stripe_id)
        return RepairRow(rows[0][2], stripe_id, tuple(sorted(row[1] for row in rows))) if rows else None

    async def load(self, items: Sequence[Item]) -> None:
        rows = [item.row for item in items if isinstance(item, RepairItem)]
        wanted = {row.stripe_id: set(row.slots) for row in rows}
        held = await self._held([(stripe_id,) for stripe_id in wanted])
        beyond = [RepairRow(row.pg, row.stripe_id, tuple(set(row.slots) - wanted[row.stripe_id])) for row in held]
        await self._repairs.finish([row for row in beyond if row.slots])
        await self._repairs.add(rows)

    async def forget(self, places: Sequence[Place]) -> None:
        await self._repairs.finish(await self._held(places))
