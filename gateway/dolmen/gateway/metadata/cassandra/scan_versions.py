"""Lists of versions and markers: the union of ``listing`` and ``listing_versions``, or the truth where that may be incomplete.

``listing`` is read first and ``listing_versions`` after it, because writers write them the other way round: a version that stops
being the current object is found in one of the two. Changes that arrive between the two reads can still be seen in half:

* Two null versions: the older one was replaced meanwhile. The newer one is told.
* A current object with an id, but without its row among the versions: the key's rows were made anew. The truth is asked.
"""

from __future__ import annotations

import asyncio

from dolmen.gateway.metadata.cassandra.cql import Cql, Row
from dolmen.gateway.metadata.cassandra.dirty_keys import Opened
from dolmen.gateway.metadata.cassandra.key_versions import KeyVersions, told
from dolmen.gateway.metadata.cassandra.range_rows import CURRENT, VERSIONS
from dolmen.gateway.metadata.records import NULL_VERSION, ListRow
from dolmen.gateway.metadata.rows import decode_row

READS_AT_ONCE = 16  # keys asked of the truth side by side, each for up to the rows wanted


class VersionScan:
    """Reads versions of one shard."""

    def __init__(self, cql: Cql, key_versions: KeyVersions) -> None:
        self._cql = cql
        self._key_versions = key_versions

    async def read(
        self, bucket_id: bytes, opened: Opened, start: bytes, end: bytes | None, wanted: int
    ) -> list[ListRow]:
        """``wanted`` rows of keys with start <= key < end, or all that there are; the last key may be told in part."""
        found: list[ListRow] = []
        at: bytes | None = start
        while at is not None and len(found) < wanted:
            left = wanted - len(found)
            current = await CURRENT.read(self._cql, bucket_id, opened.shard, at, end, left)
            upto = end if current.behind is None else current.behind
            versions = await VERSIONS.read(self._cql, bucket_id, opened.shard, at, upto, left + 1)
            behind = current.behind if versions.behind is None else versions.behind
            known, doubted = _joined(current.rows, versions.rows, behind)
            doubted.update(opened.between(at, end if behind is None else behind))
            if versions.cut is not None:
                doubted.add(versions.cut)
            found += await self._told(bucket_id, known, doubted, left)
            at = behind
        return found

    async def _told(
        self, bucket_id: bytes, known: dict[bytes, list[ListRow]], doubted: set[bytes], wanted: int
    ) -> list[ListRow]:
        """Rows of all keys in order, at most ``wanted``; those of ``doubted`` from the truth."""
        rows: list[ListRow] = []
        keys = sorted(known.keys() | doubted)
        at = 0
        while at < len(keys) and len(rows) < wanted:
            left = wanted - len(rows)
            some: list[bytes] = []
            expected = asked = 0
            while at < len(keys) and expected < left and asked < READS_AT_ONCE:
                key = keys[at]
                some.append(key)
                asked += key in doubted
                expected += 1 if key in doubted else len(known[key])
                at += 1
            asking = [key for key in some if key in doubted]
            answers = await asyncio.gather(*(self._key_versions.newest(bucket_id, key, left) for key in asking))
            true = dict(zip(asking, answers, strict=True))
            for key in some:
                rows += true[key] if key in true else known[key]
        return rows[:wanted]


def _joined(
    current: list[Row], versions: list[Row], behind: bytes | None
) -> tuple[dict[bytes, list[ListRow]], set[bytes]]:
    """(versions of each key below ``behind``, newest first; keys whose rows do not fit together)."""
    by_key: dict[bytes, dict[int, ListRow]] = {}
    for key, summary in versions:
        row = decode_row(summary)
        by_key.setdefault(key, {})[row.seq] = row
    doubted: set[bytes] = set()
    for key, summary in current:
        if behind is not None and key >= behind:
            break
        row = decode_row(summary)
        rows = by_key.setdefault(key, {})
        if row.version_id != NULL_VERSION and row.seq not in rows:
            doubted.add(key)
        if row.version_id == NULL_VERSION:
            rows[row.seq] = row  # its row among the versions may be older: from when it was hidden for a while
        else:
            rows.setdefault(row.seq, row)
    return {key: _of_key(rows) for key, rows in by_key.items()}, doubted


def _of_key(rows: dict[int, ListRow]) -> list[ListRow]:
    """Newest first, and of several null versions the newest only."""
    latest = max(rows)
    if len(rows) == 1:
        return told(list(rows.values()), latest)
    nulls = [seq for seq, row in rows.items() if row.version_id == NULL_VERSION]
    newest_null = max(nulls, default=0)
    return told([row for seq, row in rows.items() if seq == newest_null or row.version_id != NULL_VERSION], latest)
