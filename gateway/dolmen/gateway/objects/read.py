"""Reading: data fragments first, parity when one is slow, missing or wrong; right bytes or an error, never less.

A range touches only the fragments that hold it. Every block is checked against its CRC by the client, every fragment's
identity against the row, and a stripe that was read or decoded whole against the digest in the row. Trouble with data is
``DataUnavailable`` (503): never "no such key", never short, never wrong bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

import msgspec

from dolmen.core import erasure
from dolmen.core.checksums import crc32c, joined_crc
from dolmen.core.errors import Unavailable
from dolmen.core.fragment import BLOCK_BYTES
from dolmen.core.layout import ObjectLayout, Stripe, stripes
from dolmen.core.telemetry.log import get_logger
from dolmen.datanode.client import DatanodeClient, DatanodeError, Fragment, FragmentCorrupt, NotHere
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.memory import MemoryBudget

HEDGE_SECONDS = 1.0  # a data fragment slower than this is replaced by parity; about 100 healthy reads long
ROUND_PAUSES_SECONDS = (0.0, 0.1, 0.5)  # a datanode that restarts is back, and reconnected to, within this
FRUGAL_SPAN_BYTES = 256 * 1024  # of a download while memory is short: four blocks, and small for the budget
PREFETCH_STRIPES = 2  # of one download: one being sent, one on its way


class DataUnavailable(Unavailable):
    """Too few good fragments answer; the object exists (503, and an alert)."""


class Span(msgspec.Struct, frozen=True):
    """Bytes [start, end) of one stripe."""

    stripe: Stripe
    start: int
    end: int


def spans(layout: ObjectLayout, start: int, end: int) -> Iterator[Span]:
    """The pieces of stripes that make up bytes [start, end) of the object, in order."""
    offset = 0
    for segment in layout.segments:
        low, high = max(start - offset, 0), min(end - offset, segment.length)
        if low < high:
            first, last = low // segment.stripe_bytes, -(-high // segment.stripe_bytes)
            for stripe in stripes(segment, first, last):
                yield Span(
                    stripe,
                    max(low - stripe.offset, 0),
                    min(high - stripe.offset, stripe.length),
                )
        offset += segment.length
        if offset >= end:
            return


class FragmentRange(msgspec.Struct, frozen=True):
    """Bytes [offset, offset+length) of the data fragment in ``slot``."""

    slot: int
    offset: int
    length: int


def data_ranges(span: Span) -> list[FragmentRange]:
    """Which bytes of which data fragments a span needs."""
    size = span.stripe.fragment_bytes
    ranges = []
    for slot in range(span.start // size, -(-span.end // size)):
        low, high = max(span.start - slot * size, 0), min(span.end - slot * size, size)
        ranges.append(FragmentRange(slot, low, high - low))
    return ranges


class ObjectReader:
    """Reads ranges of objects; one for each gateway process."""

    def __init__(
        self,
        cluster: ClusterView,
        client: DatanodeClient,
        budget: MemoryBudget,
        damaged: Callable[[int, bytes, int], None] = lambda pg, stripe_id, slot: None,
    ) -> None:
        """``damaged`` is told group, stripe id and slot of a fragment that is lost or rotten although its disk answers."""
        self._cluster = cluster
        self._client = client
        self._budget = budget
        self._damaged = damaged
        self._log = get_logger("read")

    async def stream(self, layout: ObjectLayout, start: int, end: int) -> AsyncGenerator[list[memoryview], None]:
        """Bytes [start, end) as lists of slices, a stripe each or less. Raises ``DataUnavailable``.

        What was given out counts against the budget until the next is asked for: slow clients hold memory. While it is short,
        a download goes on in small steps and reads nothing ahead.
        """
        wanted = _Wanted(spans(layout, start, end))
        ahead: deque[tuple[asyncio.Future[list[memoryview]], int]] = deque()
        loop = asyncio.get_running_loop()
        try:
            while True:
                while len(ahead) < PREFETCH_STRIPES and (span := wanted.peek()) is not None:
                    cost = span.end - span.start
                    if not self._budget.try_acquire(cost):
                        if ahead:
                            break
                        span = wanted.narrow(FRUGAL_SPAN_BYTES)
                        cost = span.end - span.start
                        await self._budget.acquire(cost)
                    wanted.take()
                    if not ahead and wanted.peek() is None:  # the last piece needs no task of its own
                        try:
                            yield await self.read_span(span)
                        finally:
                            self._budget.release(cost)
                        return
                    ahead.append((loop.create_task(self.read_span(span)), cost))
                if not ahead:
                    return
                yield await ahead[0][0]
                self._budget.release(ahead.popleft()[1])  # nothing here refers to those bytes any more
        finally:
            for reading, cost in ahead:
                reading.cancel()
                self._budget.release(cost)
            await asyncio.gather(*(reading for reading, _ in ahead), return_exceptions=True)

    async def read_span(self, span: Span) -> list[memoryview]:
        """The bytes of one span, as slices in order. Raises ``DataUnavailable``."""
        ranges = data_ranges(span)
        waiting: dict[int, asyncio.Future[Fragment]] = {}
        for wanted in ranges:
            future = self._request(span.stripe, wanted.slot, wanted.offset, wanted.length)
            if future is None:
                break
            waiting[wanted.slot] = future
        if len(waiting) == len(ranges):
            if len(ranges) == 1:
                await _first_or_timeout(waiting[ranges[0].slot])
            else:
                await asyncio.wait(waiting.values(), timeout=HEDGE_SECONDS)
            got = {slot: self._checked(span.stripe, slot, future) for slot, future in waiting.items()}
            pieces = _slices(ranges, got)
            if pieces is not None and self._digest_holds(span, pieces, list(got.values())):
                return pieces
        return await self._degraded(span)

    def _request(self, stripe: Stripe, slot: int, offset: int, length: int) -> asyncio.Future[Fragment] | None:
        disk = self._cluster.disk_of(stripe.pg, slot)
        if disk is None or not self._cluster.is_up(disk.uuid):
            return None
        return self._client.get(disk, stripe.stripe_id, slot, offset, length)

    def _checked(self, stripe: Stripe, slot: int, future: asyncio.Future[Fragment]) -> Fragment | None:
        """The fragment when it came, and is the one the row means."""
        if not future.done():
            future.cancel()
            return None
        error = future.exception()
        if error is not None:
            self._note_failure(stripe, slot, error)
            return None
        fragment = future.result()
        meta = fragment.meta
        if (
            meta.stripe_id != stripe.stripe_id
            or meta.slot != slot
            or meta.narrow_k != stripe.narrow_k
            or meta.stripe_length != stripe.length
            or meta.stripe_digest != stripe.digest
            or fragment.fragment_length != stripe.fragment_bytes
        ):
            self._log.error("fragment is not the one the row names", pg=stripe.pg, slot=slot)
            self._damaged(stripe.pg, stripe.stripe_id, slot)
            return None
        return fragment

    def _note_failure(self, stripe: Stripe, slot: int, error: BaseException) -> None:
        if not isinstance(error, DatanodeError):
            raise error
        if isinstance(error, (NotHere, FragmentCorrupt)):
            self._log.warning(
                "fragment cannot be used", pg=stripe.pg, slot=slot, stripe=stripe.stripe_id.hex(), why=str(error)
            )
            self._damaged(stripe.pg, stripe.stripe_id, slot)
            return
        disk = self._cluster.disk_of(stripe.pg, slot)
        if disk is not None:
            self._cluster.punish(disk.uuid)

    def _digest_holds(self, span: Span, pieces: Sequence[memoryview], fragments: Sequence[Fragment | None]) -> bool:
        stripe = span.stripe
        if span.start != 0 or span.end != stripe.length:
            return True  # part of a stripe: its blocks were checked one by one
        if stripe.narrow_k * stripe.fragment_bytes == stripe.length:  # no padding: the CRCs of the blocks say it all
            digest = joined_crc((fragment.block_crcs, stripe.fragment_bytes) for fragment in fragments if fragment is not None)
        else:
            digest = 0
            for piece in pieces:
                digest = crc32c(piece, digest)
        if digest != span.stripe.digest:
            self._log.error("digest of a stripe does not hold", stripe=span.stripe.stripe_id.hex())
            return False
        return True

    async def _degraded(self, span: Span) -> list[memoryview]:
        """Collect any k' whole fragments and decode, in a few rounds: the later ones on a fresh map.

        They also ask disks in the penalty box: an answer late is better than none.
        """
        for round_number, pause_seconds in enumerate(ROUND_PAUSES_SECONDS):
            if round_number:
                await asyncio.sleep(pause_seconds)
                await self._cluster.refresh()
            fragments = await self._collect(span.stripe, ask_all=round_number > 0)
            if len(fragments) >= span.stripe.narrow_k:
                pieces = self._decode(span.stripe, fragments)
                if pieces is not None:
                    return _cut(pieces, span.start, span.end)
        raise DataUnavailable(f"stripe {span.stripe.stripe_id.hex()} has too few good fragments")

    async def _collect(self, stripe: Stripe, *, ask_all: bool) -> dict[int, Fragment]:
        """Whole fragments by slot; stops as soon as k' are good."""
        good: dict[int, Fragment] = {}
        waiting: dict[asyncio.Future[Fragment], int] = {}
        for slot in stripe.slots():
            disk = self._cluster.disk_of(stripe.pg, slot)
            if disk is not None and (ask_all or self._cluster.is_up(disk.uuid)):
                waiting[self._client.get(disk, stripe.stripe_id, slot)] = slot
        try:
            while waiting and len(good) < stripe.narrow_k:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    slot = waiting.pop(future)
                    fragment = self._checked(stripe, slot, future)
                    if fragment is not None:
                        good[slot] = fragment
        finally:
            for future in waiting:
                future.cancel()
        return good

    def _decode(self, stripe: Stripe, fragments: Mapping[int, Fragment]) -> list[memoryview] | None:
        """The stripe's bytes as slices, or None when their digest is wrong (k' fragments that do not belong together)."""
        payloads = {
            (slot if slot < stripe.narrow_k else stripe.narrow_k + slot - stripe.k): fragment.payload
            for slot, fragment in fragments.items()
        }
        parts = erasure.decode(payloads, stripe.narrow_k, stripe.m, stripe.length)
        pieces = _cut(list(parts), 0, stripe.length)
        digest = 0
        for piece in pieces:
            digest = crc32c(piece, digest)
        if digest != stripe.digest:
            self._log.error("decoded stripe has a wrong digest", stripe=stripe.stripe_id.hex())
            return None
        return pieces


