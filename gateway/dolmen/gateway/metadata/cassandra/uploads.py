"""Multipart uploads of the Cassandra backend."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.commits import nothing_happened
from dolmen.gateway.metadata.cassandra.cql import NotSent
from dolmen.gateway.metadata.cassandra.follow import FollowUps
from dolmen.gateway.metadata.cassandra.intents import BucketClosed, Intents
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.cassandra.truth import new_op
from dolmen.gateway.metadata.cassandra.upload_rows import (
    COMPLETED,
    COMPLETING,
    GONE,
    IN_PROGRESS,
    LOST,
    PART_NUMBER_MAX,
    SPREAD,
    PartRow,
    Replaced,
    UploadRows,
    UploadState,
    new_rev,
)
from dolmen.gateway.metadata.records import Attributes, PartRecord, RepairRow, UploadRecord, UploadRow
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown, NoSuchUpload

COMPLETED_KEPT_SECONDS = 48 * 3600  # a repeated completion gets the same answer for so long
TRY_SECONDS = 10.0  # a change whose answer is lost, or that others are faster than, is tried so long
ENDED_AT_ONCE = 16  # uploads of a bucket that goes

_encode = msgspec.msgpack.Encoder().encode
Resolve = Callable[[UploadState], Awaitable[None]]  # end a completion that somebody left


@dataclass(slots=True)
class _Write:
    """A write of a part that is tried, perhaps more than once: each time the same."""

    layout: ObjectLayout
    rev: int
    follows: int | None = None  # the write that the last try asks for
    unknown: bool = False  # a try may have been performed, or may still be

    def is_there(self, row: PartRow | None) -> bool:
        """Whether it is what the part's row shows, or what that took the place of. Raises ``MetadataUnknown``."""
        if not self.unknown:
            return False
        if row is not None and (row.rev == self.rev or any(one.layout == self.layout for one in row.replaced)):
            return True
        if (None if row is None else row.rev) != self.follows:  # it may have come and gone, and its data is garbage then
            raise MetadataUnknown("the part was written by others meanwhile")
        return False


