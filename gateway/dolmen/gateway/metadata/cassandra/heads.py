"""What is left of a key without versions: its sequence, kept so long that no change decided before can land, then taken away."""

from __future__ import annotations

import msgspec

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.notes import NoteBook
from dolmen.gateway.metadata.cassandra.queues import Entry, TimeQueue
from dolmen.gateway.metadata.cassandra.truth import Head, Truth

KEPT_SECONDS = 48 * 3600  # longer than any intent lives, and than clocks of processes can differ

_encode = msgspec.msgpack.Encoder().encode


class _OldHead(msgspec.Struct, frozen=True, array_like=True):
    bucket_id: bytes
    key: bytes
    seq: int


_decode = msgspec.msgpack.Decoder(_OldHead).decode


class Heads:
    """Whoever leaves a key without versions says so here."""

    def __init__(self, queue: TimeQueue, truth: Truth, book: NoteBook, clock: Clock) -> None:
        self.queue = queue
        self._truth = truth
        self._book = book
        self._clock = clock

    async def add(self, bucket_id: bytes, key: bytes, seq: int, op: bytes) -> None:
        """The change ``op`` at ``seq`` leaves nothing; again and again is the same, and one that never comes is no harm."""
        due_us = seq + KEPT_SECONDS * 1_000_000
        await self.queue.add(due_us.to_bytes(8, "big") + op, due_us, _encode(_OldHead(bucket_id, key, seq)), seq)

    async def add_if_empty(self, bucket_id: bytes, key: bytes, head: Head) -> None:
        """``head``: as it is now."""
        if not head.versions and head.seq is not None:
            await self.add(bucket_id, key, head.seq, head.op or b"")

    async def forget(self, entry: Entry) -> None:
        """Its time has come: unless something happened to the key since, for which there is another entry."""
        old = _decode(entry.body)
        head = await self._truth.head(old.bucket_id, old.key)
        if head.seq == old.seq and not head.versions and head.move is None:
            await self._book.copy_found(head.pending)
            await self._truth.forget(old.bucket_id, old.key, old.seq)
