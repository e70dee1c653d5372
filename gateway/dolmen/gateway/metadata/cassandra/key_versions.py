"""The versions of one key as the truth has them, read in pages: a key may have very many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.truth import Truth
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import decode_row

PAGE_ROWS = 1000  # of one key at a time
_HEAD_ROWS = 2  # the null version and the newest with an id: one of them is the current one

_NEWEST = Statement(
    "SELECT slot, move, summary, head_seq FROM objects WHERE bucket_id = ? AND key = ? LIMIT ?", Kind.READ
)
_OLDER = Statement(
    "SELECT slot, move, summary, head_seq FROM objects WHERE bucket_id = ? AND key = ? AND slot < ? LIMIT ?", Kind.READ
)


class VersionPage(NamedTuple):
    """Some of the versions of a key, as they were when its head was at ``seq`` (0: it was never written, or long ago)."""

    seq: int
    rows: list[ListRow]  # in the order of the table: the null version first, then the newest first


class KeyVersions:
    """Reads ``objects`` for lists."""

    def __init__(self, cql: Cql, truth: Truth) -> None:
        self._cql = cql
        self._truth = truth

    async def pages(self, bucket_id: bytes, key: bytes) -> AsyncIterator[VersionPage]:
        """All versions. The current one is on the first page, which always comes; each page is of its own moment."""
        rows = await self._cql.run(_NEWEST, bucket_id, key, PAGE_ROWS)
        while True:
            if rows and rows[0][1]:  # a rename is under way: only keys without versions have one
                state = await self._truth.state(bucket_id, key)
                yield VersionPage(state.seq, state.versions)
                return
            yield VersionPage((rows[0][3] or 0) if rows else 0, _decoded(rows))
            if len(rows) < PAGE_ROWS:
                return
            rows = await self._cql.run(_OLDER, bucket_id, key, rows[-1][0], PAGE_ROWS)
            if not rows:
                return

    async def newest(self, bucket_id: bytes, key: bytes, limit: int) -> list[ListRow]:
        """The newest versions, newest first, at most ``limit`` >= 1. One statement."""
        rows = await self._cql.run(_NEWEST, bucket_id, key, limit + 1)  # the null version stands first, wherever it belongs
        if rows and rows[0][1]:
            return (await self._truth.state(bucket_id, key)).versions[:limit]
        versions = _decoded(rows)
        return told(versions, _newest_seq(versions))[:limit]

    async def older(self, bucket_id: bytes, key: bytes, seq: int, limit: int) -> list[ListRow]:
        """Versions with a smaller sequence than ``seq``, newest first, at most ``limit``. Two statements."""
        rows = await self._cql.run(_NEWEST, bucket_id, key, _HEAD_ROWS)
        if rows and rows[0][1]:
            state = await self._truth.state(bucket_id, key)
            return [row for row in state.versions if row.seq < seq][:limit]
        head = _decoded(rows)
        if not head:
            return []
        others = _decoded(await self._cql.run(_OLDER, bucket_id, key, seq, limit))
        known = {row.seq for row in others}
        others += [row for row in head if row.seq < seq and row.seq not in known]
        return told(others, _newest_seq(head))[:limit]


def told(versions: list[ListRow], latest_seq: int) -> list[ListRow]:
    """Newest first, each saying whether it is the one with ``latest_seq``."""
    versions.sort(key=lambda row: -row.seq)
    return [
        row if row.is_latest == (row.seq == latest_seq) else msgspec.structs.replace(row, is_latest=row.seq == latest_seq)
        for row in versions
    ]


def _newest_seq(versions: list[ListRow]) -> int:
    return max((row.seq for row in versions), default=0)


def _decoded(rows: list[Row]) -> list[ListRow]:
    return [decode_row(summary) for slot, _, summary, _ in rows if slot is not None]
