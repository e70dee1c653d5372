"""The embedded store with all that is in it open to be moved: see ``Transferable``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from dolmen.gateway.metadata.decide import current_of
from dolmen.gateway.metadata.embedded.contents import CONTENTS, read_item
from dolmen.gateway.metadata.embedded.database import Execute, translated
from dolmen.gateway.metadata.embedded.objects import head
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.embedded.writer import Transaction
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import decode_row, encode, list_row, rest_of, slot_of
from dolmen.gateway.metadata.transfer import (
    BucketItem,
    DocumentItem,
    EventItem,
    GarbageItem,
    Item,
    ItemKind,
    MapItem,
    Page,
    PartItem,
    Place,
    RepairItem,
    SpaceItem,
    UploadItem,
    VersionItem,
    kind_of,
    place_of,
)

_decode_place = msgspec.msgpack.Decoder(tuple).decode  # the format itself tells bytes from text


class EmbeddedTransfer(EmbeddedStore):
    """See ``Transferable``; it is the whole store too."""

    async def dump(self, kind: ItemKind, after: bytes, limit: int) -> Page:
        """In the order of the keys of its tables."""
        with translated(), self._reader:  # the two queries about versions see the same
            items = list(_dump(self._read, kind, _decode_place(after) if after else None, limit))
        return Page(items, encode(place_of(items[-1])) if len(items) == limit else None)

    async def fetch(self, kind: ItemKind, places: Sequence[Place]) -> list[Item]:
        contents = CONTENTS[kind]
        found: list[Item] = []
        with translated():
            for place in places:
                rows = self._read(contents.exact, place).fetchall()
                found += [read_item(kind, row) for row in rows]
        return found

    async def slots(self, bucket_id: bytes, key: bytes) -> list[int]:
        with translated():
            rows = self._read("SELECT slot FROM versions WHERE bucket_id = ? AND key = ?", (bucket_id, key)).fetchall()
        return [slot for (slot,) in rows]

    async def load(self, items: Sequence[Item]) -> None:
        def run(transaction: Transaction) -> None:
            for item in items:
                _put(transaction.execute, item)
            _list_again(transaction.execute, [place_of(item) for item in items if kind_of(item) is ItemKind.VERSION])

        if items:
            await self._writer.submit(run)

    async def forget(self, kind: ItemKind, places: Sequence[Place]) -> None:
        def run(transaction: Transaction) -> None:
            for place in places:
                if kind is ItemKind.VERSION:
                    _count_change(transaction.execute, place, None)
                for statement in CONTENTS[kind].drop:
                    transaction.execute(statement, place)
            if kind is ItemKind.VERSION:
                _list_again(transaction.execute, places)

        if places:
            await self._writer.submit(run)

    async def count(self, kind: ItemKind) -> int:
        return await self._count(CONTENTS[kind].how_many)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read within is as it was at one instant. The log of writes grows meanwhile, others wait for nothing."""
        with translated():
            self._read("BEGIN").fetchall()
            self._read("SELECT 1 FROM buckets LIMIT 1").fetchall()  # the instant is that of the first read
        try:
            yield
        finally:
            with translated():
                self._read("ROLLBACK").fetchall()


def _dump(execute: Execute, kind: ItemKind, after: Place | None, limit: int) -> Iterator[Item]:
    contents = CONTENTS[kind]
    if after is None:
        rows = execute(contents.first, (limit,)).fetchall()
    elif kind is ItemKind.VERSION:  # slots descend within a key, so places do not compare as a whole
        rows = execute(contents.rest_of_key, (*after, limit)).fetchall()
        if len(rows) < limit:
            rows += execute(contents.following, (*after[:2], limit - len(rows))).fetchall()
    else:
        rows = execute(contents.following, (*after, limit)).fetchall()
    return (read_item(kind, row) for row in rows)


def _put(execute: Execute, item: Item) -> None:  # noqa: C901 - one case for each kind
    """Over whatever has its place."""
    match item:
        case VersionItem(bucket_id, record):
            _count_change(execute, (bucket_id, record.key, slot_of(record)), list_row(record))
            row = bucket_id, record.key, slot_of(record), record.seq, encode(list_row(record)), rest_of(record)
            execute("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?)", row)
        case PartItem(upload_id, part):
            execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (upload_id, part.number, encode(part)))
        case UploadItem(upload, completed_us):
            place = upload.bucket_id, upload.key, upload.upload_id
            for statement in CONTENTS[ItemKind.UPLOAD].drop:
                execute(statement, place)
            if upload.completed is None:
                execute("INSERT INTO uploads VALUES (?, ?, ?, ?)", (*place, encode(upload)))
            else:
                execute("INSERT INTO completions VALUES (?, ?, ?, ?, ?)", (*place, completed_us, encode(upload)))
        case GarbageItem(note):
            execute("INSERT OR REPLACE INTO garbage VALUES (?, ?, ?)", (note.note_id, note.due_us, encode(note.layout)))
        case EventItem(event):
            execute("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", (event.event_id, event.due_us, encode(event)))
        case RepairItem(repair):
            execute("INSERT OR REPLACE INTO repairs VALUES (?, ?)", (repair.stripe_id, encode(repair)))
        case MapItem(epoch, raw):
            execute("INSERT OR REPLACE INTO cluster_map VALUES (1, ?, ?)", (epoch, raw))
        case SpaceItem(space, rev):
            execute("INSERT OR REPLACE INTO spaces VALUES (?, ?)", (space, rev))
        case DocumentItem(one):
            execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", (one.space, one.kind, one.name, one.rev, one.raw))
        case BucketItem(bucket):
            values = bucket.name, bucket.bucket_id, bucket.owner, bucket.rev, bucket.versioning, encode(bucket)
            execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?)", values)


def _count_change(execute: Execute, place: Place, after: ListRow | None) -> None:
    """The usage of a bucket follows: ``after`` is about to be what has the place of a version."""
    found = execute("SELECT row FROM versions WHERE (bucket_id, key, slot) = (?, ?, ?)", place).fetchall()
    before = decode_row(found[0][0]) if found else None
    objects = _is_object(after) - _is_object(before)
    size_bytes = (after.size if after is not None else 0) - (before.size if before is not None else 0)
    if objects or size_bytes:
        execute(
            "INSERT INTO usage VALUES (?1, ?2, ?3) "
            "ON CONFLICT (bucket_id) DO UPDATE SET objects = objects + ?2, bytes = bytes + ?3",
            (place[0], objects, size_bytes),
        )
        execute("DELETE FROM usage WHERE bucket_id = ? AND objects = 0", place[:1])  # perhaps of a bucket that is gone


def _is_object(row: ListRow | None) -> bool:
    return row is not None and not row.is_delete_marker


def _list_again(execute: Execute, places: Sequence[Place]) -> None:
    """Make the list rows of the keys from their versions."""
    for bucket_id, key in dict.fromkeys(place[:2] for place in places):
        assert isinstance(bucket_id, bytes)
        assert isinstance(key, bytes)
        list_again(execute, bucket_id, key)


def list_again(execute: Execute, bucket_id: bytes, key: bytes) -> None:
    """Make the list row of a key from its versions."""
    current = current_of(head(execute, bucket_id, key))
    if current is None or current.is_delete_marker:
        execute("DELETE FROM listing WHERE bucket_id = ? AND key = ?", (bucket_id, key))
    else:
        execute("INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", (bucket_id, key, encode(list_row(current))))
