"""Lists in Cassandra against the truth: see ``ListedStore``. Every key that has list rows, then every key that has versions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.cassandra.token_walk import TokenTable
from dolmen.gateway.metadata.cassandra.truth import KeyState, Truth
from dolmen.gateway.metadata.listcheck import ListPage, WrongList
from dolmen.gateway.metadata.records import NULL_VERSION, ListRow
from dolmen.gateway.metadata.rows import decode_row

LOOKS_MAX = 6  # at a key whose rows do not agree: a change that is over in between is none
LOOK_SECONDS = 0.1  # between two of them

_PARTITION = "WHERE bucket_id = ? AND shard_id = ? AND sub = ?"
_KEYS = {
    "listing": Statement(f"SELECT key FROM listing {_PARTITION} AND key > ? LIMIT ?", Kind.READ),  # noqa: S608 - constant
    "listing_versions": Statement(
        f"SELECT key FROM listing_versions {_PARTITION} AND key > ? LIMIT ?", Kind.READ  # noqa: S608 - constant
    ),
}
_ROW = Statement(f"SELECT summary FROM listing {_PARTITION} AND key = ?", Kind.READ)  # noqa: S608 - constant
_ROWS = Statement(f"SELECT summary FROM listing_versions {_PARTITION} AND key = ?", Kind.READ)  # noqa: S608 - constant
_INTENT = Statement(f"SELECT worker FROM listing_intents {_PARTITION} AND key = ? LIMIT 1", Kind.READ)  # noqa: S608 - constant
_HEADS = TokenTable("objects", ("bucket_id", "key"), (), "current_slot")
_NO_SLOT = -1  # of a key without versions


class _At(msgspec.Struct, frozen=True, array_like=True):
    """Behind which key the list rows are gone on with; or where in the truth."""

    bucket: int = 0  # number of the bucket
    place: int = 0  # of its partitions
    table: int = 0
    key: bytes = b""
    truth: bytes | None = None  # not None: all list rows were judged


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_At).decode
_replace = msgspec.structs.replace


class ListCheck:
    """Judges and heals list rows."""

    def __init__(
        self,
        cql: Cql,
        shard_map: ShardMap,
        truth: Truth,
        listing: Listing,
        burn: Callable[[bytes, bytes], Awaitable[object]],
    ) -> None:
        """``burn`` moves the sequence of a key on, and leaves its versions as they are."""
        self._cql = cql
        self._burn = burn
        self._map = shard_map
        self._truth = truth
        self._listing = listing
        self._places: tuple[bytes, list[Place]] | None = None  # of the bucket that is being walked over

    async def judge(self, buckets: Sequence[bytes], after: bytes, limit: int) -> ListPage:
        """See ``ListedStore.judge_lists``."""
        at = _decode(after) if after else _At()
        if at.truth is None:
            if at.bucket < len(buckets):
                return await self._judge_listed(buckets[at.bucket], at, limit)
            at = _At(truth=b"")
        assert at.truth is not None
        page = await _HEADS.page(self._cql, at.truth, limit)
        wanted = set(buckets)
        keys = [(row[1], row[2]) for row in page.rows if row[1] in wanted and row[3] is not None and row[3] != _NO_SLOT]
        behind = None if page.after is None else _encode(_At(truth=page.after))
        return ListPage(len(keys), await self._judge_keys(keys), behind)

    async def heal(self, bucket_id: bytes, keys: Sequence[bytes]) -> int:
        """See ``ListedStore.heal_lists``."""
        return sum(await together(self._heal_key(bucket_id, key) for key in keys))

    async def _heal_key(self, bucket_id: bytes, key: bytes) -> bool:
        await self._listing.reindex(bucket_id, key)
        if not await self._judge_key(bucket_id, key):
            return True
        # Rows with a later time than the key's last change, which nothing of ours writes: a newer sequence is above them.
        await self._burn(bucket_id, key)
        await self._listing.reindex(bucket_id, key)
        return not await self._judge_key(bucket_id, key)

    async def _judge_listed(self, bucket_id: bytes, at: _At, limit: int) -> ListPage:
        places = await self._partitions(bucket_id, at)
        if at.place >= len(places):
            return ListPage(0, [], _encode(_At(bucket=at.bucket + 1)))
        tables = list(_KEYS)
        rows = await self._cql.run(_KEYS[tables[at.table]], bucket_id, *places[at.place], at.key, limit)
        keys = list(dict.fromkeys((bucket_id, row[0]) for row in rows))
        if len(rows) >= limit:  # rows of the last key may be left: it is judged as a whole
            behind = _replace(at, key=keys[-1][1])
        elif at.table + 1 < len(tables):
            behind = _replace(at, table=at.table + 1, key=b"")
        else:
            behind = _At(bucket=at.bucket, place=at.place + 1)
        return ListPage(len(keys), await self._judge_keys(keys), _encode(behind))

    async def _partitions(self, bucket_id: bytes, at: _At) -> list[Place]:
        if self._places is None or self._places[0] != bucket_id or (at.place, at.table, at.key) == (0, 0, b""):
            self._places = bucket_id, [place for shard in await self._map.shards(bucket_id) for place in shard.own()]
        return self._places[1]

    async def _judge_keys(self, keys: Sequence[tuple[bytes, bytes]]) -> list[WrongList]:
        found = await together(self._judge_key(*where) for where in keys)
        return [WrongList(*where, what) for where, what in zip(keys, found, strict=True) if what]

    async def _judge_key(self, bucket_id: bytes, key: bytes) -> str:
        """What is wrong; "" when nothing is, or when the key is just being changed."""
        what = ""
        for look in range(LOOKS_MAX):
            if look:
                await asyncio.sleep(LOOK_SECONDS)
                self._map.forget(bucket_id)  # its range may have been split
            what, changing = await self._look(bucket_id, key)
            if not what or changing:
                return ""
        return what

    async def _look(self, bucket_id: bytes, key: bytes) -> tuple[str, bool]:
        place = (await self._map.places(bucket_id, key))[0]
        # The intent first: who has none then, and changes the key later, is seen at the next look.
        intents = await self._cql.run(_INTENT, bucket_id, *place, key)
        state, row, rows = await asyncio.gather(
            self._truth.state(bucket_id, key),
            self._cql.run(_ROW, bucket_id, *place, key),
            self._cql.run(_ROWS, bucket_id, *place, key),
        )
        listed = decode_row(row[0][0]) if row else None
        return judge(state, listed, [decode_row(each[0]) for each in rows]), bool(intents)


def judge(state: KeyState, listed: ListRow | None, versions: Sequence[ListRow]) -> str:
    """What is wrong with the list rows of a key: ``listed`` in ``listing``, ``versions`` in ``listing_versions``."""
    current = None if state.current is None or state.current.is_delete_marker else state.current
    if listed is None and current is not None:
        return "missing"
    if listed is not None and current is None:
        return "extra"
    if listed is not None and current is not None and _plain(listed) != _plain(current):
        return "differs"
    wanted = {row.seq: _plain(row) for row in state.versions}
    found = {row.seq: _plain(row) for row in versions}
    if current is not None and current.version_id == NULL_VERSION:
        found.setdefault(current.seq, wanted[current.seq])  # its row in ``listing`` is enough
    if found == wanted:
        return ""
    return "missing" if wanted.keys() - found.keys() else "extra" if found.keys() - wanted.keys() else "differs"


def _plain(row: ListRow) -> ListRow:
    """Which one is the latest is not stored, but told."""
    return _replace(row, is_latest=True)
