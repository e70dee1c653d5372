"""One stripe, made durable: encode, send to a group, count, place elsewhere when a disk fails.

All n fragments durable is the rule. A disk that fails makes the stripe start again on another whole group, from the
bytes still in memory and under a fresh id. Only when no whole group is left, k' + ceil(m/2) durable fragments are enough:
the missing slots go into the row and into a durable repair row (design.md section 3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from dolmen.core import erasure
from dolmen.core.checksums import block_crcs, crc32c, joined_crc
from dolmen.core.cluster_map import Group, Pool
from dolmen.core.errors import Unavailable
from dolmen.core.fragment import FragmentMeta
from dolmen.core.ids import StripeIds, stripe_of_run
from dolmen.core.layout import narrow_k, slots_in_use
from dolmen.core.wire import PutReply
from dolmen.datanode.client import DatanodeClient, DatanodeError
from dolmen.gateway.objects.cluster import ClusterView, durable_min

ATTEMPTS_MAX = 4  # groups tried for one stripe before the client gets a 503
# No fragment of a stripe was answered for so long: those still missing count as failed. A process that is gone is noticed
# sooner (ClientLimits.progress_seconds); this is for one stuck disk. A datanode queues 64 MiB at most for a disk: one that
# needs longer for that (13 MB/s) is too slow to wait for.
STALL_SECONDS = 5.0


class NotEnoughDisks(Unavailable):
    """No group has enough disks up to keep the promise of the scheme."""


class WriteTarget(msgspec.Struct, frozen=True):
    """What every fragment of an upload says about its object."""

    bucket_id: bytes
    key_hash: bytes
    key: bytes
    write_id: bytes
    part_number: int
    description: bytes = b""  # of the object; in the first stripe's fragments only


class Placed(msgspec.Struct, frozen=True):
    """A durable stripe: its place in a run, and what is missing of it."""

    pg: int
    base: bytes
    ordinal: int
    length: int
    digest: int
    narrow_k: int
    missing: tuple[int, ...] = ()


class Abandoned(msgspec.Struct, frozen=True):
    """An attempt that was given up: whatever landed of it is garbage."""

    pg: int
    base: bytes
    ordinal: int
    length: int


class RunCursor:
    """Hands out (group, base, ordinal) so that consecutive stripes of one upload form long runs."""

    def __init__(self, ids: StripeIds) -> None:
        self._ids = ids
        self._pg = -1
        self._base = b""
        self._next = 0

    @property
    def pg(self) -> int:
        return self._pg

    def take(self, pg: int) -> tuple[bytes, int]:
        """The next id in group ``pg``; a new run when the group changed."""
        if pg != self._pg:
            self._pg, self._base, self._next = pg, self._ids.new_run(), 0
        ordinal = self._next
        self._next += 1
        return self._base, ordinal

    def restart(self) -> None:
        """The next stripe begins a new run, wherever it goes."""
        self._pg = -1


class StripeWriter:
    """Writes stripes through the datanode client; one for each gateway process."""

    def __init__(self, cluster: ClusterView, client: DatanodeClient, stall_seconds: float = STALL_SECONDS) -> None:
        self._cluster = cluster
        self._client = client
        self._stall_seconds = stall_seconds

    def _choose(self, cursor: RunCursor, k_used: int, pool: Pool, tried: set[int]) -> tuple[Group, tuple[int, ...]]:
        if cursor.pg >= 0 and not tried and not self._cluster.any_penalty:
            group = self._cluster.group(cursor.pg)
            if group is not None:
                return group, slots_in_use(min(k_used, group.k), group.k, group.m)
        chosen = self._cluster.pick(k_used, (pool.k, pool.m), tried)
        if chosen is None:
            raise NotEnoughDisks("no placement group has enough disks up")
        return chosen

    async def write(
        self,
        data: memoryview,
        ordinal_in_segment: int,
        pool: Pool,
        target: WriteTarget,
        cursor: RunCursor,
        abandoned: list[Abandoned],
    ) -> Placed:
        """Make ``data`` (one stripe) durable. Raises ``NotEnoughDisks``.

        Attempts that were given up are appended to ``abandoned``: the caller notes them as garbage.
        """
        k_used = narrow_k(len(data), pool.k, pool.min_fragment_bytes)
        digest = -1
        fragments: list[memoryview] | None = None
        crcs: list[tuple[int, ...]] = []
        parity = -1
        tried: set[int] = set()
        for _ in range(ATTEMPTS_MAX):
            group, slots = self._choose(cursor, k_used, pool, tried)
            if fragments is None or parity != group.m:
                parity = group.m
                fragments = erasure.encode(data, k_used, parity)
                crcs = [block_crcs(fragment) for fragment in fragments]
                digest = stripe_digest(data, fragments, crcs, k_used)
            base, ordinal = cursor.take(group.pg)
            meta = FragmentMeta(
                stripe_id=stripe_of_run(base, ordinal),
                pg=group.pg,
                slot=0,
                k=group.k,
                m=group.m,
                narrow_k=k_used,
                stripe_length=len(data),
                stripe_ordinal=ordinal_in_segment,
                stripe_digest=digest,
                bucket_id=target.bucket_id,
                key_hash=target.key_hash,
                key=target.key,
                part_number=target.part_number,
                write_id=target.write_id,
                description=b"" if ordinal_in_segment else target.description,
            )
            try:
                durable = await self._send(group, slots, meta, fragments, crcs)
            except BaseException:
                abandoned.append(Abandoned(group.pg, base, ordinal, len(data)))
                raise
            wanted = slots_in_use(k_used, group.k, group.m)
            if len(durable) == len(wanted):
                return Placed(group.pg, base, ordinal, len(data), digest, k_used)
            tried.add(group.pg)
            if len(durable) >= durable_min(k_used, group.m) and not self._whole_group_left(k_used, pool, tried):
                missing = tuple(slot for slot in wanted if slot not in durable)
                return Placed(group.pg, base, ordinal, len(data), digest, k_used, missing)
            abandoned.append(Abandoned(group.pg, base, ordinal, len(data)))
            cursor.restart()
        raise NotEnoughDisks(f"no group took the stripe in {ATTEMPTS_MAX} attempts")

    def _whole_group_left(self, k_used: int, pool: Pool, tried: set[int]) -> bool:
        chosen = self._cluster.pick(k_used, (pool.k, pool.m), tried)
        if chosen is None:
            return False
        group, up = chosen
        return len(up) == len(slots_in_use(k_used, group.k, group.m))

    async def _send(
        self,
        group: Group,
        slots: Sequence[int],
        meta: FragmentMeta,
        fragments: Sequence[memoryview],
        crcs: Sequence[tuple[int, ...]],
    ) -> set[int]:
        """Send to the slots given; returns those whose datanode answered that the fragment is durable."""
        waiting: dict[int, asyncio.Future[PutReply]] = {}
        for slot in slots:
            disk = self._cluster.disk_of(group.pg, slot)
            if disk is None:
                continue
            index = slot if slot < meta.narrow_k else meta.narrow_k + slot - group.k
            own = msgspec.structs.replace(meta, slot=slot)
            waiting[slot] = self._client.put(disk, own, fragments[index], crcs[index])
        await all_done(list(waiting.values()), self._stall_seconds)
        durable: set[int] = set()
        for slot, future in waiting.items():
            uuid = group.slots[slot]
            if not future.done():  # stalled; it may land yet, which harms nothing: garbage, or the repair finds it done
                self._cluster.punish(uuid)
                continue
            error = future.exception()
            if error is None:
                durable.add(slot)
                if self._cluster.any_penalty:
                    self._cluster.absolve(uuid)
            elif isinstance(error, DatanodeError):
                self._cluster.punish(uuid)
            else:
                raise error
        return durable


def stripe_digest(
    data: memoryview, fragments: Sequence[memoryview], crcs: Sequence[tuple[int, ...]], k_used: int
) -> int:
    """CRC32C of ``data``: joined from the CRCs of its fragments' blocks when no padding is among them."""
    if len(fragments[0]) * k_used != len(data):
        return crc32c(data)
    return joined_crc((blocks, len(fragments[0])) for blocks in crcs[:k_used])