async def _first_or_timeout(future: asyncio.Future[Fragment]) -> None:
    """Wait for one future without raising what it holds; a timer instead of a task."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(HEDGE_SECONDS, wake)
    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        future.remove_done_callback(wake)


def _slices(
    ranges: Sequence[FragmentRange], got: Mapping[int, Fragment | None]
) -> list[memoryview] | None:
    """The wanted bytes out of replies that were widened to whole blocks."""
    pieces = []
    for wanted in ranges:
        fragment = got[wanted.slot]
        if fragment is None:
            return None
        low = wanted.offset - fragment.first_block * BLOCK_BYTES
        piece = fragment.payload[low : low + wanted.length]
        if low < 0 or len(piece) != wanted.length:
            return None
        pieces.append(piece)
    return pieces


def _cut(pieces: Sequence[memoryview], start: int, end: int) -> list[memoryview]:
    """Bytes [start, end) of the concatenation of ``pieces``, without copying."""
    out = []
    offset = 0
    for piece in pieces:
        low, high = max(start - offset, 0), min(end - offset, len(piece))
        if low < high:
            out.append(piece[low:high])
        offset += len(piece)
    return out


class _Wanted:
    """The spans of a download that are still to be read; the next one may be cut short."""

    def __init__(self, rest: Iterator[Span]) -> None:
        self._rest = rest
        self._next = next(rest, None)
        self._after: Span | None = None

    def peek(self) -> Span | None:
        return self._next

    def narrow(self, bytes_max: int) -> Span:
        """The next span, cut to ``bytes_max``; what is cut off comes after it."""
        span = self._next
        assert span is not None
        if span.end - span.start > bytes_max:
            self._after = Span(span.stripe, span.start + bytes_max, span.end)
            self._next = span = Span(span.stripe, span.start, span.start + bytes_max)
        return span

    def take(self) -> None:
        self._next, self._after = (next(self._rest, None) if self._after is None else self._after), None
