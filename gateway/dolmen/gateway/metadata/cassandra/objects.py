"""What each operation of the port decides about one key, given its head."""

from __future__ import annotations

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.commits import Decide, Decision, Effect, ReadAgain
from dolmen.gateway.metadata.cassandra.truth import Head, Truth
from dolmen.gateway.metadata.decide import (
    Change,
    check_condition,
    check_noncurrent,
    check_seq,
    current_of,
    decide_delete,
    decide_delete_version,
    decide_put,
)
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
    Event,
    MutablePart,
    NewVersion,
    RepairRow,
    Versioning,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.rows import event_of, slot_of
from dolmen.gateway.metadata.store import NoSuchKey, NoSuchVersion, ObjectChanged

replace = msgspec.structs.replace


def put(
    bucket: BucketRecord,
    key: bytes,
    head: Head,
    version: NewVersion,
    condition: WriteCondition,
    now_us: int,
    repairs: tuple[RepairRow, ...] = (),
    event: bytes = b"",
    *,
    owns_data: bool = True,
) -> Decision[Committed]:
    """A new version. ``owns_data``: its bytes are garbage if the commit never happens. Raises as ``MetadataStore.commit``."""
    check_condition(condition, current_of(head.versions))
    change = decide_put(bucket.versioning, key, head.versions, version, now_us, head.floor_seq)
    added = change.added
    assert added is not None
    effect = Effect(
        change,
        put=(added,),
        drop=_dropped(change),
        garbage=_garbage(change),
        repairs=repairs,
        events=_events(bucket.bucket_id, added, event, now_us),
        data=version.layout if owns_data else None,
        versioned=bucket.versioning is not Versioning.OFF,
    )
    committed = Committed(
        version_id=added.version_id,
        seq=added.seq,
        mtime_us=added.mtime_us,
        versioning=bucket.versioning,
        etag=version.etag,
    )
    return Decision(effect, committed)


async def delete(
    truth: Truth, bucket: BucketRecord, request: DeleteRequest, head: Head, now_us: int
) -> Decision[Deleted]:
    """S3's DELETE. Raises as ``MetadataStore.delete``, and ``ReadAgain``."""
    bypass = request.bypass_governance
    if request.version_id is None:
        target = current_of(head.versions)
        check_seq(request.if_seq, target)
        check_condition(request.condition, target)
        change, deleted = decide_delete(
            bucket.versioning,
            request.key,
            head.versions,
            bucket.owner,
            now_us,
            bypass_governance=bypass,
            floor_seq=head.floor_seq,
        )
    else:
        target = await _exact(truth, bucket.bucket_id, request.key, request.version_id, head)
        check_seq(request.if_seq, target)
        check_noncurrent(request.if_noncurrent, target, current_of(head.versions))
        check_condition(request.condition, target)
        change, deleted = decide_delete_version(target, head.versions, now_us, bypass_governance=bypass)
    told = change.added or change.removed
    if told is None:
        return Decision(None, deleted)
    effect = Effect(
        change,
        put=(change.added,) if change.added is not None else (),
        drop=_dropped(change),
        garbage=_garbage(change),
        events=_events(bucket.bucket_id, told, request.event, now_us),
        versioned=bucket.versioning is not Versioning.OFF,
    )
    return Decision(effect, deleted)


def update_mutable(
    truth: Truth,
    clock: Clock,
    bucket_id: bytes,
    key: bytes,
    version_id: str | None,
    mutable: MutablePart,
    event: bytes,
    seq: int | None,
) -> Decide[VersionRecord]:
    """Raises as ``MetadataStore.update_mutable``."""

    async def decide(head: Head) -> Decision[VersionRecord]:
        current = current_of(head.versions)
        record = current if version_id is None else await _exact(truth, bucket_id, key, version_id, head)
        if record is None:
            raise NoSuchKey("no such object") if version_id is None else NoSuchVersion(version_id)
        check_seq(seq, record)
        if record.mutable.rev != mutable.rev:
            raise ObjectChanged("the object was changed meanwhile")
        changed = replace(record, mutable=replace(mutable, rev=mutable.rev + 1))
        effect = Effect(
            Change(before=current, after=current),
            put=(changed,),
            events=_events(bucket_id, changed, event, clock.now_us()),
            listed=False,
        )
        return Decision(effect, changed)

    return decide


def replace_data(
    truth: Truth,
    clock: Clock,
    bucket_id: bytes,
    record: VersionRecord,
    layout: ObjectLayout,
    storage_class: str,
    event: bytes,
) -> Decide[VersionRecord]:
    """Raises as ``MetadataStore.replace_data``."""

    async def decide(head: Head) -> Decision[VersionRecord]:
        found = await _exact(truth, bucket_id, record.key, record.version_id, head)
        if found is None:
            raise NoSuchVersion(record.version_id)
        if (found.seq, found.layout, found.mutable.rev) != (record.seq, record.layout, record.mutable.rev):
            raise ObjectChanged("the object was changed meanwhile")
        changed = replace(
            found,
            attributes=replace(found.attributes, storage_class=storage_class),
            layout=layout,
            mutable=replace(found.mutable, rev=found.mutable.rev + 1),
        )
        current = current_of(head.versions)
        moved = layout != found.layout
        effect = Effect(
            Change(before=current, after=changed if found.is_latest else current, added=changed),
            put=(changed,),
            garbage=(found.layout,) if moved and found.layout.segments else (),
            events=_events(bucket_id, changed, event, clock.now_us()),
            data=layout if moved else None,
        )
        return Decision(effect, changed)

    return decide


async def _exact(truth: Truth, bucket_id: bytes, key: bytes, version_id: str, head: Head) -> VersionRecord | None:
    """The version named, as it is under ``head``. Raises ``ReadAgain``."""
    current = current_of(head.versions)
    for version in head.versions:  # the null version and the two newest with ids
        if version.version_id == version_id:
            return replace(version, is_latest=version is current)
    seq, record = await truth.exact(bucket_id, key, version_id)
    if record is not None and seq != head.seq:
        raise ReadAgain
    return record


def _dropped(change: Change) -> tuple[int, ...]:
    return () if change.removed is None else (slot_of(change.removed),)


def _garbage(change: Change) -> tuple[ObjectLayout, ...]:
    return () if change.garbage is None else (change.garbage,)


def _events(bucket_id: bytes, record: VersionRecord, template: bytes, now_us: int) -> tuple[Event, ...]:
    return (event_of(bucket_id, record, template, now_us),) if template else ()