class _AllDone:
    """Counts the futures of one stripe; see ``all_done``."""

    __slots__ = ("_last", "_left", "_loop", "_stall_seconds", "_timer", "done")

    def __init__(self, futures: Sequence[asyncio.Future[PutReply]], stall_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._stall_seconds = stall_seconds
        self._left = len(futures)
        self._last = self._loop.time()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._timer = self._loop.call_later(stall_seconds, self._check)
        for future in futures:
            future.add_done_callback(self._one_done)

    def _one_done(self, future: asyncio.Future[PutReply]) -> None:
        self._left -= 1
        self._last = self._loop.time()
        if not future.cancelled():
            future.exception()  # seen: asyncio must not report it again
        if self._left == 0:
            self._finish()

    def _check(self) -> None:
        idle_seconds = self._loop.time() - self._last
        if idle_seconds < self._stall_seconds:
            self._timer = self._loop.call_later(self._stall_seconds - idle_seconds, self._check)
        else:
            self._finish()

    def _finish(self) -> None:
        self._timer.cancel()
        if not self.done.done():
            self.done.set_result(None)

    def cancel(self) -> None:
        self._timer.cancel()


async def all_done(futures: Sequence[asyncio.Future[PutReply]], stall_seconds: float) -> None:
    """Wait until every future is done, whatever came of it, or none of them was for ``stall_seconds``.

    One wake-up, no task for each. Neither a stall nor a cancellation cancels the requests: a fragment that lands later is
    garbage that the caller notes. Their buffers stay alive as long as the client holds them.
    """
    if not futures:
        return
    waiting = _AllDone(futures, stall_seconds)
    try:
        await waiting.done
    finally:
        waiting.cancel()
