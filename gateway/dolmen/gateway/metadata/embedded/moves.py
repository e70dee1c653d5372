"""Changes of what a version already is: its bytes in another place, its name in another."""

from __future__ import annotations

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.decide import Change, check_condition, check_unlocked, current_of, next_seq
from dolmen.gateway.metadata.embedded import events
from dolmen.gateway.metadata.embedded.objects import apply, exact, head, note_garbage, rewrite, versioning_of
from dolmen.gateway.metadata.embedded.writer import Transaction
from dolmen.gateway.metadata.records import BucketRecord, Committed, Versioning, VersionRecord, WriteCondition
from dolmen.gateway.metadata.store import BucketChanged, NoSuchKey, NoSuchVersion, ObjectChanged

replace = msgspec.structs.replace


def replace_data(
    transaction: Transaction,
    bucket_id: bytes,
    record: VersionRecord,
    layout: ObjectLayout,
    storage_class: str,
    event: bytes,
    now_us: int,
    due_us: int,
) -> VersionRecord:
    """See ``MetadataStore.replace_data``."""
    execute = transaction.execute
    found = exact(execute, bucket_id, record.key, record.version_id)
    if found is None:
        raise NoSuchVersion(record.version_id)
    if (found.seq, found.layout, found.mutable.rev) != (record.seq, record.layout, record.mutable.rev):
        raise ObjectChanged("the object was changed meanwhile")
    attributes = replace(found.attributes, storage_class=storage_class)
    changed = replace(found, attributes=attributes, layout=layout, mutable=replace(found.mutable, rev=found.mutable.rev + 1))
    rewrite(execute, bucket_id, changed, is_current=found.is_latest)
    if layout != found.layout:
        note_garbage(execute, found.layout, due_us)
    if event:
        events.add(execute, bucket_id, changed, event, now_us)
    return changed


def rename(
    transaction: Transaction,
    bucket: BucketRecord,
    source: bytes,
    target: bytes,
    source_condition: WriteCondition,
    target_condition: WriteCondition,
    event: bytes,
    now_us: int,
    due_us: int,
) -> Committed:
    """See ``MetadataStore.rename``."""
    execute, bucket_id = transaction.execute, bucket.bucket_id
    if versioning_of(transaction, bucket_id) is not Versioning.OFF:
        raise BucketChanged("the bucket has versions")
    moved = current_of(head(execute, bucket_id, source))
    check_condition(source_condition, moved)
    if moved is None:
        raise NoSuchKey("nothing to rename")
    replaced = current_of(head(execute, bucket_id, target))
    check_condition(target_condition, replaced)
    check_unlocked(moved, now_us)
    check_unlocked(replaced, now_us)
    committed = Committed(
        version_id=moved.version_id, seq=moved.seq, mtime_us=moved.mtime_us, versioning=Versioning.OFF, etag=moved.etag
    )
    if source == target:
        return committed
    added = replace(moved, key=target, seq=next_seq(now_us, replaced))
    # The layout goes with the row: only what the target held becomes garbage.
    apply(execute, bucket_id, source, Change(before=moved, after=None, removed=replace(moved, layout=ObjectLayout())), due_us)
    apply(execute, bucket_id, target, Change(before=replaced, after=added, added=added, removed=replaced), due_us)
    if event:
        events.add(execute, bucket_id, added, event, now_us)
    return replace(committed, seq=added.seq)
