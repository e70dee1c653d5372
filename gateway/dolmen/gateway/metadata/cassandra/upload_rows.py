"""One multipart upload: a partition of ``upload_parts``, changed by conditional writes only, and its row in the list of uploads.

States: 0 in progress; 1 being completed (parts are frozen; ``attempt`` says by which change of the key); 2 completed;
3 aborted; 4 over, but nobody can tell whether it was completed: its parts are nobody's garbage.
"""

from __future__ import annotations

import secrets
import zlib
from typing import NamedTuple

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.records import Committed, PartRecord, UploadRecord, UploadRow

SPREAD = 16  # partitions of a bucket's list of uploads
PART_NUMBER_MAX = 10_000

IN_PROGRESS, COMPLETING, COMPLETED, GONE, LOST = range(5)

_CREATE = Statement("UPDATE upload_parts SET state = 0, upload = ? WHERE upload_id = ? IF state = NULL", Kind.CAS)
_STATE = Statement(
    "SELECT state, upload, attempt, completed, completed_us FROM upload_parts WHERE upload_id = ? LIMIT 1", Kind.READ
)
_PART = Statement(
    "SELECT state, part, part_rev, record, replaced FROM upload_parts WHERE upload_id = ? AND part = ?", Kind.READ
)
_PARTS = Statement(
    "SELECT state, part, part_rev, record, replaced FROM upload_parts WHERE upload_id = ? AND part > ? LIMIT ?", Kind.READ
)
_PUT_PART = Statement(
    "UPDATE upload_parts SET part_rev = ?, record = ?, replaced = ? WHERE upload_id = ? AND part = ? "
    "IF state = 0 AND part_rev = ?",
    Kind.CAS,
)
_FREEZE = Statement("UPDATE upload_parts SET state = 1, attempt = ? WHERE upload_id = ? IF state = 0", Kind.CAS)
_REFREEZE = Statement(
    "UPDATE upload_parts SET attempt = ? WHERE upload_id = ? IF state = 1 AND attempt = ?", Kind.CAS
)
_THAW = Statement("UPDATE upload_parts SET state = 0 WHERE upload_id = ? IF state = 1 AND attempt = ?", Kind.CAS)
_COMPLETE = Statement(
    "UPDATE upload_parts SET state = 2, completed = ?, completed_us = ? WHERE upload_id = ? IF state = 1 AND attempt = ?",
    Kind.CAS,
)
_END = Statement("UPDATE upload_parts SET state = 3, completed_us = ? WHERE upload_id = ? IF state = 0", Kind.CAS)
_LOSE = Statement(
    "UPDATE upload_parts SET state = 4, completed_us = ? WHERE upload_id = ? IF state = 1 AND attempt = ?", Kind.CAS
)
_REMOVE = Statement(
    "DELETE state, upload, attempt, completed, completed_us FROM upload_parts WHERE upload_id = ? IF state = ?", Kind.CAS
)
_REMOVE_PARTS = Statement("DELETE FROM upload_parts WHERE upload_id = ?", Kind.CAS)
# An id is shown once and hidden for good. Both at the time of its creation, where the delete wins: whatever clocks say, and
# whatever arrives late.
_LIST_ROW = Statement(
    "INSERT INTO uploads (bucket_id, h, key, upload_id, head) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_UNLIST_ROW = Statement(
    "DELETE FROM uploads USING TIMESTAMP ? WHERE bucket_id = ? AND h = ? AND key = ? AND upload_id = ?", Kind.WRITE
)
_LIST = Statement(
    "SELECT key, upload_id, head FROM uploads WHERE bucket_id = ? AND h = ? AND (key, upload_id) > (?, ?) LIMIT ?", Kind.READ
)
_LIST_TO = Statement(
    "SELECT key, upload_id, head FROM uploads WHERE bucket_id = ? AND h = ? AND (key, upload_id) > (?, ?) AND (key) < (?) "
    "LIMIT ?",
    Kind.READ,
)

_encode = msgspec.msgpack.Encoder().encode
_decode_upload = msgspec.msgpack.Decoder(UploadRecord).decode
_decode_part = msgspec.msgpack.Decoder(PartRecord).decode
_decode_row = msgspec.msgpack.Decoder(UploadRow).decode
_decode_committed = msgspec.msgpack.Decoder(Committed).decode


class Replaced(msgspec.Struct, frozen=True, array_like=True):
    """Data of a part that a later one took the place of."""

    note_id: bytes
    due_us: int
    layout: ObjectLayout


_decode_replaced = msgspec.msgpack.Decoder(tuple[Replaced, ...]).decode


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """A completion under way: enough for anybody to find out what became of it, and to end it."""

    op: bytes  # of the change of the key
    prev_op: bytes  # of the head that it asks for
    head_seq: int | None
    at_us: int
    due_us: int  # of the parts that were not named
    numbers: tuple[int, ...]  # of the parts that were
    committed: Committed


_decode_attempt = msgspec.msgpack.Decoder(Attempt).decode


