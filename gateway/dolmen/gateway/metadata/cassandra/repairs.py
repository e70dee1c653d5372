"""Slots of stripes that wait to be rebuilt: one row for each, so that what is found by different processes adds up by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dolmen.core.checksums import crc32c
from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.records import RepairRow

SPREAD = 16  # partitions of the table. Stored: never change it
STRIPES_EACH_MAX = 100  # of one read by ids
COUNT_ROWS = 10_000  # stripes of one read that counts

_HS = "(" + ", ".join(map(str, range(SPREAD))) + ")"
_PUT = Statement("INSERT INTO repairs (h, stripe_id, slot, pg) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE)
_DELETE = Statement("DELETE FROM repairs USING TIMESTAMP ? WHERE h = ? AND stripe_id = ? AND slot = ?", Kind.WRITE)
_USED = Statement(
    f"SELECT h FROM repairs WHERE h IN {_HS} AND stripe_id > ? PER PARTITION LIMIT 1", Kind.READ  # noqa: S608 - constant
)
_STRIPES = Statement("SELECT stripe_id FROM repairs WHERE h = ? AND stripe_id > ? GROUP BY h, stripe_id LIMIT ?", Kind.READ)
_SLOTS = Statement("SELECT stripe_id, slot, pg, WRITETIME(pg) FROM repairs WHERE h = ? AND stripe_id IN ?", Kind.READ)

_Rows = list[RepairRow]  # within the class ``list`` is a method


class Repairs:
    """The durable repair rows."""

    def __init__(self, cql: Cql, clock: Clock) -> None:
        self._cql = cql
        self._stamps = Stamps(clock)

    async def add(self, rows: Sequence[RepairRow]) -> None:
        """Merged with what is known of the same stripes. What is known already costs a read: a rotten slot may be read often."""
        known = {(row[0], row[1]) for row in await self._slots([row.stripe_id for row in rows])}
        stamp_us = self._stamps.next()
        await self._write(
            [
                Bound(_PUT, (_h(row.stripe_id), row.stripe_id, slot, row.pg, stamp_us))
                for row in rows
                for slot in dict.fromkeys(row.slots)
                if (row.stripe_id, slot) not in known
            ]
        )

    async def finish(self, rows: Sequence[RepairRow]) -> None:
        """These slots are whole. Slots that were added meanwhile stay."""
        done = {(row.stripe_id, slot) for row in rows for slot in row.slots}
        # With the time of the write itself: a slot that is found lost once more, by whatever clock, is written later than that.
        await self._write(
            [
                Bound(_DELETE, (stamp_us, _h(stripe_id), stripe_id, slot))
                for stripe_id, slot, _, stamp_us in await self._slots([row.stripe_id for row in rows])
                if (stripe_id, slot) in done
            ]
        )

    async def count(self) -> int:
        """How many stripes wait."""

        async def one(h: int) -> int:
            total, after = 0, b""
            while True:
                rows = await self._cql.run(_STRIPES, h, after, COUNT_ROWS)
                total += len(rows)
                if len(rows) < COUNT_ROWS:
                    return total
                after = rows[-1][0]

        return sum(await asyncio.gather(*map(one, await self._used(b""))))

    async def list(self, after: bytes, limit: int) -> _Rows:
        """Rows in the order of stripe ids, > ``after``. One statement when there is nothing."""
        found = await asyncio.gather(*(self._cql.run(_STRIPES, h, after, limit) for h in await self._used(after)))
        stripe_ids = sorted(row[0] for rows in found for row in rows)[:limit]
        slots: dict[bytes, tuple[int, set[int]]] = {}
        for stripe_id, slot, pg, _ in await self._slots(stripe_ids):
            slots.setdefault(stripe_id, (pg, set()))[1].add(slot)
        return [RepairRow(slots[each][0], each, tuple(sorted(slots[each][1]))) for each in stripe_ids if each in slots]

    async def _used(self, after: bytes) -> tuple[int, ...]:
        return tuple(row[0] for row in await self._cql.run(_USED, after))

    async def _slots(self, stripe_ids: Sequence[bytes]) -> Sequence[Row]:
        groups: dict[int, dict[bytes, None]] = {}
        for stripe_id in stripe_ids:
            groups.setdefault(_h(stripe_id), {})[stripe_id] = None
        reads = [
            self._cql.run(_SLOTS, h, ids[at : at + STRIPES_EACH_MAX])
            for h, ids in ((h, tuple(group)) for h, group in groups.items())
            for at in range(0, len(ids), STRIPES_EACH_MAX)
        ]
        return [row for rows in await asyncio.gather(*reads) for row in rows]

    async def _write(self, bound: Sequence[Bound]) -> None:
        groups: dict[object, Sequence[Bound]] = {}
        for one in bound:
            h = one.values[0 if one.statement is _PUT else 1]
            groups[h] = (*groups.get(h, ()), one)
        batches = [
            group[at : at + BATCH_STATEMENTS_MAX] for group in groups.values() for at in range(0, len(group), BATCH_STATEMENTS_MAX)
        ]
        await asyncio.gather(*map(self._cql.batch, batches))


def _h(stripe_id: bytes) -> int:
    return crc32c(stripe_id) % SPREAD
