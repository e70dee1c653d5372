"""A body becomes a segment: cut into stripes, a bounded number of them in flight, digests computed on the side.

While others wait for memory, a slow upload does not keep what it has: it ends its segment with a short stripe and goes on in
another one. So twenty slow clients cannot stop a gateway.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import pairwise

import msgspec

from dolmen.core.cluster_map import Pool
from dolmen.core.fragment import KEY_INLINE_BYTES_MAX
from dolmen.core.ids import StripeIds, stripe_of_run
from dolmen.core.layout import Missing, ObjectLayout, Run, Segment
from dolmen.core.process import new_buffer
from dolmen.gateway.metadata.records import RepairRow
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.stripe_write import (
    Abandoned,
    Placed,
    RunCursor,
    StripeWriter,
    WriteTarget,
)

STRIPES_IN_FLIGHT_MAX = 2  # of one upload: one being filled, one on its way; more gains nothing on one link
HASH_INLINE_BYTES_MAX = 256 * 1024  # below this a thread hop costs more than the hash
STRIPE_MEMORY_FACTOR = 1.5  # a stripe and its parity of 4+2 or 8+4; data fragments are views of the stripe

SLOW_FILL_SECONDS = 0.25  # a stripe that fills more slowly (8 MB/s) is given up when others wait
YIELD_BYTES_MIN = 128 * 1024  # of a stripe that is given up: below it the fragments would be mostly headers

_NO_BUFFER = memoryview(b"")


class Written(msgspec.Struct, frozen=True):
    """A body that is durable but not yet visible."""

    layout: ObjectLayout
    repairs: tuple[RepairRow, ...]
    garbage: ObjectLayout  # attempts that were given up


class SegmentWriter:
    """Writes one body; use once."""

    def __init__(
        self,
        writer: StripeWriter,
        ids: StripeIds,
        pool: Pool,
        budget: MemoryBudget,
        target: WriteTarget,
    ) -> None:
        self._writer = writer
        self._pool = pool
        self._budget = budget
        self._target = target
        self._cursor = RunCursor(ids)
        self._placed: dict[int, Placed] = {}
        self._abandoned: list[Abandoned] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._sent = 0
        self._fill_begun_seconds = 0.0
        self._ends: list[int] = []  # how many stripes were sent when a segment ended early

    async def write(
        self, body: AsyncIterator[memoryview], length: int | None, update: Callable[[memoryview], None]
    ) -> Written:
        """Store a body of ``length`` bytes (None: unknown) as one segment, or a few; feeding ``update`` with every byte in order.

        Raises what the body raises, or ``NotEnoughDisks``. On any error ``garbage()`` tells what was stored.
        """
        stripe_bytes = self._pool.stripe_bytes
        room = min(stripe_bytes, length) if length is not None else stripe_bytes
        hashing: asyncio.Future[None] | None = None
        try:
            buffer, filled = await self._new_buffer(room), 0
            try:
                async for piece in body:
                    while len(piece):
                        if filled == len(buffer) or self._must_yield(filled):
                            full, buffer, filled = buffer[:filled], _NO_BUFFER, 0  # given away: its room is freed with the stripe
                            if len(full) < stripe_bytes:
                                self._ends.append(self._sent + 1)
                            hashing = await self._flush(full, room, hashing, update)
                            del full  # or it would outlive its place in the budget until the next stripe is full
                            buffer = await self._new_buffer(room)
                        taken = min(len(buffer) - filled, len(piece))
                        buffer[filled : filled + taken] = piece[:taken]
                        filled += taken
                        piece = piece[taken:]
            except BaseException:
                if len(buffer):
                    self._budget.release(_cost(room))
                raise
            if filled:
                hashing = await self._flush(buffer[:filled], room, hashing, update)
            elif len(buffer):
                self._budget.release(_cost(room))
            if hashing is not None:
                await hashing
            if self._tasks:
                await asyncio.gather(*self._tasks)
        except BaseException:
            await self._settle(hashing)
            raise
        return self._result()

    async def _new_buffer(self, room: int) -> memoryview:
        if room == 0:
            return _NO_BUFFER
        await self._budget.acquire(_cost(room))
        self._fill_begun_seconds = asyncio.get_running_loop().time()
        return new_buffer(room)

    def _must_yield(self, filled: int) -> bool:
        """Whether this upload fills its stripe so slowly that others should have the memory."""
        if filled < YIELD_BYTES_MIN or not self._budget.waiting:
            return False
        return asyncio.get_running_loop().time() - self._fill_begun_seconds >= SLOW_FILL_SECONDS

    async def _flush(
        self,
        data: memoryview,
        room: int,
        hashing: asyncio.Future[None] | None,
        update: Callable[[memoryview], None],
    ) -> asyncio.Future[None] | None:
        """Start hashing and sending one stripe; waits only while too many are in flight."""
        try:
            if hashing is not None:
                await hashing
                hashing = None
            if len(data) <= HASH_INLINE_BYTES_MAX:
                update(data)
            else:
                hashing = asyncio.get_running_loop().run_in_executor(None, update, data)
            while len(self._tasks) >= STRIPES_IN_FLIGHT_MAX:
                await self._tasks[0]
                self._tasks.pop(0)
        except BaseException:
            await self._settle(hashing)
            self._budget.release(_cost(room))
            raise
        index = self._sent
        self._sent += 1
        if len(data) < self._pool.stripe_bytes and not self._tasks:
            try:  # the last (or only) stripe needs no task of its own
                await self._place(data, index)
            finally:
                self._release_after(room, hashing)
        else:
            task = asyncio.get_running_loop().create_task(self._place(data, index))
            task.add_done_callback(partial(self._placed_at_last, room, hashing))
            self._tasks.append(task)
        return hashing

    def _placed_at_last(self, room: int, hashing: asyncio.Future[None] | None, _: object) -> None:
        self._release_after(room, hashing)

    def _release_after(self, room: int, hashing: asyncio.Future[None] | None) -> None:
        """A stripe that is placed holds its memory until it is hashed too."""
        if hashing is None or hashing.done():
            self._budget.release(_cost(room))
        else:
            hashing.add_done_callback(lambda _: self._budget.release(_cost(room)))

    async def _place(self, data: memoryview, index: int) -> None:
        self._placed[index] = await self._writer.write(
            data, index, self._pool, self._target, self._cursor, self._abandoned
        )

    async def _settle(self, hashing: asyncio.Future[None] | None) -> None:
        """Before an error leaves: nothing of ours runs on, and what was placed is known."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hashing is not None:
            await asyncio.gather(hashing, return_exceptions=True)

    def _result(self) -> Written:
        ordered = [self._placed[index] for index in range(self._sent)]
        bounds = sorted({0, *self._ends, self._sent})
        layout = ObjectLayout(tuple(segment_of(ordered[first:end], self._pool) for first, end in pairwise(bounds)))
        repairs = tuple(
            RepairRow(placed.pg, stripe_of_run(placed.base, placed.ordinal), placed.missing)
            for placed in ordered
            if placed.missing
        )
        return Written(layout, repairs, garbage_of(self._abandoned, self._pool))

    def garbage(self) -> ObjectLayout:
        """Everything this writer may have stored: for the abort after an error."""
        placed = [Abandoned(p.pg, p.base, p.ordinal, p.length) for p in self._placed.values()]
        return garbage_of([*self._abandoned, *placed], self._pool)


