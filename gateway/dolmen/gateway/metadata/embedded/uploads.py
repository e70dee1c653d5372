"""Multipart uploads in the embedded store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import ClientFault
from dolmen.gateway.metadata.embedded import objects
from dolmen.gateway.metadata.embedded.database import Connection, Writer, blob, translated
from dolmen.gateway.metadata.records import (
    Committed,
    NewVersion,
    PartRecord,
    RepairRow,
    UploadRecord,
    UploadRow,
    WriteCondition,
)
from dolmen.gateway.metadata.store import Intent, InvalidPart, NoSuchUpload

REFUSALS = (ClientFault,)  # what an operation may be refused with before it has written anything
COMPLETED_KEPT_SECONDS = 48 * 3600  # a repeated completion gets the same answer for so long

_encoder = msgspec.msgpack.Encoder()
_upload = msgspec.msgpack.Decoder(UploadRecord)
_part = msgspec.msgpack.Decoder(PartRecord)
_committed = msgspec.msgpack.Decoder(Committed)


def _state(connection: Connection, upload: UploadRecord) -> tuple[int | None, bytes | None]:
    """(completed_us, result). Raises ``NoSuchUpload``."""
    found = connection.execute(
        "SELECT completed_us, result FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
        (upload.bucket_id, upload.key, upload.upload_id),
    ).fetchone()
    if found is None:
        raise NoSuchUpload(upload.upload_id)
    return found[0], found[1]


def _in_progress(connection: Connection, upload: UploadRecord) -> None:
    if _state(connection, upload)[0] is not None:
        raise NoSuchUpload(upload.upload_id)


def _parts(connection: Connection, upload_id: str) -> list[PartRecord]:
    rows = connection.execute("SELECT record FROM parts WHERE upload_id = ? ORDER BY number", (upload_id,))
    return [_part.decode(blob(raw)) for (raw,) in rows]


class EmbeddedUploads:
    """The upload methods of ``EmbeddedStore``."""

    _clock: Clock
    _grace_us: int
    _writer: Writer
    _reader: Connection

    async def create_upload(self, upload: UploadRecord) -> None:
        def run(connection: Connection) -> None:
            objects.versioning_of(connection, upload.bucket_id)
            expired_us = self._clock.now_us() - COMPLETED_KEPT_SECONDS * 1_000_000
            connection.execute("DELETE FROM uploads WHERE bucket_id = ? AND completed_us < ?", (upload.bucket_id, expired_us))
            connection.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, NULL, ?, NULL)",
                (upload.bucket_id, upload.key, upload.upload_id, _encoder.encode(upload)),
            )

        await self._writer.submit(run)

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        with translated():
            found = self._reader.execute(
                "SELECT record, result FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
                (bucket_id, key, upload_id),
            ).fetchone()
        if found is None:
            return None
        upload = _upload.decode(found[0])
        return upload if found[1] is None else msgspec.structs.replace(upload, completed=_committed.decode(found[1]))

    async def put_part(self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()) -> None:
        def run(connection: Connection) -> None:
            _in_progress(connection, upload)
            due_us = self._clock.now_us() + self._grace_us
            replaced = connection.execute(
                "SELECT record FROM parts WHERE upload_id = ? AND number = ?", (upload.upload_id, part.number)
            ).fetchone()
            if replaced is not None:
                objects.note_garbage(connection, _part.decode(replaced[0]).layout, due_us)
            connection.execute(
                "INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (upload.upload_id, part.number, _encoder.encode(part))
            )
            objects.note_repairs(connection, repairs)

        await self._writer.submit(run)

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        with translated():
            rows = self._reader.execute(
                "SELECT record FROM parts WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?",
                (upload.upload_id, after, limit),
            ).fetchall()
        return [_part.decode(blob(raw)) for (raw,) in rows]

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        bound, values = ("AND key < ?", (end,)) if end is not None else ("", ())
        with translated():
            rows = self._reader.execute(
                "SELECT record FROM uploads WHERE bucket_id = ? AND completed_us IS NULL "  # noqa: S608
                "AND (key, upload_id) > (?, ?) "
                f"{bound} ORDER BY key, upload_id LIMIT ?",
                (bucket_id, start, after_upload_id, *values, limit),
            ).fetchall()
        return [_told(_upload.decode(blob(raw))) for (raw,) in rows]

    async def abort_upload(self, upload: UploadRecord) -> None:
        def run(connection: Connection) -> None:
            _in_progress(connection, upload)
            due_us = self._clock.now_us() + self._grace_us
            for part in _parts(connection, upload.upload_id):
                objects.note_garbage(connection, part.layout, due_us)
            connection.execute("DELETE FROM parts WHERE upload_id = ?", (upload.upload_id,))
            connection.execute(
                "DELETE FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
                (upload.bucket_id, upload.key, upload.upload_id),
            )

        await self._writer.submit(run)

    async def complete_upload(
        self,
        intent: Intent,
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
    ) -> Committed:
        def run(connection: Connection) -> Committed:
            completed_us, result = _state(connection, upload)
            if completed_us is not None and result is not None:
                earlier = _committed.decode(result)
                if earlier.etag != version.etag:
                    raise NoSuchUpload(upload.upload_id)
                return earlier
            stored = {part.number: part for part in _parts(connection, upload.upload_id)}
            for part in parts:
                if stored.get(part.number) != part:
                    raise InvalidPart(part.number)
            now_us = self._clock.now_us()
            due_us = now_us + self._grace_us
            committed = objects.put(connection, upload.bucket_id, upload.key, version, condition, now_us, due_us)
            for number in stored.keys() - {part.number for part in parts}:
                objects.note_garbage(connection, stored[number].layout, due_us)
            connection.execute("DELETE FROM parts WHERE upload_id = ?", (upload.upload_id,))
            connection.execute(
                "UPDATE uploads SET completed_us = ?, result = ? WHERE bucket_id = ? AND key = ? AND upload_id = ?",
                (now_us, _encoder.encode(committed), upload.bucket_id, upload.key, upload.upload_id),
            )
            return committed

        return await self._writer.submit(run)


def _told(upload: UploadRecord) -> UploadRow:
    return UploadRow(
        key=upload.key,
        upload_id=upload.upload_id,
        initiated_us=upload.initiated_us,
        owner=upload.owner,
        initiator=upload.initiator,
        storage_class=upload.attributes.storage_class,
        checksum_algorithm=upload.checksum_algorithm,
        checksum_type=upload.checksum_type,
    )


