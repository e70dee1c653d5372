"""Copies the list rows of a shard to its children, and compares them: page by page, slowly enough that writers hardly notice.

The comparison takes the place of counts and checksums: it goes over all rows of both sides and looks at each difference until it
is explained.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.shards import Place
from dolmen.gateway.metadata.cassandra.split_map import Reshape
from dolmen.gateway.metadata.store import MetadataUnavailable

PAGE_ROWS = 500  # read at a time: ~150 KB
BATCH_ROWS = 64  # written in one mutation ...
BATCH_BYTES = 16_384  # ... and at most so many: a third of what Cassandra takes as one batch
# A range of 100,000 rows is split within a minute: its middle takes 3 s, the copy 36 s, the comparison 13 s. Faster, writers wait
# noticeably longer (measured: tests/cassandra/test_splits_large.py).
MIDDLE_ROWS_PER_SECOND = 32_000.0
COPY_ROWS_PER_SECOND = 2800.0
COMPARE_ROWS_PER_SECOND = 16_000.0  # of both sides together
CATCH_UP_SECONDS = 0.1
DIFFERING_MAX = 10_000  # keys that are looked at one by one; writers make some hundred differences while two pages are read

_PAGE = Statement(
    "SELECT key, summary, WRITETIME(summary) FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key > ? LIMIT ?",
    Kind.READ,
)
_VERSIONS_PAGE = Statement(
    "SELECT key, summary, WRITETIME(summary), seq FROM listing_versions "
    "WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key > ? LIMIT ?",
    Kind.READ,
)
_VERSIONS_OF_KEY = Statement(
    "SELECT key, summary, WRITETIME(summary), seq FROM listing_versions "
    "WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? AND seq < ? LIMIT ?",
    Kind.READ,
)
_WRITE = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_WRITE_VERSION = Statement(
    "INSERT INTO listing_versions (bucket_id, shard_id, sub, key, seq, summary) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    Kind.WRITE,
)

Position = tuple[bytes, int]  # (key, minus seq): both tables are in this order
Alive = Callable[[], Awaitable[None]]  # called between pages: keeps the lease, raises when it is lost


class ListedRow(NamedTuple):
    """A row of ``listing`` (``seq`` None) or ``listing_versions``."""

    key: bytes
    seq: int | None
    summary: bytes
    stamp_us: int

    @property
    def position(self) -> Position:
        return self.key, -(self.seq or 0)

    @property
    def size_bytes(self) -> int:
        return len(self.key) + len(self.summary)


class Count(NamedTuple):
    """Rows and their bytes."""

    rows: int = 0
    size_bytes: int = 0


class Compared(NamedTuple):
    """Of each child's shard id its rows; and the keys with differences, to be looked at."""

    counts: dict[bytes, Count]
    differing: list[bytes]


class Pace:
    """Holds a loop to a rate; what it lost within ``CATCH_UP_SECONDS`` it may make good: no long burst."""

    def __init__(self, clock: Clock, rows_per_second: float) -> None:
        self._clock = clock
        self._rate = rows_per_second
        self._next_seconds = clock.monotonic_seconds()

    async def spend(self, rows: int) -> None:
        """Wait until ``rows`` more may be handled. Always gives way to others once."""
        now_seconds = self._clock.monotonic_seconds()
        self._next_seconds = max(self._next_seconds, now_seconds - CATCH_UP_SECONDS) + rows / self._rate
        await asyncio.sleep(max(0.0, self._next_seconds - now_seconds))


