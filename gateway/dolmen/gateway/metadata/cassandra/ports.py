"""The part of the port that is maintenance: queues, repairs, documents, the cluster's map and leases."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.records import Document, DocumentChange, Event, GarbageNote, Lease, RepairRow

_encode = msgspec.msgpack.Encoder().encode
_decode_layout = msgspec.msgpack.Decoder(ObjectLayout).decode
_decode_event = msgspec.msgpack.Decoder(Event).decode


class Maintained:
    """See ``MetadataStore``. Reads of queues wait for the follow-ups of what this process has answered."""

    _parts: Parts

    async def upkeep(self) -> int:
        return await self._parts.upkeep()

    # ---- garbage -------------------------------------------------------------------------------------------------

    async def add_garbage(self, layout: ObjectLayout) -> None:
        if layout.segments:
            await self._parts.add_garbage(layout)

    async def due_garbage(self, now_us: int, limit: int) -> list[GarbageNote]:
        await self._parts.follow.idle()
        entries = await self._parts.garbage.due(now_us, limit)
        return [GarbageNote(note_id=entry.id, due_us=entry.due_us, layout=_decode_layout(entry.body)) for entry in entries]

    async def finish_garbage(self, note_ids: Sequence[bytes]) -> None:
        await self._parts.garbage.finish(note_ids)

    async def garbage_count(self) -> int:
        await self._parts.follow.idle()
        return await self._parts.garbage.count()

    # ---- repairs -------------------------------------------------------------------------------------------------

    async def add_repairs(self, rows: Sequence[RepairRow]) -> None:
        await self._parts.repairs.add(rows)

    async def list_repairs(self, after: bytes, limit: int) -> list[RepairRow]:
        await self._parts.follow.idle()
        return await self._parts.repairs.list(after, limit)

    async def finish_repairs(self, rows: Sequence[RepairRow]) -> None:
        await self._parts.repairs.finish(rows)

    async def repair_count(self) -> int:
        await self._parts.follow.idle()
        return await self._parts.repairs.count()

    # ---- events --------------------------------------------------------------------------------------------------

    async def due_events(self, now_us: int, limit: int) -> list[Event]:
        await self._parts.follow.idle()
        entries = await self._parts.events.due(now_us, limit)
        return [msgspec.structs.replace(_decode_event(entry.body), due_us=entry.due_us) for entry in entries]

    async def finish_events(self, event_ids: Sequence[bytes]) -> None:
        await self._parts.events.finish(event_ids)

    async def postpone_events(self, event_ids: Sequence[bytes], due_us: int) -> None:
        await self._parts.events.postpone(event_ids, due_us, lambda body: _once_more(body, due_us))

    async def event_count(self) -> int:
        await self._parts.follow.idle()
        return await self._parts.events.count()

    # ---- documents -----------------------------------------------------------------------------------------------

    async def get_document(self, space: str, kind: str, name: str) -> Document | None:
        return await self._parts.documents.get_document(space, kind, name)

    async def list_documents(self, space: str, kind: str, prefix: str, after: str, limit: int) -> list[Document]:
        return await self._parts.documents.list_documents(space, kind, prefix, after, limit)

    async def write_documents(self, space: str, changes: Sequence[DocumentChange]) -> None:
        await self._parts.documents.write_documents(space, changes)

    async def documents_revision(self, space: str) -> int:
        return await self._parts.documents.documents_revision(space)

    # ---- cluster -------------------------------------------------------------------------------------------------

    async def get_map(self) -> tuple[int, bytes] | None:
        return await self._parts.cluster.get_map()

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        await self._parts.cluster.publish_map(expected_epoch, epoch, raw)

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        return await self._parts.cluster.acquire_lease(name, owner, seconds)

    async def release_lease(self, lease: Lease) -> None:
        await self._parts.cluster.release_lease(lease)


def _once_more(body: bytes, due_us: int) -> bytes:
    event = _decode_event(body)
    return _encode(msgspec.structs.replace(event, due_us=due_us, attempts=event.attempts + 1))
