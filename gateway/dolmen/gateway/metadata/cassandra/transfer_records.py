"""Documents, their spaces and the cluster map in Cassandra as items that are moved: see ``Transferable``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from dolmen.gateway.metadata.cassandra.cluster import ClusterState
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.settle import settle
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.cassandra.token_walk import TokenTable
from dolmen.gateway.metadata.records import Document
from dolmen.gateway.metadata.store import MetadataUnavailable
from dolmen.gateway.metadata.transfer import MAP_PLACE, DocumentItem, Item, MapItem, Page, Place, SpaceItem

BATCH_ROWS = 100  # documents of one change
CHANGE_SECONDS = 30.0  # a change that somebody else is faster than is tried so long
_OWN = ("", "")  # kind and name of the row that a space has itself (see ``documents``)
_MAP = "map"

_SPACES = TokenTable("documents", ("space",), (), "space_rev")
_DOCUMENTS = TokenTable("documents", ("space",), ("kind", "name"), "rev, raw")
_REV = Statement("SELECT space_rev FROM documents WHERE space = ? LIMIT 1", Kind.READ)
_ONE = Statement("SELECT rev, raw FROM documents WHERE space = ? AND kind = ? AND name = ?", Kind.READ)
_SET = Statement("UPDATE documents SET space_rev = ? WHERE space = ? IF space_rev = ?", Kind.CAS)
_UNSET = Statement("DELETE space_rev FROM documents WHERE space = ? IF space_rev = ?", Kind.CAS)
_PUT = Statement("INSERT INTO documents (space, kind, name, rev, raw) VALUES (?, ?, ?, ?, ?)", Kind.CAS)
_DELETE = Statement("DELETE FROM documents WHERE space = ? AND kind = ? AND name = ?", Kind.CAS)
_DROP_MAP = Statement("DELETE FROM cluster_state WHERE name = ? IF epoch = ?", Kind.CAS)

_NO_CHANGES = msgspec.msgpack.encode(())  # of a space's own row: none that could be asked for


class _Spaces:
    """Changes of the rows of spaces."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql

    async def _rev(self, space: str) -> int | None:
        rows = await self._cql.run(_REV, space)
        rev: int | None = rows[0][0] if rows else None
        return rev

    async def _change(self, space: str, rev: int | None, bound: Sequence[Bound]) -> None:
        """Change rows of a space. ``rev``: that it has afterwards; None: as before (or that of a space never written)."""

        async def once() -> bool:
            held = await self._rev(space)
            wanted = rev if rev is not None else 1 if held is None else held
            own = [_own_row(space, wanted)] if held is None or rev is not None else []
            return (await settle(self._cql, [Bound(_SET, (wanted, space, held)), *own, *bound])).applied

        await _until(once)


class SpaceItems(_Spaces):
    """The items of kind SPACE."""

    async def dump(self, after: bytes, limit: int) -> Page:
        page = await _SPACES.page(self._cql, after, limit)
        return Page([SpaceItem(space, rev) for _, space, rev in page.rows if rev is not None], page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        revs = await together(self._rev(_text(place[0])) for place in places)
        return [SpaceItem(_text(place[0]), rev) for place, rev in zip(places, revs, strict=True) if rev is not None]

    async def load(self, items: Sequence[Item]) -> None:
        await together(self._change(item.space, item.rev, []) for item in items if isinstance(item, SpaceItem))

    async def forget(self, places: Sequence[Place]) -> None:
        """Documents that are left are items of their own."""
        for place in places:
            space = _text(place[0])
            rev = await self._rev(space)
            if rev is not None:
                await settle(self._cql, [Bound(_UNSET, (space, rev)), Bound(_DELETE, (space, *_OWN))])


class DocumentItems(_Spaces):
    """The items of kind DOCUMENT. Their space's revision stays: it is an item of its own."""

    async def dump(self, after: bytes, limit: int) -> Page:
        page = await _DOCUMENTS.page(self._cql, after, limit)
        items = [
            DocumentItem(Document(space=space, kind=kind, name=name, rev=rev, raw=raw))
            for _, space, kind, name, rev, raw in page.rows
            if kind  # neither the space's own row nor that of a space without documents
        ]
        return Page(items, page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        found = await together(self._cql.run(_ONE, *place) for place in places)
        return [
            DocumentItem(Document(space=_text(space), kind=_text(kind), name=_text(name), rev=rows[0][0], raw=rows[0][1]))
            for (space, kind, name), rows in zip(places, found, strict=True)
            if rows
        ]

    async def load(self, items: Sequence[Item]) -> None:
        groups: dict[str, list[Bound]] = {}
        for item in items:
            assert isinstance(item, DocumentItem)
            one = item.document
            groups.setdefault(one.space, []).append(Bound(_PUT, (one.space, one.kind, one.name, one.rev, one.raw)))
        await self._change_each(groups)

    async def forget(self, places: Sequence[Place]) -> None:
        groups: dict[str, list[Bound]] = {}
        for place in places:
            groups.setdefault(_text(place[0]), []).append(Bound(_DELETE, place))
        await self._change_each(groups)

    async def _change_each(self, groups: dict[str, list[Bound]]) -> None:
        """One batch of a space after the other: each is conditional on what the one before left."""

        async def one(space: str, bound: Sequence[Bound]) -> None:
            for at in range(0, len(bound), BATCH_ROWS):
                await self._change(space, None, bound[at : at + BATCH_ROWS])

        await together(one(space, bound) for space, bound in groups.items())


def _own_row(space: str, rev: int) -> Bound:
    return Bound(_PUT, (space, *_OWN, rev, _NO_CHANGES))


class MapItems:
    """The item of kind MAP."""

    def __init__(self, cql: Cql, cluster: ClusterState) -> None:
        self._cql = cql
        self._cluster = cluster

    async def dump(self, after: bytes, limit: int) -> Page:
        return Page(await self.fetch([MAP_PLACE]), None)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        held = await self._cluster.get_map() if places else None
        return [] if held is None else [MapItem(*held)]

    async def load(self, items: Sequence[Item]) -> None:
        for item in items:
            assert isinstance(item, MapItem)
            held = await self._cluster.get_map()
            if held == (item.epoch, item.raw):
                continue
            if held is not None and held[0] >= item.epoch:
                await self.forget([MAP_PLACE])
                held = None
            await self._cluster.publish_map(0 if held is None else held[0], item.epoch, item.raw)

    async def forget(self, places: Sequence[Place]) -> None:
        held = await self._cluster.get_map() if places else None
        if held is not None:
            await settle(self._cql, [Bound(_DROP_MAP, (_MAP, held[0]))])


def _text(part: bytes | str | int) -> str:
    assert isinstance(part, str)
    return part


async def _until(once: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Try until it applies. Raises ``MetadataUnavailable``, ``MetadataUnknown``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CHANGE_SECONDS
    for pause_seconds in pauses():
        if await once():
            return
        if loop.time() > deadline:
            raise MetadataUnavailable("what is being loaded is changed by others again and again")
        await asyncio.sleep(pause_seconds)
