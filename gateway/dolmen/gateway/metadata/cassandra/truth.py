"""The truth about one key: its partition of ``objects``, how it is read, and the one form in which it is changed.

Every change is a conditional batch ``IF head_seq = :previous`` that sets ``head_seq`` (ever larger), ``head_op`` (random bytes of
the attempt) and ``prev_op`` (whose change it followed), so that an attempt whose answer was lost can be told later.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec

from dolmen.gateway.metadata.cassandra.cql import Bound, CasReply, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.records import ListRow, VersionRecord
from dolmen.gateway.metadata.rows import (
    HEAD_ROWS,
    decode_row,
    encode,
    list_row,
    rest_of,
    slot_named,
    slot_of,
    version_of_rows,
)
from dolmen.gateway.metadata.store import MetadataUnavailable

NO_SLOT = -1  # ``current_slot`` of a key without versions: nulls would be tombstones
OP_BYTES = 8
_MOVE_READS_MAX = 8  # of a key whose renames follow each other faster than we read

_HEAD = Statement(
    "SELECT head_seq, head_op, prev_op, pending, move, slot, summary, rest, op FROM objects "
    "WHERE bucket_id = ? AND key = ? LIMIT ?",
    Kind.READ,
)
_CURRENT = Statement(
    "SELECT slot, move, summary, rest, seq FROM objects WHERE bucket_id = ? AND key = ? LIMIT 2", Kind.READ
)
_EXACT = Statement(
    "SELECT slot, move, summary, rest, head_seq, current_slot FROM objects WHERE bucket_id = ? AND key = ? AND slot = ?", Kind.READ
)
_ALL = Statement("SELECT slot, move, summary, head_seq FROM objects WHERE bucket_id = ? AND key = ?", Kind.READ)
_SET = (
    "UPDATE objects SET head_seq = ?, head_op = ?, prev_op = ?, current_slot = ?{more} "
    "WHERE bucket_id = ? AND key = ? IF head_seq = ?"
)
_SETS = {
    (pending, move): Statement(
        _SET.format(more=(", pending = ?" if pending else "") + (", move = ?" if move else "")), Kind.CAS
    )
    for pending in (False, True)
    for move in (False, True)
}
_INSERT = Statement(
    "INSERT INTO objects (bucket_id, key, slot, seq, op, summary, rest) VALUES (?, ?, ?, ?, ?, ?, ?)", Kind.CAS
)
_DELETE = Statement("DELETE FROM objects WHERE bucket_id = ? AND key = ? AND slot = ?", Kind.CAS)
_FORGET = Statement(
    "DELETE head_seq, head_op, prev_op, current_slot, pending, move FROM objects WHERE bucket_id = ? AND key = ? IF head_seq = ?",
    Kind.CAS,
)


class Move(msgspec.Struct, frozen=True, array_like=True):
    """A rename under way, as both of its keys know it (see ``moves``)."""

    op: bytes  # of the rename
    is_source: bool
    other: bytes  # the other key


_decode_move = msgspec.msgpack.Decoder(Move).decode


def encode_move(move: Move | None) -> bytes:
    """What the column holds; b"" for none."""
    return b"" if move is None else encode(move)


def decode_move(raw: bytes | None) -> Move | None:
    """The column's value."""
    return _decode_move(raw) if raw else None


class Head(NamedTuple):
    """What decides a change: the null version and the two newest with ids, and who changed the key last."""

    seq: int | None  # None: the key was never written, or long ago
    op: bytes | None
    prev_op: bytes | None
    pending: bytes
    move: Move | None
    versions: tuple[VersionRecord, ...]
    ops: tuple[bytes, ...]  # of the attempts that wrote ``versions``

    @property
    def floor_seq(self) -> int:
        """The least sequence that the next change may have."""
        return 0 if self.seq is None else self.seq + 1


class Update(NamedTuple):
    """A change of one key's partition, decided on a head that was read."""

    seq: int
    op: bytes
    current: VersionRecord | None  # afterwards
    put: tuple[VersionRecord, ...] = ()  # rows written, or written over
    drop: tuple[int, ...] = ()  # slots of rows that go
    pending: bytes | None = None  # None: stays as it is
    move: bytes | None = None  # None: stays as it is


class KeyState(NamedTuple):
    """All that lists may tell of a key."""

    seq: int  # head_seq: the timestamp of list rows made from this; 0: never written
    current: ListRow | None  # a marker stands here as itself
    versions: list[ListRow]  # all of them, newest first


def new_op() -> bytes:
    """Names an attempt; stays the same when the attempt is repeated because its answer was lost."""
    return secrets.token_bytes(OP_BYTES)