class UploadState(NamedTuple):
    """The upload itself."""

    state: int
    upload: UploadRecord
    raw_attempt: bytes
    completed: Committed | None
    completed_us: int

    @property
    def attempt(self) -> Attempt:
        """While it is being completed."""
        return _decode_attempt(self.raw_attempt)


class PartRow(NamedTuple):
    """One part as it is kept."""

    record: PartRecord
    rev: int
    replaced: tuple[Replaced, ...]


def encode_attempt(attempt: Attempt) -> bytes:
    return _encode(attempt)


def new_rev() -> int:
    """Names a write of a part."""
    return secrets.randbits(63)


def spread_of(key: bytes) -> int:
    """Which partition of the list a key is in."""
    return zlib.crc32(key) % SPREAD


class UploadRows:
    """The statements; each conditional one is one try and tells whether it applied."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql

    async def _cas(self, statement: Statement, *values: object) -> bool:
        return (await self._cql.cas([Bound(statement, values)])).applied

    async def create(self, upload: UploadRecord) -> bool:
        return await self._cas(_CREATE, _encode(upload), upload.upload_id)

    async def state(self, upload_id: str) -> UploadState | None:
        rows = await self._cql.run(_STATE, upload_id)
        if not rows or rows[0][0] is None:
            return None
        state, upload, attempt, completed, completed_us = rows[0]
        return UploadState(
            state,
            _decode_upload(upload),
            attempt or b"",
            _decode_committed(completed) if completed else None,
            completed_us or 0,
        )

    async def part(self, upload_id: str, number: int) -> PartRow | None:
        rows = await self._cql.run(_PART, upload_id, number)
        return _part_row(rows[0][2:]) if rows and rows[0][3] else None

    async def parts(self, upload_id: str, after: int, limit: int) -> tuple[int, list[PartRow]]:
        """(state, parts with a larger number); the state is only known when there is a part."""
        rows = await self._cql.run(_PARTS, upload_id, after, limit)
        found = [row for row in rows if row[3]]
        return (found[0][0] if found else IN_PROGRESS), [_part_row(row[2:]) for row in found]

    async def put_part(
        self, upload_id: str, part: PartRecord, rev: int, replaced: tuple[Replaced, ...], before: int | None
    ) -> bool:
        return await self._cas(_PUT_PART, rev, _encode(part), _encode(replaced), upload_id, part.number, before)

    async def freeze(self, upload_id: str, attempt: bytes, before: bytes | None) -> bool:
        """No part changes any more; ``before``: the attempt of ours that this one follows."""
        if before is None:
            return await self._cas(_FREEZE, attempt, upload_id)
        return await self._cas(_REFREEZE, attempt, upload_id, before)

    async def thaw(self, upload_id: str, attempt: bytes) -> bool:
        return await self._cas(_THAW, upload_id, attempt)

    async def complete(self, upload_id: str, attempt: bytes, committed: Committed, now_us: int) -> bool:
        return await self._cas(_COMPLETE, _encode(committed), now_us, upload_id, attempt)

    async def end(self, upload_id: str, now_us: int) -> bool:
        return await self._cas(_END, now_us, upload_id)

    async def lose(self, upload_id: str, now_us: int, attempt: bytes) -> bool:
        return await self._cas(_LOSE, now_us, upload_id, attempt)

    async def remove(self, upload_id: str, state: int) -> bool:
        """Everything of an upload that is over."""
        reply = await self._cql.cas([Bound(_REMOVE, (upload_id, state)), Bound(_REMOVE_PARTS, (upload_id,))])
        return reply.applied

    async def show(self, upload: UploadRecord) -> None:
        """In lists from now on."""
        row = UploadRow(
            key=upload.key,
            upload_id=upload.upload_id,
            initiated_us=upload.initiated_us,
            owner=upload.owner,
            initiator=upload.initiator,
            storage_class=upload.attributes.storage_class,
            checksum_algorithm=upload.checksum_algorithm,
            checksum_type=upload.checksum_type,
        )
        where = upload.bucket_id, spread_of(upload.key), upload.key, upload.upload_id
        await self._cql.run(_LIST_ROW, *where, _encode(row), upload.initiated_us)

    async def hide(self, upload: UploadRecord) -> None:
        """In lists no longer."""
        where = upload.bucket_id, spread_of(upload.key), upload.key, upload.upload_id
        await self._cql.run(_UNLIST_ROW, upload.initiated_us, *where)

    async def listed(
        self, bucket_id: bytes, spread: int, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        """Of one partition of the list."""
        if end is None:
            rows = await self._cql.run(_LIST, bucket_id, spread, start, after_upload_id, limit)
        else:
            rows = await self._cql.run(_LIST_TO, bucket_id, spread, start, after_upload_id, end, limit)
        return [_decode_row(head) for _, _, head in rows]


def _part_row(columns: tuple[int, bytes, bytes | None]) -> PartRow:
    rev, record, replaced = columns
    return PartRow(_decode_part(record), rev, _decode_replaced(replaced) if replaced else ())
