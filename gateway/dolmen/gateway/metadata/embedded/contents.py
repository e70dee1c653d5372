"""Which rows of the embedded file each kind of item is, and how they are read."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.records import (
    BucketRecord,
    Document,
    Event,
    GarbageNote,
    PartRecord,
    RepairRow,
    UploadRecord,
)
from dolmen.gateway.metadata.rows import version_of_rows
from dolmen.gateway.metadata.transfer import (
    BucketItem,
    DocumentItem,
    EventItem,
    GarbageItem,
    Item,
    ItemKind,
    MapItem,
    PartItem,
    RepairItem,
    SpaceItem,
    UploadItem,
    VersionItem,
)

Row = tuple[Any, ...]
_layout = msgspec.msgpack.Decoder(ObjectLayout).decode
_event = msgspec.msgpack.Decoder(Event).decode
_repair = msgspec.msgpack.Decoder(RepairRow).decode
_bucket = msgspec.msgpack.Decoder(BucketRecord).decode
_upload = msgspec.msgpack.Decoder(UploadRecord).decode
_part = msgspec.msgpack.Decoder(PartRecord).decode


class Table(NamedTuple):
    """``place``: the columns that are the places of items; ``columns``: all that are read."""

    name: str
    place: tuple[str, ...]
    columns: str


class Contents(NamedTuple):
    """Statements about the items of one kind."""

    tables: tuple[Table, ...]
    first: str  # values: limit
    following: str  # values: place (of versions: bucket and key), limit
    rest_of_key: str  # versions only; values: place, limit
    exact: str  # values: place
    drop: tuple[str, ...]  # values: place
    how_many: str


def _contents(*tables: Table) -> Contents:
    """All tables have the same columns as their places. Nothing in the text comes from outside."""
    names = tables[0].place
    places = ", ".join(names)
    numbered = ", ".join(f"?{at}" for at in range(1, len(names) + 1))
    limit = f"ORDER BY {places} LIMIT ?"
    selects = [f"SELECT {table.columns} FROM {table.name}" for table in tables]  # noqa: S608
    return Contents(
        tables=tables,
        first=f"{' UNION ALL '.join(selects)} {limit}",
        following=f"{' UNION ALL '.join(f'{one} WHERE ({places}) > ({numbered})' for one in selects)} {limit}{len(names) + 1}",
        rest_of_key="",
        exact=" UNION ALL ".join(f"{one} WHERE ({places}) = ({numbered})" for one in selects),
        drop=tuple(f"DELETE FROM {table.name} WHERE ({places}) = ({numbered})" for table in tables),  # noqa: S608
        how_many="SELECT " + " + ".join(f"(SELECT count(*) FROM {table.name})" for table in tables),  # noqa: S608
    )


_VERSION_COLUMNS = "SELECT bucket_id, key, slot, row, rest FROM versions"
_VERSIONS = _contents(Table("versions", ("bucket_id", "key", "slot"), "bucket_id, key, slot, row, rest"))._replace(
    first=f"{_VERSION_COLUMNS} ORDER BY bucket_id, key, slot DESC LIMIT ?",
    following=f"{_VERSION_COLUMNS} WHERE (bucket_id, key) > (?, ?) ORDER BY bucket_id, key, slot DESC LIMIT ?",
    rest_of_key=f"{_VERSION_COLUMNS} WHERE bucket_id = ? AND key = ? AND slot < ? ORDER BY slot DESC LIMIT ?",
)
_UPLOAD = ("bucket_id", "key", "upload_id")
CONTENTS: dict[ItemKind, Contents] = {
    ItemKind.GARBAGE: _contents(Table("garbage", ("note_id",), "note_id, due_us, layout")),
    ItemKind.EVENT: _contents(Table("events", ("event_id",), "event_id, record")),
    ItemKind.REPAIR: _contents(Table("repairs", ("stripe_id",), "stripe_id, record")),
    ItemKind.MAP: _contents(Table("cluster_map", ("id",), "id, epoch, raw")),
    ItemKind.SPACE: _contents(Table("spaces", ("space",), "space, rev")),
    ItemKind.DOCUMENT: _contents(Table("documents", ("space", "kind", "name"), "space, kind, name, rev, raw")),
    ItemKind.BUCKET: _contents(Table("buckets", ("name",), "name, record")),
    ItemKind.VERSION: _VERSIONS,
    ItemKind.UPLOAD: _contents(
        Table("uploads", _UPLOAD, "bucket_id, key, upload_id, record, 0 AS completed_us"),
        Table("completions", _UPLOAD, "bucket_id, key, upload_id, record, completed_us"),
    ),
    ItemKind.PART: _contents(Table("parts", ("upload_id", "number"), "upload_id, number, record")),
}


def read_item(kind: ItemKind, row: Row) -> Item:
    """An item from the columns of its table."""
    match kind:
        case ItemKind.VERSION:
            return VersionItem(row[0], version_of_rows(row[3], row[4]))
        case ItemKind.PART:
            return PartItem(row[0], _part(row[2]))
        case ItemKind.UPLOAD:
            return UploadItem(_upload(row[3]), row[4])
        case ItemKind.GARBAGE:
            return GarbageItem(GarbageNote(note_id=row[0], due_us=row[1], layout=_layout(row[2])))
        case ItemKind.EVENT:
            return EventItem(_event(row[1]))
        case ItemKind.REPAIR:
            return RepairItem(_repair(row[1]))
        case ItemKind.MAP:
            return MapItem(row[1], row[2])
        case ItemKind.SPACE:
            return SpaceItem(row[0], row[1])
        case ItemKind.DOCUMENT:
            return DocumentItem(Document(space=row[0], kind=row[1], name=row[2], rev=row[3], raw=row[4]))
        case ItemKind.BUCKET:
            return BucketItem(_bucket(row[1]))
