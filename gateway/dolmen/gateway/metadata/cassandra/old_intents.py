"""Intents that stand for long: lists that meet them bring the list rows of their keys up to date in passing.

The intent itself stays: only a sweeper knows whether its writer lives. But an intent expires after a day, and rows that nobody
made anew until then would be wrong for good where no sweeper runs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.cassandra.listing import Listing

OLD_SECONDS = 60  # far more than a follow-up needs whose writer lives
AGAIN_SECONDS = 60.0  # the same key is not made anew more often by this process
KEYS_AT_ONCE = 4  # for one list, which waits for them: some statements each, side by side
KEYS_MAX = 1024  # remembered as done: 1 MB with the longest keys


class OldIntents:
    """Makes list rows anew for lists."""

    def __init__(self, listing: Listing, clock: Clock) -> None:
        self._listing = listing
        self._clock = clock
        self._done: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()  # when; oldest first

    async def bring_up_to_date(self, bucket_id: bytes, begun_us: Mapping[bytes, int]) -> None:
        """``begun_us`` by key. Does a few of the old ones, and leaves what fails to others."""
        old_us = self._clock.now_us() - OLD_SECONDS * 1_000_000
        again_seconds = self._clock.monotonic_seconds() - AGAIN_SECONDS
        keys: list[bytes] = []
        for key, since_us in begun_us.items():
            if len(keys) < KEYS_AT_ONCE and since_us < old_us and self._done.get((bucket_id, key), again_seconds) <= again_seconds:
                keys.append(key)
        if keys:
            await asyncio.gather(*(self._make_anew(bucket_id, key) for key in keys))

    async def _make_anew(self, bucket_id: bytes, key: bytes) -> None:
        self._done[bucket_id, key] = self._clock.monotonic_seconds()
        self._done.move_to_end((bucket_id, key))
        if len(self._done) > KEYS_MAX:
            self._done.popitem(last=False)
        try:
            await self._listing.reindex(bucket_id, key)
        except DolmenError:
            pass  # the list reads the truth for this key, whatever its rows are
