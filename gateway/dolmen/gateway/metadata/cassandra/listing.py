"""Rows of the listing tables: made from a change, or anew from the truth. Each is written with the truth's sequence as timestamp.

What the rows of a key must be follows from the truth at a sequence alone, and whoever writes them at that sequence writes the
same: a row that exists is written *at* the sequence, one that does not is deleted at it. So the order in which ``write_change`` and
``reindex`` of several processes arrive does not matter, and a delete, which wins over a write of the same timestamp, never meets
a write of the same row there. For that a change leaves a tombstone for each row that it takes away, and ``reindex`` deletes all
rows of the key *below* its sequence: a writer that comes late finds that its row is older.

``listing`` holds current objects. ``listing_versions`` holds markers, versions with ids, and null versions that are not current; so
buckets that were never versioned have no rows there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.key_versions import KeyVersions
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.cassandra.truth import Truth
from dolmen.gateway.metadata.decide import Change
from dolmen.gateway.metadata.records import NULL_VERSION, ListRow, VersionRecord
from dolmen.gateway.metadata.rows import encode, list_row
from dolmen.gateway.metadata.store import MetadataUnavailable

ROUNDS_MAX = 8  # of finding the right places while ranges are split under ``reindex``

_WHERE = "WHERE bucket_id = ? AND shard_id = ? AND sub = ?"
_PUT = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_DROP = Statement(f"DELETE FROM listing USING TIMESTAMP ? {_WHERE} AND key = ?", Kind.WRITE)  # noqa: S608
_PUT_VERSION = Statement(
    "INSERT INTO listing_versions (bucket_id, shard_id, sub, key, seq, summary) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    Kind.WRITE,
)
_DROP_VERSION = Statement(f"DELETE FROM listing_versions USING TIMESTAMP ? {_WHERE} AND key = ? AND seq = ?", Kind.WRITE)  # noqa: S608
_DROP_VERSIONS = Statement(f"DELETE FROM listing_versions USING TIMESTAMP ? {_WHERE} AND key = ?", Kind.WRITE)  # noqa: S608
_STAMP = Statement(f"SELECT WRITETIME(summary) FROM listing {_WHERE} AND key = ?", Kind.READ)  # noqa: S608
_VERSION_STAMP = Statement(f"SELECT max(WRITETIME(summary)) FROM listing_versions {_WHERE} AND key = ?", Kind.READ)  # noqa: S608
# One row at most, so that the marks come with it; with no intent at all the row is only the marks.
_MARKS = Statement(f"SELECT fence, moved FROM listing_intents {_WHERE} LIMIT 1", Kind.READ)  # noqa: S608


class Listing:
    """Writes ``listing`` and ``listing_versions``."""

    def __init__(self, cql: Cql, shard_map: ShardMap, truth: Truth) -> None:
        self._cql = cql
        self._map = shard_map
        self._versions = KeyVersions(cql, truth)

    async def write_change(
        self, bucket_id: bytes, key: bytes, places: Sequence[Place], change: Change, head_seq: int, versioned: bool
    ) -> None:
        """Bring the key's rows from ``change.before`` to ``change.after``. Idempotent, and for the change's own ``head_seq`` only.

        ``places``: those of the intent. ``versioned``: the bucket has, or had, versions. One statement for each place when no
        rows of versions change, two otherwise. Raises ``MetadataUnavailable``, ``MetadataUnknown``: then again.
        """
        await asyncio.gather(
            *(self._write_change(bucket_id, key, place, change, head_seq, versioned) for place in places)
        )

    async def _write_change(
        self, bucket_id: bytes, key: bytes, place: Place, change: Change, head_seq: int, versioned: bool
    ) -> None:
        # Versions first: when a version stops being the current object, lists must find it in one of the two tables (they read
        # ``listing`` first).
        if versioned or _has_versions(change):
            put, drop = _version_rows(change)
            where = bucket_id, place.shard_id, place.sub, key
            await self._send(
                [Bound(_DROP_VERSION, (head_seq, *where, seq)) for seq in drop]
                + [Bound(_PUT_VERSION, (*where, record.seq, encode(list_row(record)), head_seq)) for record in put]
            )
        if change.after != change.before and (_is_object(change.before) or _is_object(change.after)):
            await self._put_current(bucket_id, key, place, None if change.after is None else list_row(change.after), head_seq)

    async def _put_current(self, bucket_id: bytes, key: bytes, place: Place, current: ListRow | None, seq: int) -> None:
        if current is None or current.is_delete_marker:
            await self._cql.run(_DROP, seq, bucket_id, place.shard_id, place.sub, key)
        else:
            await self._cql.run(_PUT, bucket_id, place.shard_id, place.sub, key, encode(current), seq)

    async def _send(self, bound: Sequence[Bound]) -> None:
        """Changes of one partition, in as few statements as may be."""
        for at in range(0, len(bound), BATCH_STATEMENTS_MAX):
            some = bound[at : at + BATCH_STATEMENTS_MAX]
            if len(some) == 1:
                await self._cql.run(some[0].statement, *some[0].values)
            else:
                await self._cql.batch(some)

    # ---- from the truth --------------------------------------------------------------------------------------------

    async def reindex(self, bucket_id: bytes, key: bytes) -> None:
        """Make the key's rows what the truth says, in every place that the map names when this is over. Idempotent.

        A place that is being split or was superseded meanwhile is found by its marks, which are read after the rows are
        written (who splits sets the mark before it copies rows). Raises ``MetadataUnavailable``, ``MetadataUnknown``: then again.
        """
        places = await self._map.places(bucket_id, key)
        for _ in range(ROUNDS_MAX):
            await self._make_anew(bucket_id, key, places)
            if not await self._is_marked(bucket_id, places):
                return
            newer = (await self._map.reread(bucket_id, key)).places(key)
            if set(newer) <= set(places):
                return
            places = newer
        raise MetadataUnavailable("the key's range is being split again and again")

    async def _is_marked(self, bucket_id: bytes, places: Sequence[Place]) -> bool:
        """Whether the map that named ``places`` may be old: a range is being split, was split, or a split was given up."""
        found = await asyncio.gather(
            *(self._cql.run(_MARKS, bucket_id, place.shard_id, place.sub) for place in places)
        )
        return any(fence or moved for rows in found for fence, moved in rows)

    async def _make_anew(self, bucket_id: bytes, key: bytes, places: Sequence[Place]) -> None:
        first_seq: int | None = None
        async for page in self._versions.pages(bucket_id, key):
            rows = page.rows
            if first_seq is None:
                first_seq = page.seq
                if page.seq == 0:
                    break
                current = max(rows, key=_seq, default=None)
                if current is not None and len(rows) == 1 and not await self._needs_row(bucket_id, current, places):
                    rows = []
                await self._at_each(bucket_id, key, places, rows, page.seq)
                await asyncio.gather(
                    *(self._put_current(bucket_id, key, place, current, page.seq) for place in places)
                )
                continue
            await self._at_each(bucket_id, key, places, rows, page.seq)
        if not first_seq:
            await self._drop_leftovers(bucket_id, key, places)
            return
        # Last, and below all that was written above: nobody sees the key without its versions in between.
        await asyncio.gather(
            *(
                self._cql.run(_DROP_VERSIONS, first_seq - 1, bucket_id, place.shard_id, place.sub, key)
                for place in places
            )
        )

    async def _needs_row(self, bucket_id: bytes, alone: ListRow, places: Sequence[Place]) -> bool:
        """Whether the key's only version belongs into ``listing_versions``: not the object of a bucket without versions.

        A null version that was hidden a moment ago keeps its row there: a list may have read ``listing`` before it was current.
        """
        if alone.version_id != NULL_VERSION or alone.is_delete_marker:
            return True
        found = await asyncio.gather(
            *(self._cql.run(_VERSION_STAMP, bucket_id, place.shard_id, place.sub, alone.key) for place in places)
        )
        return any(rows and rows[0][0] is not None for rows in found)

    async def _at_each(
        self, bucket_id: bytes, key: bytes, places: Sequence[Place], rows: Sequence[ListRow], seq: int
    ) -> None:
        raws = [(row.seq, encode(row)) for row in rows]
        await asyncio.gather(
            *(
                self._send(
                    [
                        Bound(_PUT_VERSION, (bucket_id, place.shard_id, place.sub, key, row_seq, raw, seq))
                        for row_seq, raw in raws
                    ]
                )
                for place in places
            )
        )

    async def _drop_leftovers(self, bucket_id: bytes, key: bytes, places: Sequence[Place]) -> None:
        """Rows of a key of which the truth knows nothing, not even when it was changed last.

        Each is deleted at its own timestamp, which is read *before* the truth once more: so nothing newer goes.
        """
        found = await asyncio.gather(
            *(self._cql.run(_STAMP, bucket_id, place.shard_id, place.sub, key) for place in places),
            *(self._cql.run(_VERSION_STAMP, bucket_id, place.shard_id, place.sub, key) for place in places),
        )
        statements = [_DROP] * len(places) + [_DROP_VERSIONS] * len(places)
        left = [
            (statement, rows[0][0], place)
            for statement, rows, place in zip(statements, found, [*places, *places], strict=True)
            if rows and rows[0][0] is not None
        ]
        if not left:
            return
        async for page in self._versions.pages(bucket_id, key):
            if page.seq != 0:
                raise MetadataUnavailable("the key is being changed: its rows are made anew once more")
        await asyncio.gather(
            *(
                self._cql.run(statement, stamp, bucket_id, place.shard_id, place.sub, key)
                for statement, stamp, place in left
            )
        )


def _has_versions(change: Change) -> bool:
    """Whether any of the versions concerned is one that only buckets with versions have."""
    concerned = (change.before, change.after, change.added, change.removed)
    return any(
        record is not None and (record.version_id != NULL_VERSION or record.is_delete_marker) for record in concerned
    )


def _version_rows(change: Change) -> tuple[list[VersionRecord], list[int]]:
    """(versions that ``listing_versions`` must have, sequences of those it must not have) after the change.

    Versions with ids and markers have had their rows since they were made. A null version gets one when it stops being the
    current object.
    """
    gone = None if change.removed is None else change.removed.seq
    added, before, after = change.added, change.before, change.after
    put: list[VersionRecord] = []
    if added is not None and not _is_in_listing(added, after):
        put.append(added)
    if (
        before is not None
        and before.version_id == NULL_VERSION
        and before.seq not in (gone, None if after is None else after.seq, None if added is None else added.seq)
    ):
        put.append(before)
    kept = {record.seq for record in put} | {record.seq for record in (added, after) if record is not None}
    return put, [gone] if gone is not None and gone not in kept else []


def _is_object(record: VersionRecord | None) -> bool:
    return record is not None and not record.is_delete_marker


def _is_in_listing(record: VersionRecord, after: VersionRecord | None) -> bool:
    """Whether the version is a null version that is the current object: its row in ``listing`` is enough."""
    is_current = after is not None and after.seq == record.seq
    return is_current and record.version_id == NULL_VERSION and not record.is_delete_marker


def _seq(row: ListRow) -> int:
    return row.seq
