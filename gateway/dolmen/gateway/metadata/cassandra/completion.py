"""CompleteMultipartUpload over two partitions: the upload's and the key's.

1. The upload is frozen, with a note of the very change of the key that is about to be tried (``Attempt``).
2. The key is changed. *This is the commit point.*
3. Parts that were not named become garbage, and the upload keeps the answer.

Whoever finds an upload frozen and not ended looks at the key: the change is there, or was; or it is not, and then the sequence
of the key is moved on so that it never comes, and the upload goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra import objects
from dolmen.gateway.metadata.cassandra.commits import Commits, Decision, changed_by, nothing_happened
from dolmen.gateway.metadata.cassandra.follow import FollowUps
from dolmen.gateway.metadata.cassandra.intents import Announced
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.truth import Head, Truth, new_op
from dolmen.gateway.metadata.cassandra.upload_rows import (
    COMPLETED,
    COMPLETING,
    GONE,
    LOST,
    PART_NUMBER_MAX,
    Attempt,
    UploadRows,
    UploadState,
    encode_attempt,
)
from dolmen.gateway.metadata.cassandra.uploads import Uploads
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Committed,
    NewVersion,
    PartRecord,
    UploadRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import InvalidPart, MetadataUnavailable, MetadataUnknown, NoSuchUpload

WAIT_SECONDS = 20.0  # for another completion of the same upload; then it is taken for dead and brought to an end
END_SECONDS = 10.0  # of tries to write down what is certain already


class _Overtaken(Exception):
    """Somebody else ended our attempt."""


class Completion:
    """Completions of one process."""

    def __init__(
        self, rows: UploadRows, uploads: Uploads, truth: Truth, commits: Commits, follow: FollowUps, clock: Clock, grace_us: int
    ) -> None:
        self._rows = rows
        self._uploads = uploads
        self._truth = truth
        self._commits = commits
        self._follow = follow
        self._clock = clock
        self._grace_us = grace_us
        uploads.resolve = self.resolve

    async def complete(
        self,
        announced: Announced,
        bucket: Callable[[], Awaitable[BucketRecord]],
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes,
    ) -> Committed:
        """See ``MetadataStore.complete_upload``. ``bucket``: its record as it is now. Goes on when the caller is cancelled."""
        work = self._complete(announced, bucket, upload, parts, version, condition, event)
        return await self._commits.to_the_end(work, announced)

    async def _complete(
        self,
        announced: Announced,
        bucket: Callable[[], Awaitable[BucketRecord]],
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes,
    ) -> Committed:
        until_seconds = self._clock.monotonic_seconds() + WAIT_SECONDS
        for pause_seconds in pauses():
            found = await self._rows.state(upload.upload_id)
            if found is None or found.state in {GONE, LOST}:
                raise NoSuchUpload(upload.upload_id)
            if found.state == COMPLETED:
                assert found.completed is not None
                if found.completed.etag != version.etag:
                    raise NoSuchUpload(upload.upload_id)
                self._follow.withdraw(announced)  # if a change was tried with it, it was refused
                return found.completed
            if found.state == COMPLETING:
                if self._clock.monotonic_seconds() > until_seconds:
                    with nothing_happened():  # by us
                        await self.resolve(found)
                    until_seconds = self._clock.monotonic_seconds() + WAIT_SECONDS
                await asyncio.sleep(pause_seconds)
                continue
            await self._check_parts(upload.upload_id, parts)
            with nothing_happened():
                await self._uploads.look_again(upload.upload_id)  # before it is frozen: whoever dies leaves nobody to end it
            try:
                return await self._attempt(announced, bucket, upload, parts, version, condition, event)
            except _Overtaken:
                await asyncio.sleep(pause_seconds)
        raise AssertionError("pauses have no end")

    async def _check_parts(self, upload_id: str, parts: Sequence[PartRecord]) -> None:
        held: dict[int, PartRecord] = {}
        after = 0
        while True:
            _, rows = await self._rows.parts(upload_id, after, 1000)
            held.update((row.record.number, row.record) for row in rows)
            if len(rows) < 1000 or rows[-1].record.number >= PART_NUMBER_MAX:
                break
            after = rows[-1].record.number
        for part in parts:
            if held.get(part.number) != part:
                raise InvalidPart(part.number)

    async def _attempt(
        self,
        announced: Announced,
        bucket: Callable[[], Awaitable[BucketRecord]],
        upload: UploadRecord,
        parts: Sequence[PartRecord],
        version: NewVersion,
        condition: WriteCondition,
        event: bytes,
    ) -> Committed:
        numbers = tuple(part.number for part in parts)
        frozen: bytes | None = None

        async def decide(head: Head) -> Decision[Attempt]:
            nonlocal frozen
            now_us = self._clock.now_us()
            decision = objects.put(
                await bucket(), upload.key, head, version, condition, now_us, event=event, owns_data=False
            )
            attempt = Attempt(
                new_op(), changed_by(head), head.seq, now_us, now_us + self._grace_us, numbers, decision.result
            )
            first = frozen is None
            raw = encode_attempt(attempt)
            await self._freeze(upload.upload_id, raw, frozen)
            frozen = raw
            if first:
                await self._check_parts(upload.upload_id, parts)  # none changes from here on
            assert decision.effect is not None
            return Decision(decision.effect._replace(op=attempt.op), attempt)

        try:
            attempt = await self._commits.apply(upload.bucket_id, upload.key, decide, announced)
        except (MetadataUnknown, _Overtaken):
            raise
        except Exception:  # not when it is cancelled: then the key may be changed, or may still be
            if frozen is not None:
                await self._thaw(upload.upload_id, frozen)
            raise
        assert frozen is not None
        await self._end(upload, frozen, attempt)
        return attempt.committed

    async def _freeze(self, upload_id: str, raw: bytes, before: bytes | None) -> None:
        """Raises ``_Overtaken`` when it is not ours to complete, ``MetadataUnknown``."""
        until_seconds = self._clock.monotonic_seconds() + END_SECONDS
        for pause_seconds in pauses():
            try:
                if await self._rows.freeze(upload_id, raw, before):
                    return
                found = await self._rows.state(upload_id)
                if found is None or found.state != COMPLETING or found.raw_attempt != raw:
                    raise _Overtaken
                return
            except MetadataUnknown as error:
                if self._clock.monotonic_seconds() > until_seconds:
                    # Nothing was tried on the key: whoever finds the upload frozen sees that.
                    raise MetadataUnavailable("the upload cannot be frozen now") from error
            await asyncio.sleep(pause_seconds)

    async def _thaw(self, upload_id: str, raw: bytes) -> None:
        """The completion was refused: the upload goes on. When this fails, whoever finds it frozen does the same."""
        try:
            await self._rows.thaw(upload_id, raw)
        except (MetadataUnknown, MetadataUnavailable):
            return

    async def _end(self, upload: UploadRecord, raw: bytes, attempt: Attempt) -> None:
        """Step 3. The version is there: what this process does not do is done by whoever finds the upload frozen."""

        async def end() -> None:
            await self._uploads.note_all(upload.upload_id, attempt.numbers, attempt.at_us)
            await self._rows.complete(upload.upload_id, raw, attempt.committed, attempt.at_us)
            await self._rows.hide(upload)

        await self._follow.now_or_later(end)

    async def resolve(self, found: UploadState) -> None:
        """Bring a completion to its end that somebody left. Raises ``MetadataUnavailable``, ``MetadataUnknown``."""
        attempt, upload = found.attempt, found.upload
        await self._uploads.look_again(upload.upload_id)
        head = Head(attempt.head_seq, attempt.prev_op or None, None, b"", None, (), ())
        settled = await self._commits.settle(upload.bucket_id, upload.key, head, attempt.op)
        applied = settled.applied
        if applied is None:
            applied = await self._is_there(upload, attempt) or None
        if applied:
            await self._end(upload, found.raw_attempt, attempt)
        elif applied is False:
            await self._rows.thaw(upload.upload_id, found.raw_attempt)
        else:
            # Completed and overwritten since, or never completed: its parts are left to the audit of what no row refers to.
            await self._rows.lose(upload.upload_id, self._clock.now_us(), found.raw_attempt)
            await self._rows.hide(upload)

    async def _is_there(self, upload: UploadRecord, attempt: Attempt) -> bool:
        """Whether the version that the attempt was to make is among the key's."""
        _, record = await self._truth.exact(upload.bucket_id, upload.key, attempt.committed.version_id)
        return record is not None and record.seq == attempt.committed.seq
