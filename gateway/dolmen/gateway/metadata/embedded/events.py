"""Events in the embedded store: rows written in the commit of the change that they tell."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.gateway.metadata.embedded.database import Execute, blob, integer, translated
from dolmen.gateway.metadata.embedded.writer import Transaction, Writer
from dolmen.gateway.metadata.records import Event, VersionRecord
from dolmen.gateway.metadata.rows import event_of

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def add(execute: Execute, bucket_id: bytes, record: VersionRecord, template: bytes, now_us: int) -> None:
    event = event_of(bucket_id, record, template, now_us)
    execute("INSERT INTO events VALUES (?, ?, ?)", (event.event_id, event.due_us, _encode(event)))


class EmbeddedEvents:
    """The event methods of ``EmbeddedStore``."""

    _writer: Writer
    _read: Execute

    async def due_events(self, now_us: int, limit: int) -> list[Event]:
        with translated():
            rows = self._read("SELECT record FROM events WHERE due_us <= ? ORDER BY event_id LIMIT ?", (now_us, limit)).fetchall()
        return [_decode(blob(raw)) for (raw,) in rows]

    async def finish_events(self, event_ids: Sequence[bytes]) -> None:
        def run(transaction: Transaction) -> None:
            for one in event_ids:
                transaction.execute("DELETE FROM events WHERE event_id = ?", (one,))

        await self._writer.submit(run)

    async def postpone_events(self, event_ids: Sequence[bytes], due_us: int) -> None:
        def run(transaction: Transaction) -> None:
            for one in event_ids:
                found = transaction.execute("SELECT record FROM events WHERE event_id = ?", (one,)).fetchall()
                if found:
                    event = _decode(blob(found[0][0]))
                    later = msgspec.structs.replace(event, due_us=due_us, attempts=event.attempts + 1)
                    query = "UPDATE events SET due_us = ?, record = ? WHERE event_id = ?"
                    transaction.execute(query, (due_us, _encode(later), one))

        await self._writer.submit(run)

    async def event_count(self) -> int:
        with translated():
            return integer(self._read("SELECT count(*) FROM events").fetchall()[0][0])
