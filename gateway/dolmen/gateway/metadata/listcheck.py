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

PAGE_KEYS = 500  # judged between two looks at the rate
WRONG_TOLD = 100  # the rest is only counted
BUCKETS_PAGE = 1000


class WrongList(NamedTuple):
    """A key of which lists tell something else than the truth. ``what``: "missing", "extra", "differs"."""

    bucket_id: bytes
    key: bytes
    what: str


class ListPage(NamedTuple):
    """``keys``: how many were judged. ``after``: for the next call; None: this was the last one."""

    keys: int
    wrong: Sequence[WrongList]
    after: bytes | None


class ListedStore(Protocol):
    """A store whose lists can be judged."""

    async def get_bucket(self, name: str) -> BucketRecord | None:
        """As in the port."""
        ...

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        """As in the port."""
        ...

    async def judge_lists(self, buckets: Sequence[bytes], after: bytes, limit: int) -> ListPage:
        """Compare list rows and truth of about ``limit`` keys of the buckets with these ids, behind ``after`` (b"": the first).

        In the end every key was judged that either of both has, some perhaps twice. What is being changed is no difference.
        """
        ...

    async def heal_lists(self, bucket_id: bytes, keys: Sequence[bytes]) -> int:
        """Make the list rows of these keys anew from the truth. How many are right afterwards."""
        ...


class WrongRow(msgspec.Struct, frozen=True):
    """One difference, for people."""

    bucket: str
    key: str | int
    what: str


class ListsChecked(msgspec.Struct, frozen=True, kw_only=True):
    """``keys``: how many were judged, some twice perhaps. ``healed``: how many of the wrong ones were made anew."""

    buckets: int
    keys: int
    wrong: int
    healed: int
    told: list[WrongRow]
    seconds: float


Show = Callable[[int, int], None]  # keys judged, wrong


async def check_lists(
    store: ListedStore, names: Sequence[str], clock: Clock, show: Show, *, heal: bool, keys_per_second: float
) -> ListsChecked:
    """Judge the buckets ``names`` (none: all). ``keys_per_second``: 0 for as fast as it goes.

    Raises ``ConfigError`` for a bucket that is not there.
    """
    started = clock.monotonic_seconds()
    buckets = {one.bucket_id: one.name for one in [await _named(store, name) for name in names] or await _all(store)}
    keys = healed = 0
    wrong: set[tuple[bytes, bytes]] = set()
    told: list[WrongRow] = []
    after: bytes | None = b"" if buckets else None
    while after is not None:
        page = await store.judge_lists(sorted(buckets), after, PAGE_KEYS)
        after = page.after
        keys += page.keys
        fresh = [one for one in page.wrong if (one.bucket_id, one.key) not in wrong]
        wrong.update((one.bucket_id, one.key) for one in fresh)
        told += [WrongRow(buckets[one.bucket_id], readable(one.key), one.what) for one in fresh][: WRONG_TOLD - len(told)]
        if heal:
            for one in fresh:
                healed += await store.heal_lists(one.bucket_id, [one.key])
        show(keys, len(wrong))
        if keys_per_second > 0 and after is not None:
            ahead_seconds = keys / keys_per_second - (clock.monotonic_seconds() - started)
            await asyncio.sleep(max(0.0, ahead_seconds))
    seconds = round(clock.monotonic_seconds() - started, 3)
    return ListsChecked(buckets=len(buckets), keys=keys, wrong=len(wrong), healed=healed, told=told, seconds=seconds)


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
