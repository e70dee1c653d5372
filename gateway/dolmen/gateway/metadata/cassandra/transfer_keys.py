"""Versions in Cassandra as items that are moved: see ``Transferable``.

Loading is by conditional changes too, as all changes of the truth: whatever was begun before, and lands late, finds that its
condition no longer holds. It costs a cluster about three times the work of plain writes, in a pass that nobody waits for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.fresh_ranges import FreshRanges
from dolmen.gateway.metadata.cassandra.notes import NoteBook
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.cassandra.token_walk import TokenTable
from dolmen.gateway.metadata.cassandra.truth import Head, Update, new_op
from dolmen.gateway.metadata.decide import Change
from dolmen.gateway.metadata.records import NULL_VERSION, ListRow, VersionRecord
from dolmen.gateway.metadata.rows import NULL_SLOT, decode_row, slot_of, version_of_rows
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown
from dolmen.gateway.metadata.transfer import Item, Page, Place, VersionItem

BATCH_ROWS = 100  # of one conditional change; 5 MB at worst, with descriptions of 10,000 parts each
SLOTS_EACH_MAX = 100  # of one read
CHANGE_SECONDS = 30.0  # a change whose answer is lost, or that somebody else is faster than, is tried so long
CHANGED_PAGE_KEYS = 1000

_VERSIONS = TokenTable("objects", ("bucket_id", "key"), ("slot",), "move, summary, rest", order="<")
_HEADS = TokenTable("objects", ("bucket_id", "key"), (), "head_seq, pending")
_EXACT = Statement("SELECT slot, move, summary, rest FROM objects WHERE bucket_id = ? AND key = ? AND slot IN ?", Kind.READ)
_STATE = Statement("SELECT head_seq, head_op, move, slot, summary FROM objects WHERE bucket_id = ? AND key = ?", Kind.READ)
_NEVER = Head(None, None, None, b"", None, (), ())

Key = tuple[bytes, bytes]  # bucket id, key


class KeyPage(NamedTuple):
    """Some keys, and how to go on; ``after`` None: this was the last page."""

    keys: list[Key]
    after: bytes | None


class _State(NamedTuple):
    """A key as it is before a change."""

    head: Head
    rows: dict[int, ListRow]  # by slot

    def record(self, slot: int) -> VersionRecord | None:
        """What usage is counted by, of the version at a slot."""
        row = self.rows.get(slot)
        if row is None:
            return None
        return VersionRecord(
            key=row.key, version_id=row.version_id, seq=row.seq, size=row.size, is_delete_marker=row.is_delete_marker
        )


class VersionItems:
    """The items of kind VERSION."""

    def __init__(self, cql: Cql, parts: Parts, bucket_ids: Callable[[], Awaitable[frozenset[bytes]]]) -> None:
        """``bucket_ids``: of all buckets."""
        self._cql = cql
        self._parts = parts
        self._bucket_ids = bucket_ids
        self._buckets: frozenset[bytes] | None = None  # as they were when the walk began
        self._ranges = FreshRanges(cql, parts.shard_map, parts.stamps, secrets.randbits(62) + 1)
        self._book = NoteBook(parts.garbage, parts.events, parts.repairs, parts.clock)

    # ---- reading -------------------------------------------------------------------------------------------------

    async def dump(self, after: bytes, limit: int) -> Page:
        """In the order of tokens. What belongs to no bucket is left out: late writes to one that is gone."""
        if not after or self._buckets is None:
            self._buckets = await self._bucket_ids()
        page = await _VERSIONS.page(self._cql, after, limit)
        items: list[Item] = []
        for row in page.rows:
            _, bucket_id, key, slot, move, summary, rest = row
            if bucket_id not in self._buckets or slot is None:
                continue
            if not move:
                items.append(VersionItem(bucket_id, version_of_rows(summary, rest)))
                continue
            record = await self._parts.truth.current(bucket_id, key)  # being renamed: only its reader knows where it is
            items += [] if record is None else [VersionItem(bucket_id, record)]
        return Page(items, page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        groups: dict[Key, list[int]] = {}
        for bucket_id, key, slot in places:
            groups.setdefault((bucket_id, key), []).append(slot)  # type: ignore[arg-type]
        found = await together(self._fetch_key(*where, slots) for where, slots in groups.items())
        return [item for items in found for item in items]

    async def _fetch_key(self, bucket_id: bytes, key: bytes, slots: Sequence[int]) -> list[Item]:
        rows: list[Row] = []
        for at in range(0, len(slots), SLOTS_EACH_MAX):
            rows += await self._cql.run(_EXACT, bucket_id, key, tuple(slots[at : at + SLOTS_EACH_MAX]))
        rows = [row for row in rows if row[0] is not None]
        if any(row[1] for row in rows):
            record = await self._parts.truth.current(bucket_id, key)
            return [] if record is None else [VersionItem(bucket_id, record)]
        return [VersionItem(bucket_id, version_of_rows(summary, rest)) for _, _, summary, rest in rows]

    async def slots(self, bucket_id: bytes, key: bytes) -> list[int]:
        return list((await self._state(bucket_id, key)).rows)

    async def changed_keys(self, since_us: int, after: bytes) -> KeyPage:
        """Keys whose heads were moved since. What their last changes noted is in the queues afterwards."""
        page = await _HEADS.page(self._cql, after, CHANGED_PAGE_KEYS)
        changed = [row for row in page.rows if row[3] is not None and row[3] >= since_us]
        # Its writer does so itself, unless it died.
        await together(self._book.copy_found(row[4] or b"") for row in changed)
        return KeyPage([(row[1], row[2]) for row in changed], page.after)

    # ---- changing ------------------------------------------------------------------------------------------------

    async def load(self, items: Sequence[Item]) -> None:
        buckets: dict[bytes, dict[bytes, list[VersionRecord]]] = {}
        for item in items:
            assert isinstance(item, VersionItem)
            buckets.setdefault(item.bucket_id, {}).setdefault(item.record.key, []).append(item.record)
        for bucket_id, keys in buckets.items():
            await self._ranges.begin(bucket_id, min(keys))
            await together(self._load_key(bucket_id, key, records) for key, records in keys.items())
            rows = sum(len(records) + (slot_of(records[0]) != NULL_SLOT) for records in keys.values())
            await self._ranges.note(bucket_id, rows, sum(map(len, keys)) // len(keys))
        await self._parts.usage.flush()

    async def forget(self, places: Sequence[Place]) -> None:
        groups: dict[Key, list[int]] = {}
        for bucket_id, key, slot in places:
            groups.setdefault((bucket_id, key), []).append(slot)  # type: ignore[arg-type]
        await together(self._forget_key(*where, slots) for where, slots in groups.items())
        await self._parts.usage.flush()

    async def _load_key(self, bucket_id: bytes, key: bytes, records: Sequence[VersionRecord]) -> None:
        op = new_op()
        if len(records) == 1 and await self._load_fresh(bucket_id, key, records[0], op):
            return
        for at in range(0, len(records), BATCH_ROWS):
            await self._change(bucket_id, key, put=tuple(records[at : at + BATCH_ROWS]), tried=op)
        await self._parts.listing.reindex(bucket_id, key)

    async def _load_fresh(self, bucket_id: bytes, key: bytes, record: VersionRecord, op: bytes) -> bool:
        """The first version of a key that was never written: two statements. False: the key is there, or nobody can tell."""
        update = Update(record.seq, op, record, put=(record,))
        try:
            if not (await self._parts.commits.change(bucket_id, key, _NEVER, update)).applied:
                return False
        except MetadataUnknown:
            return False
        self._count(bucket_id, _State(_NEVER, {}), (record,), ())
        places = await self._parts.shard_map.places(bucket_id, key)
        change = Change(before=None, after=record, added=record)
        await self._parts.listing.write_change(bucket_id, key, places, change, record.seq, versioned=False)
        return True

    async def _forget_key(self, bucket_id: bytes, key: bytes, slots: Sequence[int]) -> None:
        for at in range(0, len(slots), BATCH_ROWS):
            await self._change(bucket_id, key, drop=tuple(slots[at : at + BATCH_ROWS]))
        await self._parts.listing.reindex(bucket_id, key)
        head = await self._parts.truth.head(bucket_id, key)
        await self._parts.heads.add_if_empty(bucket_id, key, head)

    async def _change(
        self,
        bucket_id: bytes,
        key: bytes,
        put: tuple[VersionRecord, ...] = (),
        drop: tuple[int, ...] = (),
        tried: bytes = b"",
    ) -> None:
        """Change the key's rows, whatever it is now. Raises ``MetadataUnavailable``, ``MetadataUnknown``: then again.

        ``tried``: op of an attempt to do this with a key that was not there.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CHANGE_SECONDS
        before = _State(_NEVER, {})
        for pause_seconds in pauses():
            state = await self._state(bucket_id, key)
            gone = tuple(slot for slot in drop if slot in state.rows)
            if tried and state.head.op == tried:  # its answer was lost
                self._count(bucket_id, before, put, drop)
                return
            if not put and not gone:
                return
            update = _update(key, state, put, gone)
            before, tried = state, update.op
            try:
                if (await self._parts.commits.change(bucket_id, key, state.head, update)).applied:
                    self._count(bucket_id, state, put, gone)
                    return
            except MetadataUnknown:
                if loop.time() > deadline:
                    raise
            if loop.time() > deadline:
                raise MetadataUnavailable("a key that is being loaded is changed by others again and again")
            await asyncio.sleep(pause_seconds)

    def _count(self, bucket_id: bytes, before: _State, put: Sequence[VersionRecord], drop: Sequence[int]) -> None:
        """The usage of the bucket follows."""
        for record in put:
            self._parts.usage.note(bucket_id, Change(before=None, after=None, added=record, removed=before.record(slot_of(record))))
        for slot in drop:
            self._parts.usage.note(bucket_id, Change(before=None, after=None, removed=before.record(slot)))

    async def _state(self, bucket_id: bytes, key: bytes) -> _State:
        rows = await self._cql.run(_STATE, bucket_id, key)
        if not rows:
            return _State(_NEVER, {})
        seq, op, move = rows[0][:3]
        if move and rows[0][3] is not None:
            raise MetadataUnavailable("a key is being renamed: let maintenance finish it, and run this again")
        found = {row[3]: decode_row(row[4]) for row in rows if row[3] is not None}
        return _State(Head(seq, op, None, b"", None, (), ()), found)


def _update(key: bytes, state: _State, put: tuple[VersionRecord, ...], drop: tuple[int, ...]) -> Update:
    seqs = {slot: row.seq for slot, row in state.rows.items() if slot not in drop}
    seqs |= {slot_of(record): record.seq for record in put}
    newest = max(seqs, key=lambda slot: seqs[slot], default=None)
    seq = max([state.head.floor_seq, *seqs.values()])
    return Update(seq, new_op(), None if newest is None else _standing(key, newest, seqs[newest]), put=put, drop=drop)


def _standing(key: bytes, slot: int, seq: int) -> VersionRecord:
    """A version of which only its place among the others is needed."""
    return VersionRecord(key=key, version_id=NULL_VERSION if slot == NULL_SLOT else "", seq=seq)
