"""Whether lists tell what the truth is: every key of the wanted buckets, at a bounded rate; a scrub heals what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.comparing import readable
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import MetadataStore

PAGE_KEYS = 500  # judged between two looks at the rate
WRONG_TOLD = 100  # the rest is only counted
BUCKETS_PAGE = 1000


class WrongList(NamedTuple):
    """A key of which lists tell something else than the truth. ``what``: "missing", "extra", "differs"."""

    key: bytes
    what: str


class ListPage(NamedTuple):
    """``rows``: how many were judged. ``after``: for the next call; None: this was the last one."""

    rows: int
    wrong: Sequence[WrongList]
    after: bytes | None


class ListedStore(MetadataStore, Protocol):
    """A store whose lists can be judged."""

    async def judge_lists(self, bucket_id: bytes, after: bytes, limit: int) -> ListPage:
        """Compare list rows and truth of about ``limit`` keys, from ``after`` on (b"": from the beginning); all of them in the end.

        What is being changed is no difference.
        """
        ...

    async def heal_lists(self, bucket_id: bytes, keys: Sequence[bytes]) -> None:
        """Make the list rows of these keys anew from the truth."""
        ...


class WrongRow(msgspec.Struct, frozen=True):
    """One difference, for people."""

    bucket: str
    key: str | int
    what: str


class ListsChecked(msgspec.Struct, frozen=True, kw_only=True):
    """``healed``: how many of the wrong keys were made anew."""

    buckets: int
    rows: int
    wrong: int
    healed: int
    told: list[WrongRow]
    seconds: float


Show = Callable[[str, int, int], None]  # bucket, rows judged, wrong


async def check_lists(
    store: ListedStore, names: Sequence[str], clock: Clock, show: Show, *, heal: bool, rows_per_second: float
) -> ListsChecked:
    """Judge the buckets ``names`` (none: all). ``rows_per_second``: 0 for as fast as it goes.

    Raises ``ConfigError`` for a bucket that is not there.
    """
    started = clock.monotonic_seconds()
    buckets = [await _named(store, name) for name in names] or await _all(store)
    rows = wrong = healed = 0
    told: list[WrongRow] = []
    for bucket in buckets:
        after: bytes | None = b""
        while after is not None:
            page = await store.judge_lists(bucket.bucket_id, after, PAGE_KEYS)
            after = page.after
            rows += page.rows
            wrong += len(page.wrong)
            told += [WrongRow(bucket.name, readable(one.key), one.what) for one in page.wrong][: WRONG_TOLD - len(told)]
            if heal and page.wrong:
                await store.heal_lists(bucket.bucket_id, [one.key for one in page.wrong])
                healed += len(page.wrong)
            show(bucket.name, rows, wrong)
            if rows_per_second > 0:
                ahead_seconds = rows / rows_per_second - (clock.monotonic_seconds() - started)
                await asyncio.sleep(max(0.0, ahead_seconds))
    seconds = round(clock.monotonic_seconds() - started, 3)
    return ListsChecked(buckets=len(buckets), rows=rows, wrong=wrong, healed=healed, told=told, seconds=seconds)


async def _named(store: ListedStore, name: str) -> BucketRecord:
    found = await store.get_bucket(name)
    if found is None:
        raise ConfigError(f"there is no bucket {name}")
    return found


async def _all(store: ListedStore) -> list[BucketRecord]:
    found: list[BucketRecord] = []
    while True:
        page = await store.all_buckets(found[-1].name if found else "", BUCKETS_PAGE)
        found += page
        if len(page) < BUCKETS_PAGE:
            return found
