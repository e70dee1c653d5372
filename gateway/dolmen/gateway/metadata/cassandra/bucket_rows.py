"""Rows of ``buckets``: names are global, so every change is conditional over all data centres; the row tells whose it was."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec

from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.settle import settle, telling, told
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import BucketChanged, BucketExists, MetadataUnknown, NoSuchBucket

ACTIVE = 0
DELETING = 1
OP_BYTES = 8

_COLUMNS = "SELECT bucket_id, owner, state, state_us, record FROM buckets WHERE name = ?"
_NEAR = Statement(_COLUMNS, Kind.READ)
_EVERYWHERE = Statement(_COLUMNS, Kind.GLOBAL_READ)
_CREATE = Statement(
    "INSERT INTO buckets (name, bucket_id, owner, state, state_us, rev, record) VALUES (?, ?, ?, 0, ?, ?, ?) IF NOT EXISTS",
    Kind.GLOBAL_CAS,
)
_UPDATE = Statement(
    "UPDATE buckets SET owner = ?, rev = ?, record = ? WHERE name = ? IF bucket_id = ? AND rev = ?", Kind.GLOBAL_CAS
)
# With the exact time of the state before: it only grows, so that what arrives late finds another one.
_TURN = Statement(
    "UPDATE buckets SET state = ?, state_us = ? WHERE name = ? IF bucket_id = ? AND state = ? AND state_us = ?", Kind.GLOBAL_CAS
)
_REMOVE = Statement("DELETE FROM buckets WHERE name = ? IF bucket_id = ? AND state = 1 AND state_us = ?", Kind.GLOBAL_CAS)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The column ``record``: who changed it last, and whose change that followed, so that a lost answer can be told later."""

    op: bytes
    prev_op: bytes
    record: BucketRecord


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class BucketRow(NamedTuple):
    """A bucket and how it stands."""

    record: BucketRecord
    state: int
    state_us: int  # when it got there: stamps the marks of its shards
    op: bytes
    prev_op: bytes

    @property
    def bucket_id(self) -> bytes:
        return self.record.bucket_id

    @property
    def name(self) -> str:
        return self.record.name


class BucketRows:
    """Reads and conditional changes. Each change is certain when it returns."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql

    async def read(self, name: str) -> BucketRow | None:
        """As this data centre knows it; one statement."""
        return await self._read(_NEAR, name)

    async def read_everywhere(self, name: str) -> BucketRow | None:
        """As it is after every change that was ever answered, in whichever data centre."""
        return await self._read(_EVERYWHERE, name)

    async def _read(self, statement: Statement, name: str) -> BucketRow | None:
        rows = await self._cql.run(statement, name)
        if not rows:
            return None
        _, _, state, state_us, raw = rows[0]
        stored = _decode(raw)
        return BucketRow(stored.record, state, state_us, stored.op, stored.prev_op)

    async def create(self, record: BucketRecord, now_us: int) -> BucketRow:
        """Raises ``BucketExists``."""
        op = secrets.token_bytes(OP_BYTES)
        raw = _encode(_Stored(op, b"", record))
        values = (record.name, record.bucket_id, record.owner, now_us, record.rev, raw)
        settled = await settle(self._cql, [Bound(_CREATE, values)])
        if not settled.applied:
            bucket_id, owner = told(settled.reply, "bucket_id", "owner") or (None, "")
            if not (settled.doubtful and bucket_id == record.bucket_id):
                raise BucketExists(str(owner))
        return BucketRow(record, ACTIVE, now_us, op, b"")

    async def update(self, before: BucketRow, record: BucketRecord) -> BucketRow:
        """``record`` in the place of what ``before`` holds. Raises ``NoSuchBucket``, ``BucketChanged``."""
        op = secrets.token_bytes(OP_BYTES)
        raw = _encode(_Stored(op, before.op, record))
        values = (record.owner, record.rev, raw, record.name, before.bucket_id, before.record.rev)
        settled = await settle(self._cql, [Bound(_UPDATE, values)])
        if not settled.applied:
            with telling(settled):
                after = await self.read_everywhere(record.name)
            if after is None or after.bucket_id != before.bucket_id:
                raise NoSuchBucket(record.name)
            if op not in (after.op, after.prev_op):
                if settled.doubtful and after.prev_op != before.op:
                    raise MetadataUnknown("a change of a bucket was not answered, and others followed")
                raise BucketChanged(record.name)  # by another change of the very record that ours asked for
        return before._replace(record=record, op=op, prev_op=before.op)

    async def turn(self, row: BucketRow, state: int, state_us: int) -> bool:
        """Bring it into another state, later than its own; whether it was still in the one that ``row`` shows."""
        values = (state, state_us, row.name, row.bucket_id, row.state, row.state_us)
        settled = await settle(self._cql, [Bound(_TURN, values)])
        wanted = (row.bucket_id, state, state_us)
        return settled.applied or (settled.doubtful and told(settled.reply, "bucket_id", "state", "state_us") == wanted)

    async def remove(self, row: BucketRow) -> bool:
        """The end of a bucket that is being deleted; whether it was still in the state that ``row`` shows."""
        settled = await settle(self._cql, [Bound(_REMOVE, (row.name, row.bucket_id, row.state_us))])
        if settled.applied:
            return True
        left = told(settled.reply, "bucket_id")
        return settled.doubtful and (left is None or left[0] != row.bucket_id)  # only who closed it may remove it
