"""Versions and listings of one key, inside a transaction: truth and listing change together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.decide import (
    Change,
    check_condition,
    current_of,
    decide_delete,
    decide_delete_version,
    decide_put,
)
from dolmen.gateway.metadata.embedded.database import Connection
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
    Versioning,
    VersionRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import NoSuchBucket, NoSuchKey, NoSuchVersion, ObjectChanged
from dolmen.gateway.metadata.versions import seq_of_version_id

NULL_SLOT = (1 << 63) - 1  # the null version sorts first, so that a key's newest rows are the first ones read
HEAD_ROWS = 3  # null version and the two newest with ids: all that decides what is current

_encoder = msgspec.msgpack.Encoder()
_version = msgspec.msgpack.Decoder(VersionRecord)
_row = msgspec.msgpack.Decoder(ListRow)


def slot_of(record: VersionRecord) -> int:
    return NULL_SLOT if record.version_id == NULL_VERSION else record.seq


def head(connection: Connection, bucket_id: bytes, key: bytes) -> list[VersionRecord]:
    """The null version and the two newest with ids."""
    rows = connection.execute(
        "SELECT record FROM versions WHERE bucket_id = ? AND key = ? ORDER BY slot DESC LIMIT ?", (bucket_id, key, HEAD_ROWS)
    )
    return [_version.decode(raw) for (raw,) in rows]


def exact(connection: Connection, bucket_id: bytes, key: bytes, version_id: str) -> VersionRecord | None:
    """The version named, if there is one."""
    slot = NULL_SLOT if version_id == NULL_VERSION else seq_of_version_id(version_id)
    if slot is None:
        return None
    found = connection.execute(
        "SELECT record FROM versions WHERE bucket_id = ? AND key = ? AND slot = ?", (bucket_id, key, slot)
    ).fetchone()
    record = None if found is None else _version.decode(found[0])
    return record if record is not None and record.version_id == version_id else None


def read_version(connection: Connection, bucket_id: bytes, key: bytes, version_id: str | None) -> VersionRecord | None:
    """As ``MetadataStore.get_version``, within one snapshot."""
    current = current_of(head(connection, bucket_id, key))
    if version_id is None:
        return current
    record = exact(connection, bucket_id, key, version_id)
    if record is None or current is None:
        return None
    return msgspec.structs.replace(record, is_latest=record.seq == current.seq)


def versioning_of(connection: Connection, bucket_id: bytes) -> Versioning:
    """The bucket's state at the commit point. Raises ``NoSuchBucket``."""
    found = connection.execute("SELECT versioning FROM buckets WHERE bucket_id = ?", (bucket_id,)).fetchone()
    if found is None:
        raise NoSuchBucket("the bucket is gone")
    return Versioning(found[0])


def list_row(record: VersionRecord) -> ListRow:
    checksum = record.attributes.checksum
    return ListRow(
        key=record.key,
        size=record.size,
        etag=record.etag,
        mtime_us=record.mtime_us,
        storage_class=record.attributes.storage_class,
        owner=record.owner,
        checksum_algorithm=checksum.algorithm if checksum is not None else "",
        checksum_type=checksum.type if checksum is not None else "",
        version_id=record.version_id,
        seq=record.seq,
        is_delete_marker=record.is_delete_marker,
    )


def apply(connection: Connection, bucket_id: bytes, key: bytes, change: Change, due_us: int) -> None:
    """Make a decided change: rows of truth and of both listings, and the garbage note."""
    if change.removed is not None:
        gone = change.removed
        connection.execute(
            "DELETE FROM versions WHERE bucket_id = ? AND key = ? AND slot = ?", (bucket_id, key, slot_of(gone))
        )
        connection.execute(
            "DELETE FROM listing_versions WHERE bucket_id = ? AND key = ? AND seq = ?", (bucket_id, key, gone.seq)
        )
    if change.added is not None:
        new = change.added
        connection.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?)", (bucket_id, key, slot_of(new), _encoder.encode(new))
        )
        connection.execute(
            "INSERT INTO listing_versions VALUES (?, ?, ?, ?)", (bucket_id, key, new.seq, _encoder.encode(list_row(new)))
        )
    after = change.after
    if after is not None and not after.is_delete_marker:
        connection.execute(
            "INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", (bucket_id, key, _encoder.encode(list_row(after)))
        )
    else:
        connection.execute("DELETE FROM listing WHERE bucket_id = ? AND key = ?", (bucket_id, key))
    if change.garbage is not None:
        note_garbage(connection, change.garbage, due_us)


def note_garbage(connection: Connection, layout: ObjectLayout, due_us: int) -> None:
    """Data to be deleted once ``due_us`` has passed."""
    if layout.segments:
        connection.execute(
            "INSERT INTO garbage VALUES (?, ?, ?)", (secrets.token_bytes(16), due_us, _encoder.encode(layout))
        )


