"""Rows of a part of a shard's range, from all partitions of the shard, merged."""

from __future__ import annotations

import asyncio
from heapq import merge
from math import isqrt
from operator import itemgetter
from typing import NamedTuple

from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.shards import Place, Shard

_key = itemgetter(0)


class RangeRows(NamedTuple):
    """(key, summary) in the order of the table; all rows with start <= key < ``behind``."""

    rows: list[Row]
    behind: bytes | None  # None: as far as was asked for
    cut: bytes | None = None  # this key of the range has too many rows: none of them is told


class RangeTable:
    """One of the listing tables."""

    def __init__(self, name: str, *, one_row_a_key: bool) -> None:
        text = f"SELECT key, summary FROM {name} WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key >= ?"  # noqa: S608
        self._one_row_a_key = one_row_a_key
        self._open = Statement(f"{text} LIMIT ?", Kind.READ)
        self._bounded = Statement(f"{text} AND key < ? LIMIT ?", Kind.READ)

    async def read(
        self, cql: Cql, bucket_id: bytes, shard: Shard, start: bytes, end: bytes | None, wanted: int
    ) -> RangeRows:
        """About ``wanted`` >= 1 rows with start <= key < end, and always whole keys. One statement for each partition.

        With several partitions each is asked for its share and some more; what is told ends where the first of them ends.
        """
        places = shard.own()
        share = _share(wanted, len(places))
        parts = await asyncio.gather(*(self._part(cql, bucket_id, place, start, end, share) for place in places))
        full = [part[-1][0] for part in parts if len(part) >= share]
        rows = parts[0] if len(parts) == 1 else list(merge(*parts, key=_key))
        if not full:
            return RangeRows(rows, None)
        last: bytes = min(full)
        if self._one_row_a_key:
            return RangeRows([row for row in rows if row[0] <= last], last + b"\0")
        whole = [row for row in rows if row[0] < last]  # of ``last`` there may be more
        return RangeRows(whole, last) if whole else RangeRows([], last + b"\0", last)

    async def _part(
        self, cql: Cql, bucket_id: bytes, place: Place, start: bytes, end: bytes | None, limit: int
    ) -> list[Row]:
        where = bucket_id, place.shard_id, place.sub, start
        if end is None:
            return await cql.run(self._open, *where, limit)
        return await cql.run(self._bounded, *where, end, limit)


def _share(wanted: int, partitions: int) -> int:
    """How many rows each partition is asked for: keys are spread by their hash, so three deviations nearly always suffice."""
    if partitions == 1:
        return wanted
    even = wanted // partitions + 1
    return min(wanted, even + 3 * isqrt(even))


CURRENT = RangeTable("listing", one_row_a_key=True)
VERSIONS = RangeTable("listing_versions", one_row_a_key=False)