class Truth:
    """Reads and conditional changes of ``objects``."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql

    async def head(self, bucket_id: bytes, key: bytes) -> Head:
        """One statement."""
        rows = await self._cql.run(_HEAD, bucket_id, key, HEAD_ROWS)
        if not rows:
            return Head(None, None, None, b"", None, (), ())
        seq, op, prev_op, pending, move = rows[0][:5]
        found = [row for row in rows if row[5] is not None]
        return Head(
            seq,
            op,
            prev_op,
            pending or b"",
            decode_move(move),
            tuple(version_of_rows(row[6], row[7]) for row in found),
            tuple(row[8] for row in found),
        )

    async def current(self, bucket_id: bytes, key: bytes) -> VersionRecord | None:
        """The current version, which may be a marker. One statement, unless the key is being renamed."""
        rows = [row for row in await self._read(_CURRENT, bucket_id, key) if row[0] is not None]
        if not rows:
            return None
        newest = rows[0] if len(rows) == 1 or rows[0][4] > rows[1][4] else rows[1]
        return version_of_rows(newest[2], newest[3])

    async def exact(self, bucket_id: bytes, key: bytes, version_id: str) -> tuple[int | None, VersionRecord | None]:
        """(head_seq, the version named): one statement, unless the key is being renamed. ``is_latest`` is exact."""
        slot = slot_named(version_id)
        if slot is None:
            return None, None
        rows = await self._read(_EXACT, bucket_id, key, slot)
        if not rows:
            return None, None
        _, _, summary, rest, seq, current_slot = rows[0]
        record = version_of_rows(summary, rest, is_latest=current_slot == slot)
        return seq, record if record.version_id == version_id else None

    async def state(self, bucket_id: bytes, key: bytes) -> KeyState:
        """Every version of the key, as lists tell them."""
        rows = await self._read(_ALL, bucket_id, key)
        if not rows:
            return KeyState(0, None, [])
        seq = rows[0][3]
        versions = [decode_row(row[2]) for row in rows if row[2] is not None]
        versions.sort(key=lambda row: -row.seq)
        told = [row if at == 0 else msgspec.structs.replace(row, is_latest=False) for at, row in enumerate(versions)]
        return KeyState(seq or 0, told[0] if told else None, told)

    async def _read(self, statement: Statement, bucket_id: bytes, key: bytes, *more: object) -> list[Row]:
        """Rows of the key (slot and move come first); their slots are None when the key has been renamed away.

        A key that is being renamed shows its versions until its new name has taken them. That name is not changed again before
        this one is done with, so a key still marked after its new name was found without it has not been renamed yet.
        """
        for _ in range(_MOVE_READS_MAX):
            rows = await self._cql.run(statement, bucket_id, key, *more)
            if not rows or not rows[0][1]:
                return rows
            move = _decode_move(rows[0][1])
            if not move.is_source or rows[0][0] is None:
                return rows
            there = (await self.head(bucket_id, move.other)).move
            if there is not None and there.op == move.op:
                return [(None, row[1], None, *row[3:]) for row in rows] if statement is _ALL else []
            again = await self._cql.run(statement, bucket_id, key, *more)
            if again and again[0][1] == rows[0][1]:
                return again
        raise MetadataUnavailable("the object is being renamed again and again")

    async def change(self, bucket_id: bytes, key: bytes, head: Head, update: Update) -> CasReply:
        """One try. Raises ``MetadataUnknown``; an answer is certain."""
        return await self._cql.cas(_batch(bucket_id, key, head, update))

    async def forget(self, bucket_id: bytes, key: bytes, seq: int) -> bool:
        """Remove what a key without versions has left; only while nothing happened to it since ``seq``."""
        return (await self._cql.cas([Bound(_FORGET, (bucket_id, key, seq))])).applied


def _batch(bucket_id: bytes, key: bytes, head: Head, update: Update) -> list[Bound]:
    slot = NO_SLOT if update.current is None else slot_of(update.current)
    more = [value for value in (update.pending, update.move) if value is not None]
    values = (update.seq, update.op, head.op or b"", slot, *more, bucket_id, key, head.seq)
    statement = _SETS[update.pending is not None, update.move is not None]
    # A row that is written over is only inserted: with a delete in the same batch it would be gone.
    written = {slot_of(record) for record in update.put}
    return [
        Bound(statement, values),
        *(Bound(_DELETE, (bucket_id, key, gone)) for gone in update.drop if gone not in written),
        *(Bound(_INSERT, _row_values(bucket_id, key, update.op, record)) for record in update.put),
    ]


def _row_values(bucket_id: bytes, key: bytes, op: bytes, record: VersionRecord) -> Row:
    return bucket_id, key, slot_of(record), record.seq, op, encode(list_row(record)), rest_of(record)
