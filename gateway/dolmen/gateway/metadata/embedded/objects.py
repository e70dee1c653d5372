"""Versions and listings of one key, inside a transaction: truth and listing change together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from dolmen.core.layout import ObjectLayout
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
from dolmen.gateway.metadata.embedded import events
from dolmen.gateway.metadata.embedded.database import Execute, blob
from dolmen.gateway.metadata.embedded.writer import Transaction
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    BucketRecord,
    Committed,
    Deleted,
    DeleteRequest,
    ListRow,
    MutablePart,
    NewVersion,
    RepairRow,
    Usage,
    Versioning,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.rows import (
    HEAD_ROWS,
    NULL_SLOT,
    decode_row,
    encode,
    list_row,
    rest_of,
    slot_named,
    slot_of,
    version_of_rows,
)
from dolmen.gateway.metadata.store import NoSuchBucket, NoSuchKey, NoSuchVersion, ObjectChanged
from dolmen.gateway.metadata.usage import usage_delta

_decode_repair = msgspec.msgpack.Decoder(RepairRow).decode
_set = msgspec.structs.force_setattr


def head(execute: Execute, bucket_id: bytes, key: bytes) -> list[VersionRecord]:
    """The null version and the two newest with ids."""
    rows = execute(
        "SELECT row, rest FROM versions WHERE bucket_id = ? AND key = ? ORDER BY slot DESC LIMIT ?", (bucket_id, key, HEAD_ROWS)
    ).fetchall()
    return [version_of_rows(row, rest) for row, rest in rows]


def exact(execute: Execute, bucket_id: bytes, key: bytes, version_id: str) -> VersionRecord | None:
    """The version named, if there is one. ``is_latest`` is exact."""
    slot = slot_named(version_id)
    if slot is None:
        return None
    found = execute(
        "SELECT row, rest, seq >= (SELECT max(seq) FROM (SELECT seq FROM versions WHERE bucket_id = ?1 AND key = ?2 "
        "ORDER BY slot DESC LIMIT 2)) FROM versions WHERE bucket_id = ?1 AND key = ?2 AND slot = ?3",
        (bucket_id, key, slot),
    ).fetchall()
    if not found:
        return None
    row, rest, is_latest = found[0]
    record = version_of_rows(row, rest, is_latest=bool(is_latest))
    return record if record.version_id == version_id else None  # another random part: another version's id


def read_version(execute: Execute, bucket_id: bytes, key: bytes, version_id: str | None) -> VersionRecord | None:
    """As ``MetadataStore.get_version``: one statement, so one snapshot."""
    if version_id is not None:
        return exact(execute, bucket_id, key, version_id)
    rows = execute(
        "SELECT slot, seq, row, rest FROM versions WHERE bucket_id = ? AND key = ? ORDER BY slot DESC LIMIT 2", (bucket_id, key)
    ).fetchall()
    if not rows:
        return None
    current = rows[0]
    if current[0] == NULL_SLOT and len(rows) > 1 and rows[1][1] > current[1]:
        current = rows[1]
    return version_of_rows(current[2], current[3])


def bucket_exists(execute: Execute, bucket_id: bytes) -> bool:
    return bool(execute("SELECT 1 FROM buckets WHERE bucket_id = ?", (bucket_id,)).fetchall())


def versioning_of(transaction: Transaction, bucket_id: bytes) -> Versioning:
    """The bucket's state at the commit point. Raises ``NoSuchBucket``."""
    known = transaction.versioning.get(bucket_id)
    if known is not None:
        return known
    found = transaction.execute("SELECT versioning FROM buckets WHERE bucket_id = ?", (bucket_id,)).fetchall()
    if not found:
        raise NoSuchBucket("the bucket is gone")
    state = Versioning(found[0][0])
    transaction.versioning[bucket_id] = state
    return state


def apply(execute: Execute, bucket_id: bytes, key: bytes, change: Change, due_us: int) -> None:
    """Make a decided change: the row of truth, the row of the listing, and the garbage note."""
    added, removed, before, after = change.added, change.removed, change.before, change.after
    if removed is not None and (added is None or slot_of(added) != slot_of(removed)):
        execute("DELETE FROM versions WHERE bucket_id = ? AND key = ? AND slot = ?", (bucket_id, key, slot_of(removed)))
    row = b"" if after is None or after is before else encode(list_row(after))
    if added is not None:
        execute(
            "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?)",
            (bucket_id, key, slot_of(added), added.seq, row, rest_of(added)),
        )
    if after is not None and not after.is_delete_marker:
        if row:
            execute("INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", (bucket_id, key, row))
    elif before is not None and not before.is_delete_marker:
        execute("DELETE FROM listing WHERE bucket_id = ? AND key = ?", (bucket_id, key))
    if change.garbage is not None:
        note_garbage(execute, change.garbage, due_us)
    objects, size_bytes = usage_delta(change)
    if objects or size_bytes:
        execute(
            "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT (bucket_id) DO UPDATE SET objects = objects + ?2, bytes = bytes + ?3",
            (bucket_id, objects, size_bytes),
        )


