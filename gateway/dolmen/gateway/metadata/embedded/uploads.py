"""Multipart uploads in the embedded store."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.embedded import objects
from dolmen.gateway.metadata.embedded.database import Execute, blob, text, translated
from dolmen.gateway.metadata.embedded.intents import alive
from dolmen.gateway.metadata.embedded.writer import Transaction, Writer
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

COMPLETED_KEPT_SECONDS = 48 * 3600  # a repeated completion gets the same answer for so long
PRUNED_AT_ONCE = 8  # expired completions that go with each new one: more than come, so that they never pile up

_encode = msgspec.msgpack.Encoder().encode
_decode_upload = msgspec.msgpack.Decoder(UploadRecord).decode
_decode_part = msgspec.msgpack.Decoder(PartRecord).decode


def _in_progress(execute: Execute, upload: UploadRecord) -> None:
    found = execute(
        "SELECT 1 FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
        (upload.bucket_id, upload.key, upload.upload_id),
    ).fetchall()
    if not found:
        raise NoSuchUpload(upload.upload_id)


def _parts(execute: Execute, upload_id: str) -> list[PartRecord]:
    rows = execute("SELECT record FROM parts WHERE upload_id = ? ORDER BY number", (upload_id,)).fetchall()
    return [_decode_part(raw) for (raw,) in rows]


def _find(execute: Execute, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
    """In progress, or completed."""
    for query in (
        "SELECT record FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
        "SELECT record FROM completions WHERE bucket_id = ? AND key = ? AND upload_id = ?",
    ):
        found = execute(query, (bucket_id, key, upload_id)).fetchall()
        if found:
            return _decode_upload(blob(found[0][0]))
    return None


def _forget(execute: Execute, upload: UploadRecord) -> None:
    """It is in progress no longer; its parts are accounted for."""
    execute("DELETE FROM parts WHERE upload_id = ?", (upload.upload_id,))
    execute(
        "DELETE FROM uploads WHERE bucket_id = ? AND key = ? AND upload_id = ?",
        (upload.bucket_id, upload.key, upload.upload_id),
    )


def end_all(execute: Execute, bucket_id: bytes, due_us: int) -> None:
    """The bucket goes: parts of its uploads become garbage, and nothing of them is left."""
    found = execute("SELECT upload_id FROM uploads WHERE bucket_id = ?", (bucket_id,)).fetchall()
    for (upload_id,) in found:
        for part in _parts(execute, text(upload_id)):
            objects.note_garbage(execute, part.layout, due_us)
        execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))
    execute("DELETE FROM uploads WHERE bucket_id = ?", (bucket_id,))
    execute("DELETE FROM completions WHERE bucket_id = ?", (bucket_id,))


def _remember(execute: Execute, upload: UploadRecord, now_us: int) -> None:
    """Keep the answer of a completion; a few that are too old go."""
    expired_us = now_us - COMPLETED_KEPT_SECONDS * 1_000_000
    execute(
        "DELETE FROM completions WHERE (bucket_id, key, upload_id) IN (SELECT bucket_id, key, upload_id FROM completions "
        "WHERE completed_us < ? ORDER BY completed_us LIMIT ?)",
        (expired_us, PRUNED_AT_ONCE),
    )
    execute(
        "INSERT INTO completions VALUES (?, ?, ?, ?, ?)",
        (upload.bucket_id, upload.key, upload.upload_id, now_us, _encode(upload)),
    )


class EmbeddedUploads:
    """The upload methods of ``EmbeddedStore``."""

    _clock: Clock
    _grace_us: int
    _writer: Writer
    _read: Execute

    async def create_upload(self, upload: UploadRecord) -> None:
        def run(transaction: Transaction) -> None:
            objects.versioning_of(transaction, upload.bucket_id)
            transaction.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?)", (upload.bucket_id, upload.key, upload.upload_id, _encode(upload))
            )

        await self._writer.submit(run)

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        with translated():
            return _find(self._read, bucket_id, key, upload_id)

    async def put_part(self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()) -> None:
        def run(transaction: Transaction) -> None:
            execute = transaction.execute
            _in_progress(execute, upload)
            due_us = self._clock.now_us() + self._grace_us
            replaced = execute(
                "SELECT record FROM parts WHERE upload_id = ? AND number = ?", (upload.upload_id, part.number)
            ).fetchall()
            if replaced:
                objects.note_garbage(execute, _decode_part(replaced[0][0]).layout, due_us)
            execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (upload.upload_id, part.number, _encode(part)))
            objects.note_repairs(execute, repairs)

        await self._writer.submit(run)

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        with translated():
            rows = self._read(
                "SELECT record FROM parts WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?",
                (upload.upload_id, after, limit),
            ).fetchall()
        return [_decode_part(raw) for (raw,) in rows]

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        bound, values = ("AND key < ?", (end,)) if end is not None else ("", ())
        with translated():
            rows = self._read(
                "SELECT record FROM uploads WHERE bucket_id = ? AND (key, upload_id) > (?, ?) "  # noqa: S608
                f"{bound} ORDER BY key, upload_id LIMIT ?",
                (bucket_id, start, after_upload_id, *values, limit),
            ).fetchall()
        return [_told(_decode_upload(raw)) for (raw,) in rows]

    async def abort_upload(self, upload: UploadRecord) -> None:
        def run(transaction: Transaction) -> None:
            execute = transaction.execute
            _in_progress(execute, upload)
            due_us = self._clock.now_us() + self._grace_us
            for part in _parts(execute, upload.upload_id):
                objects.note_garbage(execute, part.layout, due_us)
            _forget(execute, upload)

        await self._writer.submit(run)

    async def complete_upload(
        self,
        intent: Intent,
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes = b"",
    ) -> Committed:
        alive(intent, self._clock)

        def run(transaction: Transaction) -> Committed:
            execute = transaction.execute
            stored = _find(execute, upload.bucket_id, upload.key, upload.upload_id)
            if stored is None:
                raise NoSuchUpload(upload.upload_id)
            if stored.completed is not None:
                if stored.completed.etag != version.etag:
                    raise NoSuchUpload(upload.upload_id)
                return stored.completed
            held = {part.number: part for part in _parts(execute, upload.upload_id)}
            for part in parts:
                if held.get(part.number) != part:
                    raise InvalidPart(part.number)
            now_us = self._clock.now_us()
            due_us = now_us + self._grace_us
            committed = objects.put(transaction, upload.bucket_id, upload.key, version, condition, now_us, due_us, event)
            for number in held.keys() - {part.number for part in parts}:
                objects.note_garbage(execute, held[number].layout, due_us)
            _forget(execute, upload)
            _remember(execute, msgspec.structs.replace(stored, completed=committed), now_us)
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


