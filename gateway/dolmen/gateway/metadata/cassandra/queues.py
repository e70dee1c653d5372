"""Queues in the order of time: entries in slices of ten minutes, found through a register of slices.

An id begins with the time that decides its slice, so that a slice is finished some day and then never read again: tombstones are
not walked over and over. The register is a partition of the same table. Writers put the entry first, *then* its slice into the
register; they leave that out only for what comes in time into a slice that they have put there before. Whatever comes late stamps
the register anew, and that is how readers learn that something came behind what they have read already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from dolmen.core.checksums import crc32c
from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.stamps import Stamps

_SECOND_US = 1_000_000
SLICE_US = 600 * _SECOND_US
SPREAD = 8  # partitions of a slice: 1,000 entries a second make 75,000 rows in each. Stored: never change it
REGISTER = -1  # the "slice" that lists the slices of a queue
WINDOW_US = 60 * _SECOND_US  # of one read: at 1,000 entries a second 7,500 tombstones in a partition (100,000 fail a read)
PAGE_ROWS = 1000  # of one window; of one that has more a half is read
EXACT_ROWS = 100  # entries of one read by id
LATE_US = 10 * _SECOND_US  # what is acknowledged later than this after its time stamps the register anew
SETTLED_US = 30 * _SECOND_US  # up to so long ago nothing comes unseen any more: LATE_US, and what clocks may differ
OVER_US = 3600 * _SECOND_US  # how long a slice and its last stamp must be over before it is unregistered: no clock is so wrong
SLOW_US = OVER_US // 2  # a stamp that took longer to arrive is put again
RECHECK_SECONDS = 900.0  # so often everything is read anew, whatever was remembered: clocks may have been set back
REGISTER_SLICES = 144  # a day: how far back the register is read between two rechecks
REMEMBERED_MAX = 100_000  # waiting entries known by id, ~150 bytes each; with more of them nothing is remembered
REGISTERED_MAX = 4096  # slices that this process has put into the register
IN_FLIGHT_MAX = 16  # statements of one call

_HS = "(" + ", ".join(map(str, range(SPREAD))) + ")"
_PUT = Statement(
    "INSERT INTO queue_entries (queue, slice, h, id, due_us, body) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_DELETE = Statement("DELETE FROM queue_entries USING TIMESTAMP ? WHERE queue = ? AND slice = ? AND h = ? AND id = ?", Kind.WRITE)
_SLICES = Statement("SELECT id, due_us FROM queue_entries WHERE queue = ? AND slice = ? AND h = 0 AND id >= ?", Kind.READ)
_STAMP = Statement("SELECT due_us FROM queue_entries WHERE queue = ? AND slice = ? AND h = 0 AND id = ?", Kind.READ)
_WINDOW = Statement(
    "SELECT id, due_us, body, WRITETIME(body) FROM queue_entries "  # noqa: S608 - constant
    f"WHERE queue = ? AND slice = ? AND h IN {_HS} AND id >= ? AND id < ? LIMIT ?",
    Kind.READ,
)
_EXACT = Statement(
    "SELECT id, due_us, body, WRITETIME(body) FROM queue_entries WHERE queue = ? AND slice = ? AND h = ? AND id IN ?", Kind.READ
)
_COUNT = Statement(
    "SELECT count(*) FROM queue_entries WHERE queue = ? AND slice = ? AND h = ? AND id >= ? AND id < ?", Kind.READ
)

Change = Callable[[bytes], bytes]  # of a body


class Entry(NamedTuple):
    """What waits in a queue."""

    id: bytes
    due_us: int
    body: bytes


class _Slice:
    """What this process knows of a slice; true as long as the register holds ``stamp_us`` for it."""

    __slots__ = ("frontier_us", "stamp_us", "waiting")

    def __init__(self, number: int, stamp_us: int) -> None:
        self.stamp_us = stamp_us
        self.frontier_us = number * SLICE_US  # everything before was read: what of it is not in ``waiting`` is finished
        self.waiting: dict[bytes, int] = {}  # when they are due, in the order of ids


class TimeQueue:
    """One queue. An id is at least 8 bytes, of which the first 8 are a time (microseconds, big-endian); it is never due before."""

    def __init__(self, cql: Cql, name: str, clock: Clock) -> None:
        self._cql = cql
        self._name = name
        self._clock = clock
        self._stamps = Stamps(clock)
        self._latest_us = 0  # of the clock
        self._registered: set[int] = set()  # slices put into the register by this process, none of them over
        self._slices: dict[int, _Slice] = {}
        self._rechecked_seconds: float | None = None  # None: nothing is known yet
        self._low = 0  # the register is read from this slice on
        self._reading = asyncio.Lock()

    async def add(self, entry_id: bytes, due_us: int, body: bytes, stamp_us: int) -> None:
        """Durable when it returns. Again with the same stamp is the same, also after the entry was finished."""
        number, h = _place(entry_id)
        await self._cql.run(_PUT, self._name, number, h, entry_id, due_us, body, stamp_us)
        late = _time_of(entry_id) < self._now_us() - LATE_US  # asked only now: the write may have taken long
        if late or number not in self._registered:
            await self._register(number)

    async def due(self, now_us: int, limit: int) -> list[Entry]:
        """What is due, at most ``limit``, in the order of ids. One statement when no slice is registered."""
        async with self._reading:
            register = await self._read_register()
            found: list[Entry] = []
            for number, stamp_us in register:
                if number * SLICE_US > now_us or len(found) >= limit:
                    break
                known = self._known(number, stamp_us)
                found += await self._due_of(number, known, now_us, limit - len(found))
            await self._unregister(register)
            if sum(len(known.waiting) for known in self._slices.values()) > REMEMBERED_MAX:
                self._slices.clear()
            return found

    async def finish(self, ids: Sequence[bytes]) -> None:
        """Forget entries; those that are not there are left alone."""
        # With the time of their own writes, whatever the clocks say: what is only repeated stays finished.
        rows = await self._read_exactly(ids)
        await self._write({each: Bound(_DELETE, (stamp_us, self._name, *_place(each), each)) for each, _, _, stamp_us in rows})
        for entry_id in ids:
            known = self._slices.get(_place(entry_id)[0])
            if known is not None:
                known.waiting.pop(entry_id, None)

    async def postpone(self, ids: Sequence[bytes], due_us: int, change: Change) -> None:
        """Entries that are there become due at ``due_us``, or at the time in their ids if that is later, with a changed body."""
        puts: dict[bytes, Bound] = {}
        sooner: set[int] = set()  # slices of entries that others may remember as due later than they are now
        for row in await self._read_exactly(ids):
            entry_id, before_us, body, stamp_us = row
            then_us = max(due_us, _time_of(entry_id))
            if then_us < before_us:
                sooner.add(_place(entry_id)[0])
            later_us = max(self._stamps.next(), stamp_us + 1)
            puts[entry_id] = Bound(_PUT, (self._name, *_place(entry_id), entry_id, then_us, change(body), later_us))
            known = self._slices.get(_place(entry_id)[0])
            if known is not None and entry_id in known.waiting:
                known.waiting[entry_id] = then_us
        await self._write(puts)
        for number in sooner:
            await self._register(number)

    async def count(self) -> int:
        """How many entries wait, due or not."""
        async with self._reading:
            total = 0
            for number, stamp_us in await self._read_register():
                total += await self._count_of(number, self._known(number, stamp_us))
            return total

    # ---- the register --------------------------------------------------------------------------------------------

    async def _register(self, number: int) -> None:
        while True:
            # The entry is there; now larger than any stamp that a reader may have seen before that, whatever the clocks say.
            rows = await self._cql.run(_STAMP, self._name, REGISTER, _id_at(number))
            stamp_us = max(self._stamps.next(), rows[0][0] + 1 if rows else 0)
            await self._cql.run(_PUT, self._name, REGISTER, 0, _id_at(number), stamp_us, b"", stamp_us)
            now_us = self._now_us()
            if now_us - stamp_us < SLOW_US:  # else a reader may have unregistered the slice with a later stamp
                break
        current = now_us // SLICE_US
        if number >= current:
            self._registered = {each for each in self._registered if each >= current}
            if len(self._registered) < REGISTERED_MAX:
                self._registered.add(number)

    async def _read_register(self) -> list[tuple[int, int]]:
        """(slice, stamp) in order. Forgets what is no longer so."""
        now_seconds = self._clock.monotonic_seconds()
        now_us = self._now_us()
        if self._rechecked_seconds is None or not 0 <= now_seconds - self._rechecked_seconds < RECHECK_SECONDS:
            self._slices.clear()
            self._low = 0
        rows = await self._cql.run(_SLICES, self._name, REGISTER, _id_at(self._low))
        register = [(int.from_bytes(row[0], "big"), row[1]) for row in rows]
        if self._low == 0:
            self._rechecked_seconds = now_seconds
        first = register[0][0] if register else now_us // SLICE_US
        self._low = max(0, min(first, now_us // SLICE_US - REGISTER_SLICES))
        stamps = dict(register)
        self._slices = {number: known for number, known in self._slices.items() if stamps.get(number) == known.stamp_us}
        return register

    async def _unregister(self, register: Iterable[tuple[int, int]]) -> None:
        over_us = self._now_us() - OVER_US
        for number, stamp_us in register:
            known = self._slices.get(number)
            end_us = (number + 1) * SLICE_US
            if end_us < over_us and stamp_us < over_us and known is not None and known.frontier_us >= end_us and not known.waiting:
                await self._cql.run(_DELETE, stamp_us, self._name, REGISTER, 0, _id_at(number))
                del self._slices[number]

    # ---- one slice -----------------------------------------------------------------------------------------------

    async def _due_of(self, number: int, known: _Slice, now_us: int, limit: int) -> list[Entry]:
        rows: list[Row] = []
        wanted = [entry_id for entry_id, due_us in known.waiting.items() if due_us <= now_us]
        for at in range(0, len(wanted), EXACT_ROWS):
            if len(rows) >= limit:
                break
            rows += [row for row in await self._read_again(known, wanted[at : at + EXACT_ROWS]) if row[1] <= now_us]
        end_us = min((number + 1) * SLICE_US, now_us + 1)
        at_us, width_us = known.frontier_us, WINDOW_US
        while at_us < end_us and len(rows) < limit:
            settled_us = self._now_us() - SETTLED_US
            until_us = min(at_us + width_us, end_us)
            page = await self._read_window(number, at_us, until_us)
            if page is None:
                width_us = (until_us - at_us) // 2
                continue
            if at_us == known.frontier_us and settled_us > at_us:
                known.frontier_us = min(until_us, settled_us)
                known.waiting.update((row[0], row[1]) for row in page if _time_of(row[0]) < known.frontier_us)
            rows += [row for row in page if row[1] <= now_us]
            at_us, width_us = until_us, min(2 * width_us, WINDOW_US)
        return [Entry(*row[:3]) for row in rows[:limit]]

    async def _read_window(self, number: int, from_us: int, until_us: int) -> list[Row] | None:
        """Entries with times in the range, in the order of ids; None: too many, unless it is a single microsecond."""
        single = until_us - from_us <= 1
        rows = await self._cql.run(
            _WINDOW, self._name, number, _id_at(from_us), _id_at(until_us), (1 << 31) - 1 if single else PAGE_ROWS
        )
        return sorted(rows) if single or len(rows) < PAGE_ROWS else None

    async def _read_again(self, known: _Slice, ids: Sequence[bytes]) -> list[Row]:
        """What is left of remembered entries: another process may have finished some."""
        rows = await self._read_exactly(ids)
        there = {row[0]: row[1] for row in rows}
        for entry_id in ids:
            if entry_id in there:
                known.waiting[entry_id] = there[entry_id]
            else:
                known.waiting.pop(entry_id, None)
        return rows

    async def _count_of(self, number: int, known: _Slice) -> int:
        end_us = (number + 1) * SLICE_US
        if known.frontier_us >= end_us and not known.waiting:
            return 0
        now_us = self._now_us()
        first_us = min([known.frontier_us, *(_time_of(entry_id) for entry_id in known.waiting)])
        # Nothing of the future is finished yet: it needs no windows.
        bounds = [first_us, *range(first_us + WINDOW_US, min(now_us, end_us), WINDOW_US), end_us]
        counts = await self._together(
            self._cql.run(_COUNT, self._name, number, h, _id_at(low), _id_at(high))
            for low, high in pairwise(bounds)
            for h in range(SPREAD)
        )
        total: int = sum(rows[0][0] for rows in counts)
        if total == 0 and end_us < now_us - SETTLED_US:
            known.frontier_us = end_us
            known.waiting.clear()
        return total

    # ---- small parts ---------------------------------------------------------------------------------------------

    def _known(self, number: int, stamp_us: int) -> _Slice:
        known = self._slices.get(number)
        if known is None:
            known = self._slices[number] = _Slice(number, stamp_us)
        return known

    def _now_us(self) -> int:
        """The time. When it was set back, what was concluded from it is forgotten."""
        now_us = self._clock.now_us()
        if now_us < self._latest_us - _SECOND_US:
            self._registered.clear()
            self._rechecked_seconds = None
            self._latest_us = now_us
        self._latest_us = max(now_us, self._latest_us)
        return now_us

    async def _read_exactly(self, ids: Sequence[bytes]) -> list[Row]:
        """Entries by id, in the order of ids."""
        reads = [
            self._cql.run(_EXACT, self._name, *place, group[at : at + EXACT_ROWS])
            for place, group in _by_place(dict.fromkeys(ids)).items()
            for at in range(0, len(group), EXACT_ROWS)
        ]
        return sorted(row for rows in await self._together(reads) for row in rows)

    async def _write(self, bound: dict[bytes, Bound]) -> None:
        batches = [
            [bound[entry_id] for entry_id in group[at : at + BATCH_STATEMENTS_MAX]]
            for group in _by_place(bound).values()
            for at in range(0, len(group), BATCH_STATEMENTS_MAX)
        ]
        await self._together(self._cql.batch(batch) for batch in batches)

    @staticmethod
    async def _together(works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
        room = asyncio.Semaphore(IN_FLIGHT_MAX)

        async def one(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
            async with room:
                return await work

        return await asyncio.gather(*map(one, works))


def _time_of(entry_id: bytes) -> int:
    return int.from_bytes(entry_id[:8], "big")


def _id_at(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _place(entry_id: bytes) -> tuple[int, int]:
    """The slice, and which partition of it."""
    return _time_of(entry_id) // SLICE_US, crc32c(entry_id) % SPREAD


def _by_place(ids: Iterable[bytes]) -> dict[tuple[int, int], list[bytes]]:
    groups: dict[tuple[int, int], list[bytes]] = {}
    for entry_id in ids:
        groups.setdefault(_place(entry_id), []).append(entry_id)
    return groups
