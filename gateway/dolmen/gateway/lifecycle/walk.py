"""One pass of a bucket's rules over its versions and uploads, through the same operations of the store that clients use.

What a page of the listing says is only a reason to act: every action is conditional on the version still being the one that was
judged, so a racing overwrite, a lock or an undeletion wins. A pass may be cut short anywhere and begun again at ``position``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.lifecycle.plan import Action, Facts, Kind, abort_of, plan
from dolmen.gateway.lifecycle.records import Lifecycle
from dolmen.gateway.metadata.decide import is_locked
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    BucketRecord,
    Deleted,
    DeleteRequest,
    ListRow,
    UploadRow,
    Versioning,
    VersionRecord,
)
from dolmen.gateway.metadata.store import (
    MetadataStore,
    MetadataUnavailable,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    ObjectChanged,
    ObjectLocked,
    PreconditionFailed,
)

PAGE_ROWS = 1000  # rows of one scan: some 0.5 MB, and 10 ms of the store's time
BATCH = 100  # actions of one commit, and versions read at a time
MOVES_AT_A_TIME = 8  # transitions in flight: a move may carry bytes
BYTES_OF_A_UNIT = 128 * 1024  # moving so many bytes counts as one action: at 1,000 actions a second as fast as repair
ROWS_OF_A_UNIT = 20  # rows looked at count less than actions: at 1,000 actions a second a quarter of a core

ABORTED = "abort_upload"
RACED = "raced"  # somebody changed the version first
LOCKED = "locked"  # refused by the store: the lock came after the look
NOT_MOVED = "not_moved"  # its bytes could not be read or written

_replace = msgspec.structs.replace

Move = Callable[[BucketRecord, VersionRecord, str], Awaitable[ObjectLayout]]
Template = Callable[[BucketRecord, str, bytes, str], bytes]


class Pace(Protocol):
    """Background work leaves the store to clients."""

    async def take(self, units: float) -> None: ...


class Tally(msgspec.Struct):
    """What a pass did, by action; grows while it runs."""

    rows: int = 0
    done: dict[str, int] = {}

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1


async def keep_bytes(bucket: BucketRecord, record: VersionRecord, storage_class: str) -> ObjectLayout:
    """A move between classes whose data is kept alike: the bytes stay where they are."""
    return record.layout


def no_template(bucket: BucketRecord, name: str, key: bytes, storage_class: str) -> bytes:
    """Nobody is told."""
    return b""


class _Judged(msgspec.Struct):
    """A version, and what is wanted of it."""

    row: ListRow
    facts: Facts
    action: Action
    record: VersionRecord | None = None


class Walk:
    """One pass over one bucket. ``tally`` and ``position`` tell how far it is."""

    def __init__(
        self,
        store: MetadataStore,
        bucket: BucketRecord,
        lifecycle: Lifecycle,
        *,
        clock: Clock,
        day_us: int,
        pace: Pace,
        position: bytes = b"",
        move: Move = keep_bytes,
        template: Template = no_template,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._lifecycle = lifecycle
        self._clock = clock
        self._day_us = day_us
        self._pace = pace
        self._move = move
        self._template = template
        self._log = get_logger("lifecycle")
        enabled = [rule for rule in lifecycle.rules if rule.is_enabled]
        # Rows tell neither tags nor locks: where these matter, the version is read before it is judged for good.
        self._reads = bucket.object_lock or any(rule.filter.tags for rule in enabled)
        self._aborts = any(rule.abort_days is not None for rule in enabled)
        self.position = position  # every key below it is done
        self.tally = Tally()

    async def run(self) -> None:
        """The rest of the pass. Raises ``NoSuchBucket``, ``MetadataUnavailable``, ``MetadataUnknown``."""
        for start, end in ranges(self._lifecycle):
            if end is None or end > self.position:
                await self._range(max(start, self.position), end)
        if self._aborts:
            await self._uploads()

    # ---- versions ------------------------------------------------------------------------------------------------

    async def _range(self, start: bytes, end: bytes | None) -> None:
        """The keys from ``start`` to ``end``."""
        seen = _Key()
        seq: int | None = None
        while True:
            rows = await self._store.scan_versions(self._bucket.bucket_id, start, seq, end, PAGE_ROWS)
            self.tally.rows += len(rows)
            await self._pace.take(len(rows) / ROWS_OF_A_UNIT)
            is_last = len(rows) < PAGE_ROWS
            judged = [found for row, facts in seen.facts_of(rows, self._bucket, is_last) if (found := self._judge(row, facts))]
            for at in range(0, len(judged), BATCH):
                await self._act(judged[at : at + BATCH])
            if is_last:
                return
            start, seq = rows[-1].key, rows[-1].seq
            self.position = max(self.position, start)

    def _judge(self, row: ListRow, facts: Facts) -> _Judged | None:
        action = plan(self._lifecycle, facts, self._clock.now_us(), self._day_us)
        return None if action is None else _Judged(row, facts, action)

    async def _act(self, judged: Sequence[_Judged]) -> None:
        await self._pace.take(len(judged))
        known = [one for one in judged if not self._reads and one.action.kind is not Kind.TRANSITION]
        read = [one for one in judged if self._reads or one.action.kind is Kind.TRANSITION]
        known += [found for found in await asyncio.gather(*map(self._read, read)) if found is not None]
        await self._delete([one for one in known if one.action.kind is not Kind.TRANSITION])
        moves = [one for one in known if one.action.kind is Kind.TRANSITION]
        for at in range(0, len(moves), MOVES_AT_A_TIME):
            await asyncio.gather(*map(self._transition, moves[at : at + MOVES_AT_A_TIME]))

    async def _read(self, judged: _Judged) -> _Judged | None:
        """Judged again with all that is known; None when nothing is to be done (any more)."""
        row = judged.row
        record = await self._store.get_version(self._bucket.bucket_id, row.key, row.version_id)
        if record is None or record.seq != row.seq or record.is_latest != judged.facts.is_latest:
            self.tally.count(RACED)
            return None
        facts = _replace(
            judged.facts,
            storage_class=record.attributes.storage_class,
            tags=record.mutable.tags,
            is_locked=is_locked(record.mutable.lock, self._clock.now_us(), bypass_governance=False),
        )
        again = self._judge(row, facts)
        return None if again is None else _replace(again, record=record)

    async def _delete(self, judged: Sequence[_Judged]) -> None:
        if not judged:
            return
        requests = [self._request(one) for one in judged]
        outcomes = await self._store.delete_many(self._bucket, requests)
        for one, outcome in zip(judged, outcomes, strict=True):
            if isinstance(outcome, Deleted):
                self.tally.count(one.action.kind if outcome.existed else RACED)
            else:
                self._refused(outcome)

    def _request(self, judged: _Judged) -> DeleteRequest:
        row, kind = judged.row, judged.action.kind
        if kind is Kind.EXPIRE:
            marked = self._bucket.versioning is not Versioning.OFF
            name = "LifecycleExpiration:DeleteMarkerCreated" if marked else "LifecycleExpiration:Delete"
            return DeleteRequest(key=row.key, if_seq=row.seq, event=self._template(self._bucket, name, row.key, ""))
        return DeleteRequest(
            key=row.key,
            version_id=row.version_id,
            if_seq=row.seq,
            if_noncurrent=kind is Kind.REMOVE_NONCURRENT,
            event=self._template(self._bucket, "LifecycleExpiration:Delete", row.key, ""),
        )

    def _refused(self, error: Exception) -> None:
        """Count what the store refused; anything else ends the pass."""
        if isinstance(error, ObjectLocked):
            self.tally.count(LOCKED)
        elif isinstance(error, (ObjectChanged, NoSuchKey, NoSuchVersion, PreconditionFailed)):
            self.tally.count(RACED)
        else:
            raise error

    async def _transition(self, judged: _Judged) -> None:
        record, target = judged.record, judged.action.storage_class
        assert record is not None
        try:
            layout = await self._move(self._bucket, record, target)
        except DolmenError as error:  # its bytes cannot be read or written now: the others go on, tomorrow it is tried again
            self._log.debug("not moved", key=record.key, storage_class=target, error=str(error) or type(error).__name__)
            self.tally.count(NOT_MOVED)
            return
        if layout != record.layout:
            await self._pace.take(record.size / BYTES_OF_A_UNIT)
        event = self._template(self._bucket, "LifecycleTransition", record.key, target)
        try:
            await self._store.replace_data(self._bucket.bucket_id, record, layout, target, event)
        except (ObjectChanged, NoSuchVersion, MetadataUnavailable) as error:
            if layout != record.layout:
                await self._store.add_garbage(layout)
            self._refused(error)
        else:
            self.tally.count(Kind.TRANSITION)

    # ---- uploads -------------------------------------------------------------------------------------------------

    async def _uploads(self) -> None:
        start, after = b"", ""
        while True:
            rows = await self._store.list_uploads(self._bucket.bucket_id, start, after, None, PAGE_ROWS)
            await self._pace.take(len(rows) / ROWS_OF_A_UNIT)
            for row in rows:
                due = abort_of(self._lifecycle, row.key, row.initiated_us, self._day_us)
                if due is not None and due[0] <= self._clock.now_us():
                    await self._abort(row)
            if len(rows) < PAGE_ROWS:
                return
            start, after = rows[-1].key, rows[-1].upload_id

    async def _abort(self, row: UploadRow) -> None:
        await self._pace.take(1)
        upload = await self._store.get_upload(self._bucket.bucket_id, row.key, row.upload_id)
        if upload is None or upload.completed is not None:
            self.tally.count(RACED)
            return
        try:
            await self._store.abort_upload(upload)
        except NoSuchUpload:
            self.tally.count(RACED)
        else:
            self.tally.count(ABORTED)


class _Key:
    """What the rows of a key tell of each other; goes from page to page."""

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._newer_mtime_us = 0  # of the row before, which is the successor
        self._noncurrent = 0  # objects among the noncurrent rows so far
        self._marker: tuple[ListRow, Facts] | None = None  # the current delete marker, until it is known what is below it

    def facts_of(
        self, rows: Sequence[ListRow], bucket: BucketRecord, is_last: bool
    ) -> list[tuple[ListRow, Facts]]:
        """Rows with their facts; a delete marker that ends a page is told with the next one."""
        told: list[tuple[ListRow, Facts]] = []
        for row in rows:
            self._tell_marker(told, is_alone=self._key != row.key)
            if row.key != self._key:
                self._key, self._noncurrent = row.key, 0
            facts = self._facts(row, bucket)
            self._newer_mtime_us = row.mtime_us
            if not row.is_latest and not row.is_delete_marker:
                self._noncurrent += 1
            if row.is_latest and row.is_delete_marker:
                self._marker = (row, facts)
            else:
                told.append((row, facts))
        if is_last:
            self._tell_marker(told, is_alone=True)
        return told

    def _tell_marker(self, told: list[tuple[ListRow, Facts]], *, is_alone: bool) -> None:
        if self._marker is not None:
            row, facts = self._marker
            told.append((row, _replace(facts, is_alone=is_alone)))
            self._marker = None

    def _facts(self, row: ListRow, bucket: BucketRecord) -> Facts:
        """Tags are not known, locks are for the store to keep: both make this an upper bound of what is due."""
        state = bucket.versioning
        return Facts(
            key=row.key,
            mtime_us=row.mtime_us,
            size=row.size,
            storage_class=row.storage_class,
            is_latest=row.is_latest,
            is_delete_marker=row.is_delete_marker,
            noncurrent_since_us=0 if row.is_latest else self._newer_mtime_us,
            newer_noncurrent=self._noncurrent,
            leaves_marker=state is Versioning.ENABLED or (state is Versioning.SUSPENDED and row.version_id != NULL_VERSION),
            tags=None,
        )


def ranges(lifecycle: Lifecycle) -> list[tuple[bytes, bytes | None]]:
    """The parts of the listing that enabled rules speak of, in order and without overlaps: (start, end)."""
    found: list[bytes] = []
    for prefix in sorted((rule.filter.prefix or "").encode() for rule in lifecycle.rules if rule.is_enabled):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return [(prefix, _behind(prefix)) for prefix in found]


def _behind(prefix: bytes) -> bytes | None:
    """The first key behind all that begin with ``prefix``; None: there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


def shown(done: Mapping[str, int]) -> str:
    """For the log: counts, never keys."""
    return ", ".join(f"{what} {count}" for what, count in sorted(done.items()))