class _Pages:
    """The rows of one partition of one table, in order."""

    def __init__(self, cql: Cql, bucket_id: bytes, place: Place, *, versions: bool, page_rows: int) -> None:
        self.place = place
        self.rows: deque[ListedRow] = deque()
        self.ended = False
        self.seen: Position = (b"", 0)  # everything up to here has been read
        self._cql = cql
        self._where = (bucket_id, *place)
        self._versions = versions
        self._page_rows = page_rows
        self._inside = False  # of a key whose versions go on behind the last page

    async def fill(self) -> None:
        """The next page, if all that was read is used up."""
        while not self.rows and not self.ended:
            key, seq = self.seen[0], -self.seen[1]
            if self._inside:
                found = await self._cql.run(_VERSIONS_OF_KEY, *self._where, key, seq, self._page_rows)
            else:
                statement = _VERSIONS_PAGE if self._versions else _PAGE
                found = await self._cql.run(statement, *self._where, key, self._page_rows)
            self.rows.extend(ListedRow(row[0], row[3] if self._versions else None, row[1], row[2]) for row in found)
            is_full = len(found) >= self._page_rows
            if self.rows:
                self.seen = self.rows[-1].position
            # Behind a page inside of a key come the keys after it.
            self.ended = not is_full and not self._inside
            self._inside = is_full and self._versions

    def take(self, up_to: Position | None) -> list[ListedRow]:
        """Rows up to a position (None: all)."""
        taken: list[ListedRow] = []
        while self.rows and (up_to is None or self.rows[0].position <= up_to):
            taken.append(self.rows.popleft())
        return taken


class RowCopier:
    """Copies and compares, for one splitter."""

    def __init__(
        self,
        cql: Cql,
        clock: Clock,
        page_rows: int = PAGE_ROWS,
        copy_rows_per_second: float = COPY_ROWS_PER_SECOND,
        compare_rows_per_second: float = COMPARE_ROWS_PER_SECOND,
    ) -> None:
        self._cql = cql
        self._clock = clock
        self._page_rows = page_rows
        self._copy_rate = copy_rows_per_second
        self._compare_rate = compare_rows_per_second

    async def middle(self, bucket_id: bytes, places: Sequence[Place]) -> bytes | None:
        """A key with about as many rows before it as after; never the first one. None: there is one key at most.

        Of a shard with several partitions only the first one is read: keys are spread by their hash.
        """
        pace = Pace(self._clock, MIDDLE_ROWS_PER_SECOND)
        marks: list[tuple[bytes, int]] = []  # (first key of a page, rows in it)
        first: bytes | None = None
        second: bytes | None = None  # the least key after the first one
        for versions in (False, True):
            pages = _Pages(self._cql, bucket_id, places[0], versions=versions, page_rows=self._page_rows)
            while True:
                await pages.fill()
                rows = pages.take(None)
                if not rows:
                    break
                marks.append((rows[0].key, len(rows)))
                keys = sorted({row.key for row in rows} | {key for key in (first, second) if key is not None})[:2]
                first, second = keys[0], keys[1] if len(keys) > 1 else None
                # Within a short shard the middle of a page is nearer.
                middle = len(rows) // 2
                marks[-1] = (rows[0].key, middle)
                marks.append((rows[middle].key, len(rows) - middle))
                await pace.spend(len(rows))
        if second is None:
            return None
        marks.sort()
        half, before = sum(count for _, count in marks) / 2, 0
        best, distance = second, half
        for key, count in marks:
            if abs(before - half) < distance:
                best, distance = key, abs(before - half)
            before += count
        return max(best, second)

    async def copy(self, bucket_id: bytes, reshape: Reshape, alive: Alive) -> int:
        """Every row of the sources, with its write time, into the children; how many. Again is the same."""
        pace = Pace(self._clock, self._copy_rate)
        copied = 0
        for place in reshape.old_places():
            for versions in (False, True):
                pages = _Pages(self._cql, bucket_id, place, versions=versions, page_rows=self._page_rows)
                while True:
                    await alive()
                    await pages.fill()
                    rows = pages.take(None)
                    if not rows:
                        break
                    for batch in _batches(bucket_id, reshape, rows):
                        await self._cql.batch(batch)
                        await pace.spend(len(batch))
                    copied += len(rows)
        return copied

    async def compare(self, bucket_id: bytes, reshape: Reshape, alive: Alive) -> Compared:
        """Read both sides beside each other. Writers change both meanwhile, so that a difference is only a question."""
        counts: dict[bytes, Count] = {}
        differing: list[bytes] = []
        for versions in (False, True):
            old = [self._pages(bucket_id, place, versions) for place in reshape.old_places()]
            new = [self._pages(bucket_id, place, versions) for place in reshape.new_places()]
            async for left, right in self._side_by_side(old, new, alive):
                for shard_id, rows in right.items():
                    before = counts.get(shard_id, Count())
                    size_bytes = before.size_bytes + sum(row.size_bytes for row in rows)
                    counts[shard_id] = Count(before.rows + len(rows), size_bytes)
                arrived = {row for rows in right.values() for row in rows}
                differing += {row.key for row in arrived.symmetric_difference(left)}
                if len(differing) > DIFFERING_MAX:
                    raise MetadataUnavailable("the children differ from their source in too many keys: they are copied again")
        return Compared(counts, sorted(set(differing)))

    def _pages(self, bucket_id: bytes, place: Place, versions: bool) -> _Pages:
        return _Pages(self._cql, bucket_id, place, versions=versions, page_rows=self._page_rows)

    async def _side_by_side(
        self, old: Sequence[_Pages], new: Sequence[_Pages], alive: Alive
    ) -> AsyncIterator[tuple[set[ListedRow], dict[bytes, list[ListedRow]]]]:
        """For stretch after stretch of the keys: the rows of the old partitions, and of the new ones by their shard."""
        pace = Pace(self._clock, self._compare_rate)
        every = (*old, *new)
        while True:
            await alive()
            await asyncio.gather(*(pages.fill() for pages in every))
            up_to = min((pages.seen for pages in every if not pages.ended), default=None)
            left = {row for pages in old for row in pages.take(up_to)}
            right: dict[bytes, list[ListedRow]] = {}
            for pages in new:
                right.setdefault(pages.place.shard_id, []).extend(pages.take(up_to))
            yield left, right
            if up_to is None:
                return
            await pace.spend(len(left) + sum(map(len, right.values())))

    async def of_key(self, bucket_id: bytes, place: Place, key: bytes) -> set[ListedRow]:
        """All rows of one key in one place."""
        found = await asyncio.gather(
            self._cql.run(_ROW_OF_KEY, bucket_id, *place, key), self._cql.run(_VERSIONS_ALL, bucket_id, *place, key)
        )
        rows = {ListedRow(key, None, summary, stamp_us) for summary, stamp_us in found[0]}
        return rows | {ListedRow(key, seq, summary, stamp_us) for summary, stamp_us, seq in found[1]}


