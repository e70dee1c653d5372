"""All that a metadata store holds, as items that can be moved to another one: what export, import and copies work on.

An item is one fact with a place: two stores are equal when they hold the same items. Leases are not among them (they belong to
processes of one store), nor are rows that are made of others (lists).
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from dolmen.gateway.metadata.records import (
    BucketRecord,
    Document,
    Event,
    GarbageNote,
    PartRecord,
    RepairRow,
    UploadRecord,
    VersionRecord,
)
from dolmen.gateway.metadata.rows import slot_of

PAGE_ITEMS = 1000  # of one page: some hundred kilobytes, and what is done again after an interruption
Place = tuple[bytes | str | int, ...]  # of an item among those of its kind


class ItemKind(enum.IntEnum):
    """Never renumber: stored. Stores are read in this order.

    Garbage comes before versions: a note that was read first is never about data that a version read later still refers to,
    whatever is written meanwhile. Versions come before uploads for the same reason: aborting an upload frees its parts' data.
    """

    GARBAGE = 1
    EVENT = 2
    REPAIR = 3
    MAP = 4
    SPACE = 5
    DOCUMENT = 6
    BUCKET = 7
    VERSION = 8
    UPLOAD = 9
    PART = 10


class GarbageItem(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Place: (note id)."""

    note: GarbageNote


class EventItem(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Place: (event id)."""

    event: Event


class RepairItem(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Place: (stripe id). All slots of a stripe that wait for repair."""

    row: RepairRow


class MapItem(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The cluster map. Place: (1), there is one."""

    epoch: int
    raw: bytes


class SpaceItem(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The revision of a space of documents, which outlives them. Place: (space)."""

    space: str
    rev: int


class DocumentItem(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Place: (space, kind, name)."""

    document: Document


class BucketItem(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Place: (name)."""

    bucket: BucketRecord


class VersionItem(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """A version or marker. Place: (bucket id, key, slot). ``is_latest`` is always true here: it follows from the others."""

    bucket_id: bytes
    record: VersionRecord


class UploadItem(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """A multipart upload, in progress or completed. Place: (bucket id, key, upload id)."""

    upload: UploadRecord
    completed_us: int = 0  # 0: in progress


class PartItem(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A part of an upload in progress. Place: (upload id, number)."""

    upload_id: str
    part: PartRecord


Item = (
    GarbageItem
    | EventItem
    | RepairItem
    | MapItem
    | SpaceItem
    | DocumentItem
    | BucketItem
    | VersionItem
    | UploadItem
    | PartItem
)
MAP_PLACE: Place = (1,)
_KINDS: dict[type, ItemKind] = {
    GarbageItem: ItemKind.GARBAGE,
    EventItem: ItemKind.EVENT,
    RepairItem: ItemKind.REPAIR,
    MapItem: ItemKind.MAP,
    SpaceItem: ItemKind.SPACE,
    DocumentItem: ItemKind.DOCUMENT,
    BucketItem: ItemKind.BUCKET,
    VersionItem: ItemKind.VERSION,
    UploadItem: ItemKind.UPLOAD,
    PartItem: ItemKind.PART,
}


def kind_of(item: Item) -> ItemKind:
    """What an item is."""
    return _KINDS[type(item)]


def place_of(item: Item) -> Place:
    """Where an item belongs: one item at most has a place of a kind."""
    match item:
        case VersionItem(bucket_id, record):
            return bucket_id, record.key, slot_of(record)
        case PartItem(upload_id, part):
            return upload_id, part.number
        case UploadItem(upload):
            return upload.bucket_id, upload.key, upload.upload_id
        case GarbageItem(note):
            return (note.note_id,)
        case EventItem(event):
            return (event.event_id,)
        case RepairItem(row):
            return (row.stripe_id,)
        case MapItem():
            return MAP_PLACE
        case SpaceItem(space):
            return (space,)
        case DocumentItem(document):
            return document.space, document.kind, document.name
        case BucketItem(bucket):
            return (bucket.name,)


class Page(NamedTuple):
    """Some items of one kind, and how to go on."""

    items: Sequence[Item]
    after: bytes | None  # for the next call; None: this was the last page. A page may be empty and not the last


class Transferable(Protocol):
    """A store with all that is in it open to be moved. Methods raise what ``MetadataStore`` raises when it is away."""

    async def dump(self, kind: ItemKind, after: bytes, limit: int) -> Page:
        """Items of a kind in an order of the store's own, beginning behind ``after`` (b"": at the beginning).

        About ``limit`` of them. Each is as it was at some instant of this call.
        """
        ...

    async def fetch(self, kind: ItemKind, places: Sequence[Place]) -> list[Item]:
        """Those that there are, in any order."""
        ...

    async def slots(self, bucket_id: bytes, key: bytes) -> list[int]:
        """Slots of all versions of a key."""
        ...

    async def load(self, items: Sequence[Item]) -> None:
        """Store items of one kind exactly as they are, over whatever has their places, and make the lists tell of them.

        Idempotent, also when it was cut short. Nothing becomes garbage by it.
        """
        ...

    async def forget(self, kind: ItemKind, places: Sequence[Place]) -> None:
        """Remove items without making garbage; those that are not there are none. Idempotent."""
        ...

    async def count(self, kind: ItemKind) -> int:
        """How many items of a kind there are: may read all of them."""
        ...


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far a walk has come: kept, so that it goes on after an interruption."""

    kind: ItemKind = ItemKind.GARBAGE
    after: bytes = b""
    done: bool = False


async def walk(
    source: Transferable, start: Position, kinds: Sequence[ItemKind] = tuple(ItemKind)
) -> AsyncIterator[tuple[ItemKind, Sequence[Item], Position]]:
    """All items from ``start`` on, in pages: (kind, items, where to go on when these are done with)."""
    if start.done:
        return
    for kind in [kind for kind in kinds if kind >= start.kind]:
        after: bytes | None = start.after if kind == start.kind else b""
        while after is not None:
            page = await source.dump(kind, after, PAGE_ITEMS)
            after = page.after
            yield kind, page.items, Position(kind, after) if after is not None else _next(kind, kinds)


def _next(kind: ItemKind, kinds: Sequence[ItemKind]) -> Position:
    later = [one for one in kinds if one > kind]
    return Position(later[0]) if later else Position(kind, b"", True)