def segment_of(ordered: Sequence[Placed], pool: Pool) -> Segment:
    """The segment that these stripes make, in order."""
    return Segment(
        length=sum(placed.length for placed in ordered),
        k=pool.k,
        m=pool.m,
        stripe_bytes=pool.stripe_bytes,
        min_fragment_bytes=pool.min_fragment_bytes,
        runs=_runs(ordered),
        digests=b"".join(placed.digest.to_bytes(4, "big") for placed in ordered),
        missing=tuple(Missing(index, placed.missing) for index, placed in enumerate(ordered) if placed.missing),
    )


def _cost(room: int) -> int:
    return int(room * STRIPE_MEMORY_FACTOR)


def _runs(ordered: Sequence[Placed]) -> tuple[Run, ...]:
    """Run-length code: consecutive ordinals of one base."""
    runs: list[Run] = []
    for placed in ordered:
        last = runs[-1] if runs else None
        if last is not None and last.base == placed.base and last.first + last.count == placed.ordinal:
            runs[-1] = Run(last.pg, last.base, last.first, last.count + 1)
        else:
            runs.append(Run(placed.pg, placed.base, placed.ordinal, 1))
    return tuple(runs)


def garbage_of(abandoned: Sequence[Abandoned], pool: Pool) -> ObjectLayout:
    """A layout that names these stripes, one segment each (they need not fit together)."""
    return ObjectLayout(
        tuple(
            Segment(
                length=entry.length,
                k=pool.k,
                m=pool.m,
                stripe_bytes=pool.stripe_bytes,
                min_fragment_bytes=pool.min_fragment_bytes,
                runs=(Run(entry.pg, entry.base, entry.ordinal, 1),),
                digests=bytes(4),
            )
            for entry in abandoned
        )
    )


def write_target(
    bucket_id: bytes, key: bytes, write_id: bytes, part_number: int = 0, description: bytes = b""
) -> WriteTarget:
    """The self-description that fragments of this upload carry."""
    return WriteTarget(
        bucket_id=bucket_id,
        key_hash=hashlib.sha256(key).digest()[:16],
        key=key if len(key) <= KEY_INLINE_BYTES_MAX else b"",
        write_id=write_id,
        part_number=part_number,
        description=description,
    )