def usage(execute: Execute, bucket_id: bytes) -> Usage:
    """What the bucket holds."""
    found = execute("SELECT objects, bytes FROM usage WHERE bucket_id = ?", (bucket_id,)).fetchall()
    return Usage(objects=found[0][0], size_bytes=found[0][1]) if found else Usage(objects=0, size_bytes=0)


def rewrite(execute: Execute, bucket_id: bytes, record: VersionRecord, *, is_current: bool) -> None:
    """The same version with another description: its row of truth, and the row of the listing when it is the current one."""
    row = encode(list_row(record))
    execute(
        "UPDATE versions SET row = ?, rest = ? WHERE bucket_id = ? AND key = ? AND slot = ?",
        (row, rest_of(record), bucket_id, record.key, slot_of(record)),
    )
    if is_current:
        execute("UPDATE listing SET row = ? WHERE bucket_id = ? AND key = ?", (row, bucket_id, record.key))


def note_garbage(execute: Execute, layout: ObjectLayout, due_us: int) -> None:
    """Data to be deleted once ``due_us`` has passed."""
    if layout.segments:
        execute("INSERT INTO garbage VALUES (?, ?, ?)", (secrets.token_bytes(16), due_us, encode(layout)))


def merged_repair(execute: Execute, row: RepairRow) -> RepairRow | None:
    """``row`` with the slots that are known already; None when it says nothing new."""
    found = execute("SELECT record FROM repairs WHERE stripe_id = ?", (row.stripe_id,)).fetchall()
    known = set(_decode_repair(blob(found[0][0])).slots) if found else set()
    slots = known.union(row.slots)
    return None if slots == known else RepairRow(row.pg, row.stripe_id, tuple(sorted(slots)))


def note_repairs(execute: Execute, repairs: Sequence[RepairRow]) -> None:
    for row in repairs:
        merged = merged_repair(execute, row)
        if merged is not None:
            execute("INSERT OR REPLACE INTO repairs VALUES (?, ?)", (row.stripe_id, encode(merged)))


def finish_repairs(execute: Execute, rows: Sequence[RepairRow]) -> None:
    """Drop the slots named; what was added meanwhile stays."""
    for row in rows:
        found = execute("SELECT record FROM repairs WHERE stripe_id = ?", (row.stripe_id,)).fetchall()
        if not found:
            continue
        left = tuple(slot for slot in _decode_repair(blob(found[0][0])).slots if slot not in row.slots)
        if left:
            record = encode(RepairRow(row.pg, row.stripe_id, left))
            execute("UPDATE repairs SET record = ? WHERE stripe_id = ?", (record, row.stripe_id))
        else:
            execute("DELETE FROM repairs WHERE stripe_id = ?", (row.stripe_id,))


def put(
    transaction: Transaction,
    bucket_id: bytes,
    key: bytes,
    version: NewVersion,
    condition: WriteCondition,
    now_us: int,
    due_us: int,
    event: bytes = b"",
) -> Committed:
    """The commit of a new version; conditions and versioning state are decided here."""
    versioning = versioning_of(transaction, bucket_id)
    versions = head(transaction.execute, bucket_id, key)
    check_condition(condition, current_of(versions))
    change = decide_put(versioning, key, versions, version, now_us)
    apply(transaction.execute, bucket_id, key, change, due_us)
    assert change.added is not None
    if event:
        events.add(transaction.execute, bucket_id, change.added, event, now_us)
    return Committed(
        version_id=change.added.version_id,
        seq=change.added.seq,
        mtime_us=change.added.mtime_us,
        versioning=versioning,
        etag=version.etag,
    )


def delete(transaction: Transaction, bucket: BucketRecord, request: DeleteRequest, now_us: int, due_us: int) -> Deleted:
    """S3's DELETE; see ``MetadataStore.delete``."""
    execute = transaction.execute
    versioning = versioning_of(transaction, bucket.bucket_id)
    versions = head(execute, bucket.bucket_id, request.key)
    bypass = request.bypass_governance
    if request.version_id is None:
        target = current_of(versions)
        check_seq(request.if_seq, target)
        check_condition(request.condition, target)
        change, deleted = decide_delete(versioning, request.key, versions, bucket.owner, now_us, bypass_governance=bypass)
    else:
        target = exact(execute, bucket.bucket_id, request.key, request.version_id)
        check_seq(request.if_seq, target)
        check_noncurrent(request.if_noncurrent, target, current_of(versions))
        check_condition(request.condition, target)
        change, deleted = decide_delete_version(target, versions, now_us, bypass_governance=bypass)
    told = change.added or change.removed
    if told is not None:
        apply(execute, bucket.bucket_id, request.key, change, due_us)
        if request.event:
            events.add(execute, bucket.bucket_id, told, request.event, now_us)
    return deleted