def note_repairs(connection: Connection, repairs: Sequence[RepairRow]) -> None:
    for row in repairs:
        connection.execute("INSERT OR REPLACE INTO repairs VALUES (?, ?)", (row.stripe_id, _encoder.encode(row)))


def put(
    connection: Connection,
    bucket_id: bytes,
    key: bytes,
    version: NewVersion,
    condition: WriteCondition,
    now_us: int,
    due_us: int,
) -> Committed:
    """The commit of a new version; conditions and versioning state are decided here."""
    versioning = versioning_of(connection, bucket_id)
    versions = head(connection, bucket_id, key)
    check_condition(condition, current_of(versions))
    change = decide_put(versioning, key, versions, version, now_us)
    apply(connection, bucket_id, key, change, due_us)
    assert change.added is not None
    return Committed(
        version_id=change.added.version_id,
        seq=change.added.seq,
        mtime_us=change.added.mtime_us,
        versioning=versioning,
        etag=version.etag,
    )


def delete(connection: Connection, bucket: BucketRecord, request: DeleteRequest, now_us: int, due_us: int) -> Deleted:
    """S3's DELETE; see ``MetadataStore.delete``."""
    versioning = versioning_of(connection, bucket.bucket_id)
    versions = head(connection, bucket.bucket_id, request.key)
    if request.version_id is None:
        check_condition(request.condition, current_of(versions))
        change, deleted = decide_delete(versioning, request.key, versions, bucket.owner, now_us)
    else:
        target = exact(connection, bucket.bucket_id, request.key, request.version_id)
        check_condition(request.condition, target)
        change, deleted = decide_delete_version(target, versions)
    if change.added is not None or change.removed is not None:
        apply(connection, bucket.bucket_id, request.key, change, due_us)
    return deleted


def update_mutable(
    connection: Connection, bucket_id: bytes, key: bytes, version_id: str | None, mutable: MutablePart
) -> VersionRecord:
    """See ``MetadataStore.update_mutable``."""
    record = read_version(connection, bucket_id, key, version_id)
    if record is None:
        raise NoSuchKey("no such object") if version_id is None else NoSuchVersion(version_id)
    if record.mutable.rev != mutable.rev:
        raise ObjectChanged("the object was changed meanwhile")
    changed = msgspec.structs.replace(record, mutable=msgspec.structs.replace(mutable, rev=mutable.rev + 1))
    stored = msgspec.structs.replace(changed, is_latest=True)
    connection.execute(
        "UPDATE versions SET record = ? WHERE bucket_id = ? AND key = ? AND slot = ?",
        (_encoder.encode(stored), bucket_id, key, slot_of(stored)),
    )
    return changed


def scan(connection: Connection, bucket_id: bytes, start: bytes, end: bytes | None, limit: int) -> list[ListRow]:
    """Current objects in byte order."""
    bound, values = ("AND key < ?", (end,)) if end is not None else ("", ())
    rows = connection.execute(
        f"SELECT row FROM listing WHERE bucket_id = ? AND key >= ? {bound} ORDER BY key LIMIT ?",  # noqa: S608
        (bucket_id, start, *values, limit),
    )
    return [_row.decode(raw) for (raw,) in rows]


def scan_versions(
    connection: Connection, bucket_id: bytes, start: bytes, start_seq: int | None, end: bytes | None, limit: int
) -> list[ListRow]:
    """Versions by (key, newest first); ``is_latest`` is exact."""
    bound, values = ("AND key < ?", (end,)) if end is not None else ("", ())
    found: list[ListRow] = []
    previous: bytes | None = None
    if start_seq is not None:
        newest = connection.execute(
            "SELECT max(seq) FROM listing_versions WHERE bucket_id = ? AND key = ?", (bucket_id, start)
        ).fetchone()
        if newest is not None and newest[0] is not None and newest[0] >= start_seq:
            previous = start
        rows = connection.execute(
            "SELECT row FROM listing_versions WHERE bucket_id = ? AND key = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (bucket_id, start, start_seq, limit),
        )
        found += [_row.decode(raw) for (raw,) in rows]
    after = ">" if start_seq is not None else ">="
    if len(found) < limit:
        rows = connection.execute(
            f"SELECT row FROM listing_versions WHERE bucket_id = ? AND key {after} ? {bound} "  # noqa: S608
            "ORDER BY key, seq DESC LIMIT ?",
            (bucket_id, start, *values, limit - len(found)),
        )
        found += [_row.decode(raw) for (raw,) in rows]
    told = []
    for row in found:
        told.append(msgspec.structs.replace(row, is_latest=row.key != previous))
        previous = row.key
    return told
