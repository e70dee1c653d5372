"""Rows of the range map as splits change them: conditional on the shard and its revision, with a lease.

``lease_us`` of a row only grows. It is also the write timestamp of the marks (``fence``, ``moved``) that its holder sets, so that a
holder who lost the lease cannot undo what came after it, however late its writes land.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dolmen.core.clock import Clock
from dolmen.core.errors import Unavailable
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.shards import ACTIVE, MERGING, SPLITTING, Place, sub_of
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

LEASE_SECONDS = 30.0  # a splitter renews it every few seconds; so long a range stays half split after one died
UNKNOWN_SECONDS = 10.0  # a change of the map whose answer was lost is repeated so long

_COLUMNS = "lo, shard_id, fanout, state, split_key, child_a, child_b, child_fanout, lease_owner, lease_us, rev"
_ROW = Statement(f"SELECT {_COLUMNS} FROM bucket_shards WHERE bucket_id = ? AND lo = ?", Kind.READ)  # noqa: S608 - names of ours
_COVERING = Statement(
    f"SELECT {_COLUMNS} FROM bucket_shards WHERE bucket_id = ? AND lo <= ? ORDER BY lo DESC LIMIT 1",  # noqa: S608
    Kind.READ,
)
_BEFORE = Statement(
    f"SELECT {_COLUMNS} FROM bucket_shards WHERE bucket_id = ? AND lo < ? ORDER BY lo DESC LIMIT 1",  # noqa: S608
    Kind.READ,
)
_AFTER = Statement(
    f"SELECT {_COLUMNS} FROM bucket_shards WHERE bucket_id = ? AND lo > ? LIMIT 1",  # noqa: S608
    Kind.READ,
)
_FIRST = Statement(
    "INSERT INTO bucket_shards (bucket_id, lo, shard_id, fanout, state, rev) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS", Kind.CAS
)
_BEGIN = Statement(
    "UPDATE bucket_shards SET state = ?, split_key = ?, child_a = ?, child_b = ?, child_fanout = ?, lease_owner = ?, lease_us = ?, "
    "rev = ? WHERE bucket_id = ? AND lo = ? IF shard_id = ? AND rev = ?",
    Kind.CAS,
)
_LEASE = Statement(
    "UPDATE bucket_shards SET lease_owner = ?, lease_us = ?, rev = ? WHERE bucket_id = ? AND lo = ? IF shard_id = ? AND rev = ?",
    Kind.CAS,
)
_REPLACE = Statement(
    "UPDATE bucket_shards SET shard_id = ?, fanout = ?, state = ?, lease_owner = ?, lease_us = ?, rev = ? "
    "WHERE bucket_id = ? AND lo = ? IF shard_id = ? AND rev = ?",
    Kind.CAS,
)
_ADD = Statement(
    "INSERT INTO bucket_shards (bucket_id, lo, shard_id, fanout, state, lease_owner, lease_us, rev) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
    Kind.CAS,
)
_REMOVE = Statement("DELETE FROM bucket_shards WHERE bucket_id = ? AND lo = ? IF shard_id = ? AND rev = ?", Kind.CAS)
_REVERT = Statement(
    "UPDATE bucket_shards SET state = ?, lease_owner = ?, lease_us = ?, rev = ? "
    "WHERE bucket_id = ? AND lo = ? IF shard_id = ? AND rev = ?",
    Kind.CAS,
)
NOBODY = ""  # ``lease_owner`` of a row that nobody works on


class LeaseLost(Unavailable):
    """Another splitter took the range over, or the map is not what it was: nothing more is to be done here."""


class RangeRow(NamedTuple):
    """A row of ``bucket_shards``. ``rev`` 0: there is no row yet, the bucket is one shard of its own name."""

    lo: bytes
    shard_id: bytes
    fanout: int = 1
    state: int = ACTIVE
    split_key: bytes | None = None
    child_a: bytes = b""
    child_b: bytes = b""
    child_fanout: int = 1
    lease_owner: str = NOBODY
    lease_us: int = 0
    rev: int = 0

    def own(self) -> tuple[Place, ...]:
        """All partitions of the shard."""
        return places_of(self.shard_id, self.fanout)


class Reshape(NamedTuple):
    """What sources become. One source: two children (``split_key``), or one with another fanout. Two neighbours: one child."""

    sources: tuple[RangeRow, ...]  # as last written or read
    child_a: bytes
    child_fanout: int
    split_key: bytes | None = None
    child_b: bytes = b""

    @property
    def lease_us(self) -> int:
        return self.sources[0].lease_us

    def old_places(self) -> tuple[Place, ...]:
        """Every partition of the sources."""
        return tuple(place for source in self.sources for place in source.own())

    def new_places(self) -> tuple[Place, ...]:
        """Every partition of the children."""
        ids = (self.child_a,) if self.split_key is None else (self.child_a, self.child_b)
        return tuple(place for shard_id in ids for place in places_of(shard_id, self.child_fanout))

    def old_place(self, key: bytes) -> Place:
        """Where a key of the sources is."""
        source = next(row for row in reversed(self.sources) if row.lo <= key)
        return Place(source.shard_id, sub_of(key, source.fanout))

    def child_place(self, key: bytes) -> Place:
        """Where a key of the sources goes."""
        is_right = self.split_key is not None and key >= self.split_key
        return Place(self.child_b if is_right else self.child_a, sub_of(key, self.child_fanout))


def places_of(shard_id: bytes, fanout: int) -> tuple[Place, ...]:
    """All partitions of a shard."""
    return tuple(Place(shard_id, sub) for sub in range(max(fanout, 1)))


def reshape_of(sources: tuple[RangeRow, ...]) -> Reshape:
    """What rows that are being reshaped say of themselves."""
    first = sources[0]
    return Reshape(sources, first.child_a, first.child_fanout, first.split_key, first.child_b)


class RangeRows:
    """Reads and changes rows of the map on behalf of one splitter."""

    def __init__(self, cql: Cql, clock: Clock, owner: str, lease_seconds: float = LEASE_SECONDS) -> None:
        """``owner``: names the splitter, used by no other."""
        self._cql = cql
        self._clock = clock
        self._owner = owner
        self._lease_us = int(lease_seconds * 1_000_000)

    # ---- reads -----------------------------------------------------------------------------------------------------

    async def read(self, bucket_id: bytes, lo: bytes) -> RangeRow | None:
        """The row that begins at ``lo`` exactly. A bucket without rows has one of its own name at b""."""
        rows = await self._cql.run(_ROW, bucket_id, lo)
        if rows:
            return _row(rows[0])
        return RangeRow(lo=b"", shard_id=bucket_id) if not lo else None

    async def covering(self, bucket_id: bytes, key: bytes) -> RangeRow:
        """The row whose range ``key`` is in."""
        rows = await self._cql.run(_COVERING, bucket_id, key)
        return _row(rows[0]) if rows else RangeRow(lo=b"", shard_id=bucket_id)

    async def before(self, bucket_id: bytes, lo: bytes) -> RangeRow:
        """The row before the one that begins at ``lo``, which is not the first."""
        rows = await self._cql.run(_BEFORE, bucket_id, lo)
        return _row(rows[0]) if rows else RangeRow(lo=b"", shard_id=bucket_id)

    async def after(self, bucket_id: bytes, lo: bytes) -> RangeRow | None:
        """The next row."""
        rows = await self._cql.run(_AFTER, bucket_id, lo)
        return _row(rows[0]) if rows else None

    def is_free(self, row: RangeRow) -> bool:
        """Nobody works on it, as far as clocks tell; they only decide who works, never what is right."""
        expired = row.lease_us + self._lease_us <= self._clock.now_us()
        return row.state == ACTIVE or row.lease_owner in (NOBODY, self._owner) or expired

    # ---- changes ---------------------------------------------------------------------------------------------------

    async def begin(self, bucket_id: bytes, wanted: Reshape) -> Reshape:
        """The sources become "being reshaped" under our lease.

        Raises ``LeaseLost``, ``MetadataUnknown``, ``MetadataUnavailable``.
        """
        state = MERGING if len(wanted.sources) > 1 else SPLITTING
        sources = tuple([await self._existing(bucket_id, source) for source in wanted.sources])
        lease_us = self._next_lease_us(sources)
        after = tuple(
            source._replace(
                state=state,
                split_key=wanted.split_key,
                child_a=wanted.child_a,
                child_b=wanted.child_b,
                child_fanout=wanted.child_fanout,
                lease_owner=self._owner,
                lease_us=lease_us,
                rev=source.rev + 1,
            )
            for source in sources
        )
        bound = [
            Bound(
                _BEGIN,
                (
                    *(row.state, row.split_key, row.child_a, row.child_b, row.child_fanout),
                    *(row.lease_owner, row.lease_us, row.rev, bucket_id, row.lo, row.shard_id, row.rev - 1),
                ),
            )
            for row in after
        ]
        await self._change(bound, lambda: self._is_as(bucket_id, after[0]))
        return wanted._replace(sources=after)

    async def renew(self, bucket_id: bytes, reshape: Reshape) -> Reshape:
        """Keep the lease, or take over one that is free. Raises as ``begin``."""
        first = reshape.sources[0]
        after = first._replace(lease_owner=self._owner, lease_us=self._next_lease_us((first,)), rev=first.rev + 1)
        values = (after.lease_owner, after.lease_us, after.rev, bucket_id, first.lo, first.shard_id, first.rev)
        await self._change([Bound(_LEASE, values)], lambda: self._is_as(bucket_id, after))
        return reshape._replace(sources=(after, *reshape.sources[1:]))

    async def cut_over(self, bucket_id: bytes, reshape: Reshape) -> None:
        """The children take the place of the sources. Raises as ``begin``; done by somebody else is done."""
        first, *others = reshape.sources
        lease_us = self._next_lease_us(reshape.sources)
        new = (NOBODY, lease_us, first.rev + 1)
        where = (bucket_id, first.lo, first.shard_id, first.rev)
        # The row at ``lo`` is written over: with a DELETE and an INSERT in one batch it would be gone.
        bound = [Bound(_REPLACE, (reshape.child_a, reshape.child_fanout, ACTIVE, *new, *where))]
        if reshape.split_key is not None:
            right = (bucket_id, reshape.split_key, reshape.child_b, reshape.child_fanout, ACTIVE, NOBODY, lease_us, 1)
            bound.append(Bound(_ADD, right))
        bound += [Bound(_REMOVE, (bucket_id, row.lo, row.shard_id, row.rev)) for row in others]

        async def is_done() -> bool:
            row = await self.read(bucket_id, first.lo)
            return row is not None and row.shard_id == reshape.child_a

        await self._change(bound, is_done)

    async def revert(self, bucket_id: bytes, reshape: Reshape) -> None:
        """The sources stay what they are. Only after their marks were cleared under a lease of ours. Raises as ``begin``."""
        lease_us = self._next_lease_us(reshape.sources)
        bound = [
            Bound(_REVERT, (ACTIVE, NOBODY, lease_us, row.rev + 1, bucket_id, row.lo, row.shard_id, row.rev))
            for row in reshape.sources
        ]
        first = reshape.sources[0]._replace(state=ACTIVE, lease_owner=NOBODY, lease_us=lease_us, rev=reshape.sources[0].rev + 1)
        await self._change(bound, lambda: self._is_as(bucket_id, first))

    def _next_lease_us(self, rows: Sequence[RangeRow]) -> int:
        return max(self._clock.now_us(), *(row.lease_us + 1 for row in rows))

    async def _existing(self, bucket_id: bytes, row: RangeRow) -> RangeRow:
        """A bucket's first row is made when it is first needed."""
        if row.rev:
            return row
        first = row._replace(rev=1)
        values = (bucket_id, row.lo, row.shard_id, row.fanout, ACTIVE, first.rev)

        async def is_there() -> bool:
            found = await self.read(bucket_id, row.lo)
            return found is not None and found.shard_id == row.shard_id and found.rev == first.rev

        await self._change([Bound(_FIRST, values)], is_there)
        return first

    async def _is_as(self, bucket_id: bytes, wanted: RangeRow) -> bool:
        """Whether the row is as we wrote it: nobody else uses our name, and a revision comes once."""
        found = await self.read(bucket_id, wanted.lo)
        if found is None:
            return False
        mine = (wanted.shard_id, wanted.rev, wanted.lease_us, wanted.state)
        return (found.shard_id, found.rev, found.lease_us, found.state) == mine and found.lease_owner == wanted.lease_owner

    async def _change(self, bound: Sequence[Bound], is_done: Callable[[], Awaitable[bool]]) -> None:
        """The same change until it is answered; a refusal may mean that a try before it, or a successor, was faster."""
        until_seconds = self._clock.monotonic_seconds() + UNKNOWN_SECONDS
        unknown = False
        for pause_seconds in pauses():
            try:
                reply = await self._cql.cas(bound)
                if reply.applied or await is_done():
                    return
                raise LeaseLost("the range is being changed by another splitter")
            except MetadataUnknown:
                unknown = True
            except MetadataUnavailable:
                if not unknown:
                    raise
            if self._clock.monotonic_seconds() > until_seconds:
                raise MetadataUnknown("the outcome of a change of the range map is not known")
            await asyncio.sleep(pause_seconds)


def _row(row: Row) -> RangeRow:
    lo, shard_id, fanout, state, split_key, child_a, child_b, child_fanout, owner, lease_us, rev = row
    return RangeRow(
        lo,
        shard_id,
        fanout or 1,
        state or ACTIVE,
        split_key,
        child_a or b"",
        child_b or b"",
        child_fanout or 1,
        owner or NOBODY,
        lease_us or 0,
        rev or 0,
    )
