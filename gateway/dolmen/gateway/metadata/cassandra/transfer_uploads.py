"""Multipart uploads in Cassandra as items that are moved: see ``Transferable``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.settle import settle
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.cassandra.token_walk import TokenTable
from dolmen.gateway.metadata.cassandra.upload_rows import (
    COMPLETED,
    COMPLETING,
    IN_PROGRESS,
    Attempt,
    UploadRows,
    UploadState,
    encode_attempt,
    new_rev,
)
from dolmen.gateway.metadata.cassandra.uploads import Uploads
from dolmen.gateway.metadata.records import PartRecord, UploadRecord
from dolmen.gateway.metadata.store import MetadataUnavailable
from dolmen.gateway.metadata.transfer import Item, Page, PartItem, Place, UploadItem

LEFT_SECONDS = 60.0  # a completion that is under way for longer was left by its process: it is ended first
CHANGE_SECONDS = 30.0

_UPLOADS = TokenTable("upload_parts", ("upload_id",), (), "state")
_PARTS = TokenTable("upload_parts", ("upload_id",), ("part",), "state, record")
_OPEN = Statement("UPDATE upload_parts SET state = 0, upload = ? WHERE upload_id = ? IF state = ?", Kind.CAS)
_CLOSE = Statement(
    "UPDATE upload_parts SET state = 2, upload = ?, attempt = ?, completed = ?, completed_us = ? WHERE upload_id = ? IF state = ?",
    Kind.CAS,
)
_DROP_PARTS = Statement("DELETE FROM upload_parts WHERE upload_id = ?", Kind.CAS)
_SAME = Statement("UPDATE upload_parts SET state = 0 WHERE upload_id = ? IF state = 0", Kind.CAS)
_DROP_PART = Statement("DELETE FROM upload_parts WHERE upload_id = ? AND part = ?", Kind.CAS)

_encode = msgspec.msgpack.Encoder().encode
_decode_part = msgspec.msgpack.Decoder(PartRecord).decode


class UploadItems:
    """The items of kind UPLOAD."""

    def __init__(self, cql: Cql, uploads: Uploads, clock: Clock) -> None:
        self._cql = cql
        self._rows = UploadRows(cql)
        self._uploads = uploads
        self._clock = clock

    # ---- reading -------------------------------------------------------------------------------------------------

    async def dump(self, after: bytes, limit: int) -> Page:
        page = await _UPLOADS.page(self._cql, after, limit)
        found = await together(self._item(row[1]) for row in page.rows if row[2] in {IN_PROGRESS, COMPLETING, COMPLETED})
        return Page([item for item in found if item is not None], page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        found = await together(self._item(_text(place[2])) for place in places)
        wanted = set(places)
        return [item for item in found if item is not None and _place_of(item.upload) in wanted]

    async def _item(self, upload_id: str) -> UploadItem | None:
        found = await self._rows.state(upload_id)
        if found is not None and found.state == COMPLETING and self._is_left(found) and self._uploads.resolve is not None:
            await self._uploads.resolve(found)
            found = await self._rows.state(upload_id)
        if found is None:
            return None
        if found.state in {IN_PROGRESS, COMPLETING}:
            return UploadItem(found.upload)
        if found.state == COMPLETED:
            return UploadItem(msgspec.structs.replace(found.upload, completed=found.completed), found.completed_us)
        return None

    def _is_left(self, found: UploadState) -> bool:
        return self._clock.now_us() - found.attempt.at_us > LEFT_SECONDS * 1_000_000

    # ---- changing ------------------------------------------------------------------------------------------------

    async def load(self, items: Sequence[Item]) -> None:
        await together(self._load_upload(item) for item in items if isinstance(item, UploadItem))

    async def _load_upload(self, item: UploadItem) -> None:
        upload = item.upload
        upload_id = upload.upload_id
        if upload.completed is None:
            await self._rows.show(upload)
        else:
            await self._uploads.look_again(upload_id)  # so that it goes when nobody asks for it any more
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CHANGE_SECONDS
        for pause_seconds in pauses():
            held = await self._rows.state(upload_id)
            if (await settle(self._cql, _loading(item, None if held is None else held.state))).applied:
                break
            if loop.time() > deadline:
                raise MetadataUnavailable("an upload that is being loaded is changed by others again and again")
            await asyncio.sleep(pause_seconds)
        if upload.completed is not None:
            await self._rows.hide(upload)

    async def forget(self, places: Sequence[Place]) -> None:
        """With their parts."""
        await together(self._forget_upload(_text(place[2])) for place in places)

    async def _forget_upload(self, upload_id: str) -> None:
        held = await self._rows.state(upload_id)
        if held is not None:
            await self._rows.hide(held.upload)
            await self._rows.remove(upload_id, held.state)

class PartItems:
    """The items of kind PART: of uploads in progress."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql
        self._rows = UploadRows(cql)

    async def dump(self, after: bytes, limit: int) -> Page:
        page = await _PARTS.page(self._cql, after, limit)
        return Page([PartItem(row[1], _decode_part(row[4])) for row in page.rows if _is_part(row)], page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        found = await together(self._part(_text(upload_id), number) for upload_id, number in places)
        return [item for item in found if item is not None]

    async def _part(self, upload_id: str, number: bytes | str | int) -> PartItem | None:
        assert isinstance(number, int)
        state, rows = await self._rows.parts(upload_id, number - 1, 1)
        if not rows or rows[0].record.number != number or state not in {IN_PROGRESS, COMPLETING}:
            return None
        return PartItem(upload_id, rows[0].record)

    async def load(self, items: Sequence[Item]) -> None:
        await together(self._load_part(item) for item in items if isinstance(item, PartItem))

    async def _load_part(self, item: PartItem) -> None:
        """Of an upload that is not there there is nothing to load: it ended, or comes with all its parts when it is loaded."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CHANGE_SECONDS
        for pause_seconds in pauses():
            upload = await self._rows.state(item.upload_id)
            if upload is None or upload.state != IN_PROGRESS:
                return
            held = await self._rows.part(item.upload_id, item.part.number)
            if held is not None and held.record == item.part:
                return
            before = None if held is None else held.rev
            if await self._rows.put_part(item.upload_id, item.part, new_rev(), (), before):
                return
            if loop.time() > deadline:
                raise MetadataUnavailable("a part that is being loaded is changed by others again and again")
            await asyncio.sleep(pause_seconds)

    async def forget(self, places: Sequence[Place]) -> None:
        """Those of uploads that ended went with them."""
        await together(self._forget_part(_text(upload_id), number) for upload_id, number in places)

    async def _forget_part(self, upload_id: str, number: bytes | str | int) -> None:
        await settle(self._cql, [Bound(_SAME, (upload_id,)), Bound(_DROP_PART, (upload_id, number))])


def _loading(item: UploadItem, state: int | None) -> list[Bound]:
    upload, upload_id = item.upload, item.upload.upload_id
    if upload.completed is None:
        return [Bound(_OPEN, (_encode(upload), upload_id, state))]
    # Nothing is left of its parts, wherever it was completed: an attempt that names none makes no garbage.
    attempt = Attempt(b"", b"", None, item.completed_us, item.completed_us, (), upload.completed)
    stored = _encode(msgspec.structs.replace(upload, completed=None))
    values = stored, encode_attempt(attempt), _encode(upload.completed), item.completed_us, upload_id, state
    return [Bound(_CLOSE, values), Bound(_DROP_PARTS, (upload_id,))]


def _is_part(row: Row) -> bool:
    """Of (token, upload id, number, state, record)."""
    return row[2] is not None and bool(row[4]) and row[3] in {IN_PROGRESS, COMPLETING}


def _place_of(upload: UploadRecord) -> Place:
    return upload.bucket_id, upload.key, upload.upload_id


def _text(part: bytes | str | int) -> str:
    assert isinstance(part, str)
    return part
