"""One change of an account's documents: reads, decisions, one atomic write.

All writes of an account pass over its ``AccountState``: whoever writes has read it first and replaces exactly that revision. So
every decision (is the name free, is the group empty, is the quota reached) still holds when it is written; who comes second
reads again and decides again. IAM changes are rare, their order costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from dolmen.gateway.iam.records import KINDS, AccountState, Empty, Record, space_of
from dolmen.gateway.metadata.records import Document, DocumentChange
from dolmen.gateway.metadata.store import MetadataStore

_STATE = "state"
_PAGE_ROWS = 500  # documents of one read of a list: some 2 MB when every one is as large as it may be
_EMPTY = msgspec.msgpack.encode(Empty())

T = TypeVar("T", bound=Record)


class Unit:
    """Reads see what was staged before them. Not for several tasks at a time."""

    def __init__(self, store: MetadataStore, account_id: str) -> None:
        self._store = store
        self._space = space_of(account_id)
        self._state: AccountState | None = None
        self._state_rev = 0
        self._state_changed = False
        self._seen: dict[tuple[str, str], Record | None] = {}
        self._staged: dict[tuple[str, str], bytes | None] = {}

    async def state(self) -> AccountState:
        """Counters of the account. Whoever is going to write reads it before anything else."""
        if self._state is None:
            document = await self._store.get_document(self._space, KINDS[AccountState], _STATE)
            if document is None:
                self._state = AccountState()
            else:
                self._state = msgspec.msgpack.decode(document.raw, type=AccountState)
                self._state_rev = document.rev
        return self._state

    def set_state(self, state: AccountState) -> None:
        """Stage a change of it."""
        self._state = state
        self._state_changed = True

    async def get(self, kind: type[T], name: str) -> T | None:
        """The record of that name, in whatever case it is written."""
        place = (KINDS[kind], _stored(kind, name))
        if place in self._seen:
            found = self._seen[place]
            assert found is None or isinstance(found, kind)
            return found
        document = await self._store.get_document(self._space, *place)
        record = None if document is None else msgspec.msgpack.decode(document.raw, type=kind)
        self._seen[place] = record
        return record

    async def each(self, kind: type[T], after: str = "") -> AsyncIterator[T]:
        """Every record of a kind in the order of names, behind ``after``. What was staged is not seen: lists do not write."""
        async for document in self._documents(KINDS[kind], "", after):
            yield msgspec.msgpack.decode(document.raw, type=kind)

    async def names(self, kind: str, prefix: str) -> list[str]:
        """What stands behind ``prefix`` in the names of empty documents (``member``, ``attachment``)."""
        return [document.name[len(prefix) :] async for document in self._documents(kind, prefix, "")]

    async def _documents(self, kind: str, prefix: str, after: str) -> AsyncIterator[Document]:
        while True:
            page = await self._store.list_documents(self._space, kind, prefix, after, _PAGE_ROWS)
            for document in page:
                yield document
            if len(page) < _PAGE_ROWS:
                return
            after = page[-1].name

    def put(self, record: Record, name: str) -> None:
        """Stage a record under ``name``."""
        place = (KINDS[type(record)], _stored(type(record), name))
        self._seen[place] = record
        self._staged[place] = msgspec.msgpack.encode(record)

    def remove(self, kind: type[Record], name: str) -> None:
        place = (KINDS[kind], _stored(kind, name))
        self._seen[place] = None
        self._staged[place] = None

    def mark(self, kind: str, name: str, *, present: bool) -> None:
        """Stage an empty document, or its end."""
        self._staged[kind, name] = _EMPTY if present else None

    async def count(self, kind: type[Record], by: int) -> int:
        """Stage a change of a counter; its new value."""
        state = await self.state()
        name = KINDS[kind]
        number = max(0, state.counts.get(name, 0) + by)
        self.set_state(msgspec.structs.replace(state, counts={**state.counts, name: number}))
        return number

    async def commit(self) -> None:
        """Write everything that was staged, or nothing. Raises ``DocumentChanged``: begin again."""
        if not self._staged and not self._state_changed:
            return
        state = await self.state()
        changes = [
            DocumentChange(kind=kind, name=name, raw=raw, expected_rev=None) for (kind, name), raw in self._staged.items()
        ]
        guard = DocumentChange(
            kind=KINDS[AccountState], name=_STATE, raw=msgspec.msgpack.encode(state), expected_rev=self._state_rev
        )
        await self._store.write_documents(self._space, [guard, *changes])


def _stored(kind: type[Record], name: str) -> str:
    return name if KINDS[kind] == "key" else name.lower()
