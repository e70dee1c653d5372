"""Events and documents of the port in memory; see ``memory``."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence

import msgspec

from dolmen.gateway.metadata.records import Document, DocumentChange, Event, VersionRecord
from dolmen.gateway.metadata.store import DocumentChanged

replace = msgspec.structs.replace


class MemoryNotes:
    """The event and document methods of ``MemoryStore``."""

    def __init__(self) -> None:
        self._events: dict[bytes, Event] = {}
        self._documents: dict[tuple[str, str, str], Document] = {}
        self._revisions: Counter[str] = Counter()

    # ---- events --------------------------------------------------------------------------------------------------

    def _tell(self, bucket_id: bytes, version: VersionRecord, template: bytes, now_us: int) -> None:
        if template:
            event = Event(
                event_id=now_us.to_bytes(8, "big") + secrets.token_bytes(8),
                bucket_id=bucket_id,
                key=version.key,
                template=template,
                version_id=version.version_id,
                seq=version.seq,
                at_us=now_us,
                size=version.size,
                etag=version.etag,
                is_delete_marker=version.is_delete_marker,
                due_us=now_us,
            )
            self._events[event.event_id] = event

    async def due_events(self, now_us: int, limit: int) -> list[Event]:
        return [event for _, event in sorted(self._events.items()) if event.due_us <= now_us][:limit]

    async def finish_events(self, event_ids: Sequence[bytes]) -> None:
        for one in event_ids:
            self._events.pop(one, None)

    async def postpone_events(self, event_ids: Sequence[bytes], due_us: int) -> None:
        for one in event_ids:
            if one in self._events:
                event = self._events[one]
                self._events[one] = replace(event, due_us=due_us, attempts=event.attempts + 1)

    async def event_count(self) -> int:
        return len(self._events)

    # ---- documents -----------------------------------------------------------------------------------------------

    async def get_document(self, space: str, kind: str, name: str) -> Document | None:
        return self._documents.get((space, kind, name))

    async def list_documents(self, space: str, kind: str, prefix: str, after: str, limit: int) -> list[Document]:
        found = [d for d in self._documents.values() if (d.space, d.kind) == (space, kind) and d.name.startswith(prefix)]
        ordered = sorted(found, key=lambda document: document.name.encode())
        return [document for document in ordered if document.name.encode() > after.encode()][:limit]

    async def write_documents(self, space: str, changes: Sequence[DocumentChange]) -> None:
        after = dict(self._documents)
        now = self._revisions[space] + 1
        for change in changes:
            place = space, change.kind, change.name
            rev = after[place].rev if place in after else 0
            if change.expected_rev not in {None, rev}:
                raise DocumentChanged(change.kind, change.name)
            if change.raw is None:
                after.pop(place, None)
            else:
                after[place] = Document(space=space, kind=change.kind, name=change.name, rev=now, raw=change.raw)
        self._documents = after
        self._revisions[space] = now

    async def documents_revision(self, space: str) -> int:
        return self._revisions[space]

    def _drop_space(self, space: str) -> None:
        for place in [place for place in self._documents if place[0] == space]:
            del self._documents[place]
