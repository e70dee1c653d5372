"""How backends that store bytes keep a version: a list row and the rest, and the slot that orders the versions of a key."""

from __future__ import annotations

import secrets

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.records import NULL_VERSION, Attributes, Event, ListRow, MutablePart, VersionRecord
from dolmen.gateway.metadata.versions import seq_of_version_id

NULL_SLOT = (1 << 63) - 1  # the null version sorts first, so that a key's newest rows are the first ones read
HEAD_ROWS = 3  # null version and the two newest with ids: all that decides what is current

encode = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(ListRow).decode


class _Rest(msgspec.Struct, frozen=True, array_like=True):
    """What a version has beyond its ``ListRow``."""

    attributes: Attributes
    mutable: MutablePart
    layout: ObjectLayout


_decode_rest = msgspec.msgpack.Decoder(_Rest).decode


def slot_of(record: VersionRecord) -> int:
    """Where the version stands among those of its key."""
    return NULL_SLOT if record.version_id == NULL_VERSION else record.seq


def slot_named(version_id: str) -> int | None:
    """The slot that an id speaks of; None for whatever is no id of ours."""
    return NULL_SLOT if version_id == NULL_VERSION else seq_of_version_id(version_id)


def version_of_rows(row: bytes, rest: bytes, *, is_latest: bool = True) -> VersionRecord:
    """A version from its two parts."""
    told, more = decode_row(row), _decode_rest(rest)
    return VersionRecord(
        key=told.key,
        version_id=told.version_id,
        seq=told.seq,
        is_delete_marker=told.is_delete_marker,
        is_latest=is_latest,
        size=told.size,
        etag=told.etag,
        mtime_us=told.mtime_us,
        owner=told.owner,
        attributes=more.attributes,
        mutable=more.mutable,
        layout=more.layout,
    )


def rest_of(record: VersionRecord) -> bytes:
    """What a version has beyond its list row, encoded."""
    return encode(_Rest(record.attributes, record.mutable, record.layout))


def list_row(record: VersionRecord) -> ListRow:
    """What lists tell of a version."""
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


def event_id(now_us: int) -> bytes:
    """16 bytes: the time, then chance."""
    return now_us.to_bytes(8, "big") + secrets.token_bytes(8)


def event_of(bucket_id: bytes, record: VersionRecord, template: bytes, now_us: int) -> Event:
    """What is told of a version that came, changed or went."""
    return Event(
        event_id=event_id(now_us),
        bucket_id=bucket_id,
        key=record.key,
        template=template,
        version_id=record.version_id,
        seq=record.seq,
        at_us=now_us,
        size=record.size,
        etag=record.etag,
        is_delete_marker=record.is_delete_marker,
        due_us=now_us,
    )
