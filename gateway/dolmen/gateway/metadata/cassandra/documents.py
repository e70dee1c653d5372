"""Documents: small records with compare-and-set, one partition for each space, every change one conditional batch.

The row of kind "" is the space's own: it names the last changes, so that one whose answer was lost can be told later.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import msgspec

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.fresh_cache import FreshCache
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.settle import Settled, settle, telling
from dolmen.gateway.metadata.cassandra.turns import Turns
from dolmen.gateway.metadata.records import Document, DocumentChange
from dolmen.gateway.metadata.store import SCAN_ROWS_MAX, DocumentChanged, MetadataUnavailable, MetadataUnknown

WRITE_SECONDS = 10.0  # among other writers of the space; a client waits no longer
RECENT_MAX = 32  # changes that a space names: more than come while one is being settled
OP_BYTES = 8
REVISIONS_MAX = 10_000  # cached, ~300 bytes each
READS_MAX = 16  # in flight for one change

_OWN = ("", "")  # kind and name of the space's own row

_SPACE = Statement("SELECT space_rev, raw FROM documents WHERE space = ? AND kind = '' AND name = ''", Kind.READ)
_ONE = Statement("SELECT rev, raw FROM documents WHERE space = ? AND kind = ? AND name = ?", Kind.READ)
_REV = Statement("SELECT rev FROM documents WHERE space = ? AND kind = ? AND name = ?", Kind.READ)
_LIST = Statement("SELECT name, rev, raw FROM documents WHERE space = ? AND kind = ? AND name >= ? LIMIT ?", Kind.READ)
_SET = Statement("UPDATE documents SET space_rev = ? WHERE space = ? IF space_rev = ?", Kind.CAS)
_PUT = Statement("INSERT INTO documents (space, kind, name, rev, raw) VALUES (?, ?, ?, ?, ?)", Kind.CAS)
_DELETE = Statement("DELETE FROM documents WHERE space = ? AND kind = ? AND name = ?", Kind.CAS)
_DROP = Statement("DELETE FROM documents WHERE space = ? AND kind > ''", Kind.CAS)


class _Space(msgspec.Struct, frozen=True):
    """A space as it was read. ``rev`` None: it was never written."""

    rev: int | None
    recent: tuple[tuple[int, bytes], ...]  # (revision, op) of the last changes, oldest first

    def after(self, op: bytes) -> _Space:
        rev = (self.rev or 0) + 1
        return _Space(rev, (*self.recent, (rev, op))[-RECENT_MAX:])


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[tuple[int, bytes], ...]).decode


class Documents:
    """The document methods of the port."""

    def __init__(self, cql: Cql, clock: Clock, cache_seconds: float, cached_prefix: str) -> None:
        """``cached_prefix``: revisions of the spaces named so are cached, and their changes wait until no cache has an older one.

        It must be the same in every process of the store.
        """
        self._cql = cql
        self._cached_prefix = cached_prefix
        self._seconds = cache_seconds
        self._clock = clock
        self._revisions: FreshCache[int] = FreshCache(self._read_revision, clock, cache_seconds, REVISIONS_MAX)
        self._turns = Turns()

    async def close(self) -> None:
        await self._revisions.close()

    async def get_document(self, space: str, kind: str, name: str) -> Document | None:
        """As in the port; one statement, and always what is there now."""
        if not kind:
            return None
        rows = await self._cql.run(_ONE, space, kind, name)
        return Document(space=space, kind=kind, name=name, rev=rows[0][0], raw=rows[0][1]) if rows else None

    async def list_documents(self, space: str, kind: str, prefix: str, after: str, limit: int) -> list[Document]:
        """As in the port. Text is ordered by its bytes; all names with a prefix follow each other, from the prefix on."""
        limit = min(limit, SCAN_ROWS_MAX)
        if not kind or limit <= 0:
            return []
        start = max(prefix, after + "\0", key=str.encode) if after else prefix
        rows = await self._cql.run(_LIST, space, kind, start, limit)
        return [
            Document(space=space, kind=kind, name=name, rev=rev, raw=raw) for name, rev, raw in rows if name.startswith(prefix)
        ]

    async def write_documents(self, space: str, changes: Sequence[DocumentChange]) -> None:
        """As in the port. In a space whose revision is cached it returns once every process has noticed."""
        assert all(change.kind for change in changes), "the empty kind is the space's own"
        await self._change_and_wait(space, changes)

    async def drop_space(self, space: str) -> None:
        """Nothing of the space is left; its revision stays, and moves, so that no write of an older one lands."""
        if (await self._read_space(space)).rev is not None:
            await self._change_and_wait(space, None)

    async def documents_revision(self, space: str) -> int:
        """As in the port: no statement when it is cached."""
        if space.startswith(self._cached_prefix):
            found = await self._revisions.get(space)
        else:
            found = await self._read_revision(space)
        assert found is not None
        return found

    async def _change_and_wait(self, space: str, changes: Sequence[DocumentChange] | None) -> None:
        cached = space.startswith(self._cached_prefix) and self._seconds > 0
        async with self._turns.of(space):
            asked = self._clock.monotonic_seconds()
            try:
                rev = await self._change(space, changes)
            except MetadataUnknown:
                self._revisions.forget(space)
                raise
            if cached:
                self._revisions.put(space, rev, asked)
        if cached:
            await asyncio.sleep(self._seconds)

    async def _read_revision(self, space: str) -> int:
        return (await self._read_space(space)).rev or 0

    async def _read_space(self, space: str) -> _Space:
        rows = await self._cql.run(_SPACE, space)
        return _Space(rows[0][0], _decode(rows[0][1])) if rows else _Space(None, ())

    async def _change(self, space: str, changes: Sequence[DocumentChange] | None) -> int:
        """Make the change on whatever revision the space has; ``changes`` None drops everything. Returns the new revision."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WRITE_SECONDS
        for pause_seconds in pauses():
            found = await self._read_space(space)
            if changes is not None:  # after the space was read: what changes in between moves the revision on
                await self._check(space, changes)
            op = secrets.token_bytes(OP_BYTES)
            made = found.after(op)
            assert made.rev is not None
            settled = await settle(self._cql, _batch(space, found, made, changes))
            if settled.applied or await self._was_made(space, found, op, settled):
                return made.rev
            if loop.time() + pause_seconds > deadline:
                break
            await asyncio.sleep(pause_seconds)
        raise MetadataUnavailable("too many others change the same documents")

    async def _was_made(self, space: str, before: _Space, op: bytes, refused: Settled) -> bool:
        """Whether our change is one of those that followed ``before``. Raises ``MetadataUnknown`` when it is too long ago."""
        if not refused.doubtful:
            return False
        with telling(refused):
            recent = dict((await self._read_space(space)).recent)
        next_rev = (before.rev or 0) + 1
        if next_rev not in recent:
            raise MetadataUnknown("a change of documents was not answered, and many others followed")
        return recent[next_rev] == op

    async def _check(self, space: str, changes: Sequence[DocumentChange]) -> None:
        """Raises ``DocumentChanged`` for the first that is not as expected, also by the changes before it."""
        wanted = list(dict.fromkeys((c.kind, c.name) for c in changes if c.expected_rev is not None))
        revs: dict[tuple[str, str], int | None] = {}
        for at in range(0, len(wanted), READS_MAX):
            part = wanted[at : at + READS_MAX]
            found = await asyncio.gather(*(self._cql.run(_REV, space, *place) for place in part))
            revs.update((place, rows[0][0] if rows else 0) for place, rows in zip(part, found, strict=True))
        for change in changes:
            place = change.kind, change.name
            if change.expected_rev is not None and change.expected_rev != revs[place]:
                raise DocumentChanged(change.kind, change.name)
            # One that was written by this very change has a revision that nobody can expect yet.
            revs[place] = 0 if change.raw is None else None


def _batch(space: str, found: _Space, made: _Space, changes: Sequence[DocumentChange] | None) -> list[Bound]:
    last = {(change.kind, change.name): change.raw for change in changes or ()}
    return [
        Bound(_SET, (made.rev, space, found.rev)),
        Bound(_PUT, (space, *_OWN, made.rev, _encode(made.recent))),
        *([Bound(_DROP, (space,))] if changes is None else []),
        *(Bound(_DELETE, (space, *place)) for place, raw in last.items() if raw is None),
        *(Bound(_PUT, (space, *place, made.rev, raw)) for place, raw in last.items() if raw is not None),
    ]