def update_mutable(
    execute: Execute,
    bucket_id: bytes,
    key: bytes,
    version_id: str | None,
    mutable: MutablePart,
    event: bytes,
    now_us: int,
    seq: int | None,
) -> VersionRecord:
    """See ``MetadataStore.update_mutable``."""
    record = read_version(execute, bucket_id, key, version_id)
    if record is None:
        raise NoSuchKey("no such object") if version_id is None else NoSuchVersion(version_id)
    check_seq(seq, record)
    if record.mutable.rev != mutable.rev:
        raise ObjectChanged("the object was changed meanwhile")
    changed = msgspec.structs.replace(record, mutable=msgspec.structs.replace(mutable, rev=mutable.rev + 1))
    execute(
        "UPDATE versions SET rest = ? WHERE bucket_id = ? AND key = ? AND slot = ?",
        (rest_of(changed), bucket_id, key, slot_of(changed)),
    )
    if event:
        events.add(execute, bucket_id, changed, event, now_us)
    return changed


def scan(execute: Execute, bucket_id: bytes, start: bytes, end: bytes | None, limit: int) -> list[ListRow]:
    """Current objects in byte order."""
    if end is None:
        rows = execute("SELECT row FROM listing WHERE bucket_id = ? AND key >= ? ORDER BY key LIMIT ?", (bucket_id, start, limit))
    else:
        rows = execute(
            "SELECT row FROM listing WHERE bucket_id = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
            (bucket_id, start, end, limit),
        )
    return [decode_row(raw) for (raw,) in rows.fetchall()]


def scan_versions(
    execute: Execute, bucket_id: bytes, start: bytes, start_seq: int | None, end: bytes | None, limit: int
) -> list[ListRow]:
    """Versions by (key, newest first); ``is_latest`` is exact. Several statements: the caller holds a snapshot."""
    found: list[ListRow] = []
    previous: bytes | None = None  # the key whose newest row has been told
    wanted = limit + 1  # the null version comes first in the table, and is told where its sequence says
    if start_seq is not None:
        null = execute("SELECT row FROM versions WHERE bucket_id = ? AND key = ? AND slot = ?", (bucket_id, start, NULL_SLOT))
        nulls = [decode_row(raw) for (raw,) in null.fetchall()]
        newer = execute(
            "SELECT 1 FROM versions WHERE bucket_id = ? AND key = ? AND slot >= ? AND slot < ? LIMIT 1",
            (bucket_id, start, start_seq, NULL_SLOT),
        )
        if newer.fetchall() or any(row.seq >= start_seq for row in nulls):
            previous = start
        found += [row for row in nulls if row.seq < start_seq]
        older = execute(
            "SELECT row FROM versions WHERE bucket_id = ? AND key = ? AND slot < ? ORDER BY slot DESC LIMIT ?",
            (bucket_id, start, start_seq, wanted),
        )
        found += [decode_row(raw) for (raw,) in older.fetchall()]
    if len(found) < wanted:
        after = ">" if start_seq is not None else ">="
        bound, values = ("AND key < ?", (end,)) if end is not None else ("", ())
        rows = execute(
            f"SELECT row FROM versions WHERE bucket_id = ? AND key {after} ? {bound} ORDER BY key, slot DESC LIMIT ?",  # noqa: S608
            (bucket_id, start, *values, wanted - len(found)),
        )
        found += [decode_row(raw) for (raw,) in rows.fetchall()]
    return _told(found, previous)[:limit]


def _told(rows: list[ListRow], previous: bytes | None) -> list[ListRow]:
    """Rows as the table has them (a key's null version first), each key newest first, with ``is_latest``."""
    told: list[ListRow] = []
    held: ListRow | None = None
    for row in rows:
        if row.version_id == NULL_VERSION:
            if held is not None:
                told.append(held)
            held = row
            continue
        if held is not None and (held.key != row.key or held.seq > row.seq):
            told.append(held)
            held = None
        told.append(row)
    if held is not None:
        told.append(held)
    for row in told:
        if row.key == previous:
            _set(row, "is_latest", False)  # freshly decoded and still ours
        previous = row.key
    return told