class Uploads:
    """See ``MetadataStore``; completion is in ``completion``."""

    def __init__(
        self,
        rows: UploadRows,
        intents: Intents,
        follow: FollowUps,
        garbage: TimeQueue,
        ended: TimeQueue,
        repairs: Repairs,
        clock: Clock,
        grace_us: int,
    ) -> None:
        """``ended``: uploads whose partition is to be looked at again, and removed, when nobody asks for it any more."""
        self._rows = rows
        self._intents = intents
        self._follow = follow
        self._garbage = garbage
        self._ended = ended
        self._repairs = repairs
        self._clock = clock
        self._grace_us = grace_us
        self.resolve: Resolve | None = None

    async def create_upload(self, upload: UploadRecord) -> None:
        """Raises ``BucketClosed``."""
        try:
            with nothing_happened():
                await self._rows.show(upload)
        except NotSent:
            raise
        except MetadataUnavailable:
            self._follow.later(partial(self._never_was, upload))
            raise
        try:
            await self._create(upload)
            # Who deletes the bucket sees either the row in the list of uploads, or is seen here.
            with nothing_happened():
                announced = await self._intents.announce(upload.bucket_id, upload.key, new_op())
        except BucketClosed:
            await self._follow.now_or_later(partial(self._never_was, upload))
            raise
        except (MetadataUnavailable, MetadataUnknown):  # nobody will ever hear of the upload
            self._follow.later(partial(self._never_was, upload))
            raise
        self._follow.withdraw(announced)

    async def _create(self, upload: UploadRecord) -> None:
        unknown = False
        for pause_seconds in self._tries():
            try:
                await self._rows.create(upload)
                return
            except MetadataUnknown:  # the id is ours alone: whichever try made it
                unknown = True
            except MetadataUnavailable:
                if not unknown:
                    raise
            await asyncio.sleep(pause_seconds)
        raise MetadataUnknown("the outcome of the upload's creation is not known")

    async def _never_was(self, upload: UploadRecord) -> None:
        await self._rows.create(upload)  # one that is under way finds it there
        await self.look_again(upload.upload_id)
        await self._rows.end(upload.upload_id, self._clock.now_us())
        await self._rows.hide(upload)

    async def get_upload(self, bucket_id: bytes, key: bytes, upload_id: str) -> UploadRecord | None:
        found = await self._rows.state(upload_id)
        if found is None or (found.upload.bucket_id, found.upload.key) != (bucket_id, key):
            return None
        if found.state in {IN_PROGRESS, COMPLETING}:
            return found.upload
        kept_us = found.completed_us + COMPLETED_KEPT_SECONDS * 1_000_000
        if found.state in {GONE, LOST} or kept_us < self._clock.now_us():
            return None
        return msgspec.structs.replace(found.upload, completed=found.completed)

    async def put_part(self, upload: UploadRecord, part: PartRecord, repairs: Sequence[RepairRow] = ()) -> None:
        if not repairs:
            await self._put_part(upload, part)
            return
        with nothing_happened():
            await self._repairs.add(repairs)  # before: a row too many only makes the repairer look
        try:
            await self._put_part(upload, part)
        except NoSuchUpload:
            with suppress(DolmenError):
                await self._repairs.finish(repairs)
            raise

    async def _put_part(self, upload: UploadRecord, part: PartRecord) -> None:
        ours = _Write(part.layout, new_rev())
        try:
            for pause_seconds in self._tries():
                before = await self._rows.part(upload.upload_id, part.number)
                if ours.is_there(before):
                    return  # what it replaced is noted with the next write of the part, or at the upload's end
                ours.follows = None if before is None else before.rev
                with nothing_happened():
                    await self._note(() if before is None else before.replaced)
                replaced = () if before is None else self._replaced(before.record.layout)
                try:
                    if await self._rows.put_part(upload.upload_id, part, ours.rev, replaced, ours.follows):
                        with suppress(DolmenError):  # else with the next write of the part, or at the upload's end
                            await self._note(replaced)
                        return
                except MetadataUnknown:
                    ours.unknown = True
                    await asyncio.sleep(pause_seconds)
                    continue
                await self._require_in_progress(upload, part, ours)
            raise MetadataUnavailable("the part is contended")
        except MetadataUnavailable as error:
            if ours.unknown:
                raise MetadataUnknown("the outcome of the part is not known") from error
            raise

    async def _require_in_progress(self, upload: UploadRecord, part: PartRecord, ours: _Write) -> None:
        """A part was refused: because of another write of it, or because the upload is in progress no longer."""
        found = await self._rows.state(upload.upload_id)
        if found is not None and found.state == IN_PROGRESS:
            return
        if found is not None and ours.is_there(await self._rows.part(upload.upload_id, part.number)):
            return  # the next round sees it too
        if found is not None and found.state == COMPLETING and self.resolve is not None:
            with nothing_happened():
                await self.resolve(found)
            found = await self._rows.state(upload.upload_id)
            if found is not None and found.state == IN_PROGRESS:
                return
        raise NoSuchUpload(upload.upload_id)

    def _replaced(self, layout: ObjectLayout) -> tuple[Replaced, ...]:
        if not layout.segments:
            return ()
        due_us = self._clock.now_us() + self._grace_us
        return (Replaced(due_us.to_bytes(8, "big") + new_op() + b"pr", due_us, layout),)

    async def _note(self, replaced: Sequence[Replaced]) -> None:
        """Into the queue; again and again is the same."""
        await asyncio.gather(
            *(
                self._garbage.add(one.note_id, one.due_us, _encode(one.layout), one.due_us - self._grace_us)
                for one in replaced
            )
        )

    async def list_parts(self, upload: UploadRecord, after: int, limit: int) -> list[PartRecord]:
        state, rows = await self._rows.parts(upload.upload_id, after, limit)
        return [row.record for row in rows] if state in {IN_PROGRESS, COMPLETING} else []

    async def list_uploads(
        self, bucket_id: bytes, start: bytes, after_upload_id: str, end: bytes | None, limit: int
    ) -> list[UploadRow]:
        found = await asyncio.gather(
            *(self._rows.listed(bucket_id, h, start, after_upload_id, end, limit) for h in range(SPREAD))
        )
        return list(heapq.merge(*found, key=lambda row: (row.key, row.upload_id)))[:limit]

    async def abort_upload(self, upload: UploadRecord) -> None:
        unknown = False
        for pause_seconds in self._tries():
            found = await self._rows.state(upload.upload_id)
            if found is not None and found.state == COMPLETING and self.resolve is not None:
                await self.resolve(found)
                await asyncio.sleep(pause_seconds)
                continue
            if found is None or found.state in {COMPLETED, LOST} or (found.state == GONE and not unknown):
                await self._rows.hide(upload)
                raise NoSuchUpload(upload.upload_id)
            if found.state == GONE:
                break
            await self.look_again(upload.upload_id)
            try:
                if await self._rows.end(upload.upload_id, self._clock.now_us()):
                    break
            except MetadataUnknown:
                unknown = True
                await asyncio.sleep(pause_seconds)
        else:
            raise MetadataUnknown("the outcome of the abort is not known")

        async def end() -> None:
            ended = await self._rows.state(upload.upload_id)
            if ended is not None:
                await self.note_all(upload.upload_id, (), ended.completed_us)
            await self._rows.hide(upload)

        await self._follow.now_or_later(end)

    async def look_again(self, upload_id: str) -> None:
        """Before an upload ends: so that what its end leaves undone is found."""
        now_us = self._clock.now_us()
        due_us = now_us + COMPLETED_KEPT_SECONDS * 1_000_000
        await self._ended.add(due_us.to_bytes(8, "big") + upload_id.encode(), due_us, upload_id.encode(), now_us)

    async def note_all(self, upload_id: str, but: Sequence[int], ended_us: int) -> None:
        """Parts (but those named) are garbage since ``ended_us``. They are frozen, so it is the same whenever it is done."""
        named = set(but)
        due_us = ended_us + self._grace_us
        after = 0
        while True:
            _, rows = await self._rows.parts(upload_id, after, 1000)
            for row in rows:
                await self._note(row.replaced)
                if row.record.number not in named and row.record.layout.segments:
                    note_id = due_us.to_bytes(8, "big") + row.rev.to_bytes(8, "big") + b"up"
                    await self._note([Replaced(note_id, due_us, row.record.layout)])
            if len(rows) < 1000 or rows[-1].record.number >= PART_NUMBER_MAX:
                return
            after = rows[-1].record.number

    async def tidy(self, upload_id: str) -> None:
        """Long after its end: note once more what its end may have left undone, then nothing of it stays."""
        found = await self._rows.state(upload_id)
        if found is None:
            return
        if found.state == COMPLETING and self.resolve is not None:
            await self.resolve(found)
            return  # its end has put it into the queue again
        if found.state == IN_PROGRESS:
            return  # the end that was announced did not come
        if found.state == COMPLETED:
            if self._clock.now_us() < found.completed_us + COMPLETED_KEPT_SECONDS // 2 * 1_000_000:
                return  # announced by a completion that was refused; there is a later entry of the one that was not
            await self.note_all(upload_id, found.attempt.numbers, found.attempt.at_us)
        elif found.state == GONE:
            await self.note_all(upload_id, (), found.completed_us)
        await self._rows.hide(found.upload)
        await self._rows.remove(upload_id, found.state)

    async def end_all(self, bucket_id: bytes) -> None:
        """The bucket goes, and its uploads with it."""
        while found := await self.list_uploads(bucket_id, b"", "", None, 1000):
            for at in range(0, len(found), ENDED_AT_ONCE):
                await asyncio.gather(*(self._end(bucket_id, row) for row in found[at : at + ENDED_AT_ONCE]))

    async def _end(self, bucket_id: bytes, row: UploadRow) -> None:
        state = await self._rows.state(row.upload_id)
        if state is not None:
            try:
                await self.abort_upload(state.upload)
            except NoSuchUpload:
                pass
            return
        await self._rows.hide(
            UploadRecord(
                bucket_id=bucket_id,
                key=row.key,
                upload_id=row.upload_id,
                initiated_us=row.initiated_us,
                owner=row.owner,
                initiator=row.initiator,
                attributes=Attributes(),
            )
        )

    def _tries(self) -> Iterator[float]:
        """Pauses between tries, until ``TRY_SECONDS`` have passed."""
        until_seconds = self._clock.monotonic_seconds() + TRY_SECONDS
        for pause_seconds in pauses():
            yield pause_seconds
            if self._clock.monotonic_seconds() > until_seconds:
                return