_ROW_OF_KEY = Statement(
    "SELECT summary, WRITETIME(summary) FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ?", Kind.READ
)
_VERSIONS_ALL = Statement(
    "SELECT summary, WRITETIME(summary), seq FROM listing_versions WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ?",
    Kind.READ,
)


def _batches(bucket_id: bytes, reshape: Reshape, rows: Sequence[ListedRow]) -> list[list[Bound]]:
    """Mutations of one partition each, none of them large."""
    done: list[list[Bound]] = []
    open_batches: dict[Place, tuple[list[Bound], int]] = {}
    for row in rows:
        place = reshape.child_place(row.key)
        batch, size_bytes = open_batches.get(place, ([], 0))
        if len(batch) >= min(BATCH_ROWS, BATCH_STATEMENTS_MAX) or (batch and size_bytes + row.size_bytes > BATCH_BYTES):
            done.append(batch)
            batch, size_bytes = [], 0
        batch.append(_bound(bucket_id, place, row))
        open_batches[place] = batch, size_bytes + row.size_bytes
    return done + [batch for batch, _ in open_batches.values()]


def _bound(bucket_id: bytes, place: Place, row: ListedRow) -> Bound:
    if row.seq is None:
        return Bound(_WRITE, (bucket_id, *place, row.key, row.summary, row.stamp_us))
    return Bound(_WRITE_VERSION, (bucket_id, *place, row.key, row.seq, row.summary, row.stamp_us))
