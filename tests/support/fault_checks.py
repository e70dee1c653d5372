"""What must hold of a Cassandra store when nobody changes it any more, looked at past the store's own caches and processes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from cassandra_keyspaces import cql_session
from fault_gateways import Gateways
from history import History, ListPage, Operation

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.queues import REGISTER
from dolmen.gateway.metadata.cassandra.tool import opened_tool
from dolmen.gateway.metadata.listcheck import check_lists

QUIET_SECONDS = 240.0  # until every unknown outcome is settled, every dead process swept up after, and every split ended
TELL_EVERY = 15  # looks
LOOK_SECONDS = 1.0
READER = -1  # "client" of the reads at the end
READS_AT_ONCE = 16
PAGE_ROWS = 1000

_decode_layout = msgspec.msgpack.Decoder(ObjectLayout).decode


async def until_quiet(gateways: Gateways, contact_points: list[str], keyspace: str, bucket_id: bytes) -> None:
    """Wait until nothing is left to do: no unknown outcome, no intent, no process that died."""
    deadline = time.monotonic() + QUIET_SECONDS
    for look in itertools.count():
        unsettled = [await gateway.call("unsettled") for gateway in gateways.all]
        for gateway in gateways.all:
            await gateway.call("idle")
        swept = await gateways.all[0].call("upkeep")
        left = await asyncio.to_thread(intents, contact_points, keyspace, bucket_id)
        if not any(unsettled) and swept == 0 and not left:
            return
        told = f"unsettled {unsettled}, swept {swept}, intents {left[:10]} of {len(left)}"
        assert time.monotonic() < deadline, told
        if look % TELL_EVERY == TELL_EVERY - 1:
            print("not quiet yet:", told)
        await asyncio.sleep(LOOK_SECONDS)


def intents(contact_points: list[str], keyspace: str, bucket_id: bytes) -> list[Any]:
    """Every intent of the bucket that stands anywhere: (bucket, shard, sub, key, worker)."""
    with cql_session(contact_points) as session:
        rows = session.execute(f"SELECT bucket_id, shard_id, sub, key, worker FROM {keyspace}.listing_intents")
        return [row for row in rows if row.key is not None and row.bucket_id == bucket_id]


async def read_everything(gateways: Gateways, history: History, keys: list[bytes]) -> dict[bytes, str]:
    """Every key and the whole list through every gateway, into the history; what is there, by key."""
    there: dict[bytes, str] = {}

    async def read(key: bytes) -> None:
        begun = time.monotonic_ns()
        told = await gateways.get(key)
        assert told.outcome in ("ok", "missing"), told
        history.operations.append(Operation(READER, "get", key, begun, time.monotonic_ns(), told.outcome, told.value))
        if told.value is not None:
            there[key] = told.value

    for at in range(0, len(keys), READS_AT_ONCE):
        await asyncio.gather(*map(read, keys[at : at + READS_AT_ONCE]))
    for gateway in gateways.all:
        rows: list[tuple[bytes, str]] = []
        after, more = b"", True
        while more:
            begun = time.monotonic_ns()
            found, end = await gateway.call("list", b"", after, PAGE_ROWS)
            page = tuple((key, etag) for key, etag in found)
            start = after + b"\0" if after else b""
            history.pages.append(ListPage(READER, begun, time.monotonic_ns(), start, end, page))
            rows += page
            more, after = end is not None, page[-1][0] if page else b""
        assert dict(rows) == there
    return there


async def wrong_lists(url: str, bucket: str) -> list[Any]:
    """List rows, in the partitions that the map names, against the truth, as ``dolmen metadata check`` compares them."""
    clock = SystemClock()
    async with opened_tool(parse_address(url), clock) as tool:
        checked = await check_lists(tool, [bucket], clock, lambda _keys, _wrong: None, heal=False, keys_per_second=0)
    assert checked.keys > 0
    return list(checked.told)


def garbage(contact_points: list[str], keyspace: str) -> Counter[str]:
    """How many notes there are of the data of each write, by its ETag (``fault_worker.layout_named``)."""
    with cql_session(contact_points) as session:
        found = session.execute(f"SELECT queue, slice, id, body FROM {keyspace}.queue_entries")
        rows = [row for row in found if row.queue == "garbage"]
    registered = {int.from_bytes(row.id, "big") for row in rows if row.slice == REGISTER}
    entries = [row for row in rows if row.slice != REGISTER]
    assert {row.slice for row in entries} <= registered, "notes that nobody would ever find"
    layouts = [_decode_layout(row.body) for row in entries]
    return Counter(run.base.hex() for layout in layouts for segment in layout.segments for run in segment.runs)


def wrong_garbage(history: History, there: dict[bytes, str], notes: Counter[str]) -> list[str]:
    """Data that is garbage although an object has it, or that is garbage twice, or that was replaced and is not garbage."""
    wrong = [f"{etag} of {key!r} is garbage, and there" for key, etag in there.items() if notes[etag]]
    wrong += [f"{etag} is garbage {count} times" for etag, count in notes.items() if count > 1]
    seen = {operation.value for operation in history.operations if operation.outcome == "ok" and operation.value}
    seen |= {etag for page in history.pages for _, etag in page.rows}  # an unknown write that somebody saw has been
    for operation in history.operations:
        applied = operation.kind == "put" and operation.outcome in ("ok", "unknown") and operation.value in seen
        if applied and there.get(operation.key) != operation.value and not notes[operation.value or ""]:
            wrong.append(f"{operation.value} of {operation.key!r} was replaced, and is no garbage: {operation}")
    return wrong


async def until(true: Callable[[], bool], seconds: float) -> None:
    """Raises when it does not come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
