"""Stripes become writes: the body of one upload attempt, with the layout that its row has. Pure.

A write is whole when every ordinal from 0 on is there with enough good fragments and the bytes are as many as were to come.
Where that number was not known beforehand (forms), a body that a crash cut off between two stripes passes for a shorter one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from dolmen.core.cluster_map import Pool
from dolmen.core.ids import RUN_STRIPES_MAX, run_base, stripe_time_us
from dolmen.core.layout import ObjectLayout, narrow_k, stripes
from dolmen.gateway.maintenance.rebuild.fragments import SeenStripe
from dolmen.gateway.metadata.records import RepairRow
from dolmen.gateway.objects.description import UNKNOWN_LENGTH, ObjectFacts, WriteDescription, decode_description
from dolmen.gateway.objects.segment_write import segment_of
from dolmen.gateway.objects.stripe_write import Placed

PoolOf = Callable[[int, int], Pool | None]  # by k and m: how stripes are cut today


class Write(msgspec.Struct, frozen=True, array_like=True):
    """One body. ``layout`` is empty unless it is whole."""

    bucket_id: bytes
    key_hash: bytes
    key: bytes  # empty when nothing tells it
    write_id: bytes
    part_number: int
    time_us: int  # when its last run of stripes was begun
    bases: tuple[bytes, ...]  # of all runs that stripes of it were seen in
    first_stripe: bytes  # of the layout
    layout: ObjectLayout
    description: WriteDescription | None
    problem: str  # why it cannot be used; empty when it can
    is_garbage: bool  # everything of it is noted as garbage
    lacking: tuple[RepairRow, ...]  # fragments of the layout that no disk has

    @property
    def is_whole(self) -> bool:
        return bool(self.layout.segments)

    @property
    def facts(self) -> ObjectFacts:
        """Of a write that has no problem."""
        assert self.description is not None
        return self.description.facts


class GarbageRuns:
    """The stripes that garbage notes name, by run."""

    def __init__(self) -> None:
        self._runs: dict[bytes, list[tuple[int, int]]] = {}

    def add(self, layout: ObjectLayout) -> None:
        for segment in layout.segments:
            for run in segment.runs:
                self._runs.setdefault(run.base, []).append((run.first, run.first + run.count))

    def __contains__(self, stripe_id: bytes) -> bool:
        found = self._runs.get(run_base(stripe_id)) if self._runs else None
        if not found:
            return False
        ordinal = ordinal_in_run(stripe_id)
        return any(first <= ordinal < end for first, end in found)


def ordinal_in_run(stripe_id: bytes) -> int:
    """Where a stripe stands in its run."""
    return int.from_bytes(stripe_id, "big") % RUN_STRIPES_MAX


def writes_of(
    seen: Iterable[SeenStripe], pool_of: PoolOf, garbage: Collection[bytes] | GarbageRuns = ()
) -> Iterator[Write]:
    """Every write of a stream of stripes in the order of ``write_key``."""
    together: list[SeenStripe] = []
    for stripe in seen:
        if together and not together[0].same_write(stripe):
            yield put_together(together, pool_of, garbage)
            together = []
        together.append(stripe)
    if together:
        yield put_together(together, pool_of, garbage)


def put_together(seen: Sequence[SeenStripe], pool_of: PoolOf, garbage: Collection[bytes] | GarbageRuns = ()) -> Write:
    """The write that these stripes are of."""
    alive = [stripe for stripe in seen if stripe.stripe_id not in garbage]
    chosen, problem = _chosen(alive or seen)
    description = next((found for stripe in seen if (found := decode_description(stripe.description)) is not None), None)
    key = next((stripe.key for stripe in seen if stripe.key), description.key if description is not None else b"")
    if hashlib.sha256(key).digest()[:16] != seen[0].key_hash:
        key = b""
    layout = ObjectLayout()
    if not problem:
        layout, problem = _layout(chosen, description, pool_of)
    if not problem:
        problem = _undescribed(description, key)
    ordered = [stripe.stripe_id for stripe in chosen]
    return Write(
        bucket_id=seen[0].bucket_id,
        key_hash=seen[0].key_hash,
        key=key,
        write_id=seen[0].write_id,
        part_number=seen[0].part_number,
        time_us=max(stripe_time_us(stripe_id) for stripe_id in ordered or [stripe.stripe_id for stripe in seen]),
        bases=tuple(dict.fromkeys(bytes(run_base(stripe.stripe_id)) for stripe in seen)),
        first_stripe=ordered[0] if ordered else min(stripe.stripe_id for stripe in seen),
        layout=layout,
        description=description,
        problem=problem,
        is_garbage=not alive,
        lacking=tuple(RepairRow(stripe.pg, stripe.stripe_id, stripe.lacking) for stripe in chosen if stripe.lacking),
    )


def _chosen(seen: Sequence[SeenStripe]) -> tuple[list[SeenStripe], str]:
    """One whole stripe for each ordinal, and what is amiss.

    An attempt that was given up leaves a stripe of the same ordinal and the same bytes: the last attempt is the one that
    counted.
    """
    best: dict[int, SeenStripe] = {}
    for stripe in seen:
        other = best.get(stripe.ordinal)
        if other is None or (stripe.is_whole, stripe.stripe_id) > (other.is_whole, other.stripe_id):
            best[stripe.ordinal] = stripe
    ordered = [best[ordinal] for ordinal in sorted(best)]
    for ordinal, stripe in enumerate(ordered):
        if stripe.ordinal != ordinal:
            return ordered, f"stripe {ordinal} is nowhere"
        if not stripe.is_whole:
            return ordered, f"stripe {ordinal} has {len(stripe.slots)} good fragments of the {stripe.narrow_k} that it needs"
    return ordered, ""


def _layout(
    chosen: Sequence[SeenStripe], description: WriteDescription | None, pool_of: PoolOf
) -> tuple[ObjectLayout, str]:
    """Segments end behind every stripe that is shorter than full ones: so they were cut."""
    k, m = chosen[0].k, chosen[0].m
    pool = pool_of(k, m)
    if description is not None:
        pool = Pool(
            storage_classes=(),
            k=k,
            m=m,
            stripe_bytes=description.stripe_bytes,
            min_fragment_bytes=description.min_fragment_bytes,
        )
    if pool is None:
        return ObjectLayout(), "nothing tells how its stripes were cut"
    if any((stripe.k, stripe.m) != (k, m) for stripe in chosen):
        return ObjectLayout(), "its stripes are of different schemes"
    groups: list[list[Placed]] = [[]]
    for stripe in chosen:
        if stripe.length > pool.stripe_bytes or narrow_k(stripe.length, k, pool.min_fragment_bytes) != stripe.narrow_k:
            return ObjectLayout(), "its stripes are not cut as they say"
        base, ordinal = run_base(stripe.stripe_id), ordinal_in_run(stripe.stripe_id)
        groups[-1].append(Placed(stripe.pg, base, ordinal, stripe.length, stripe.digest, stripe.narrow_k))
        if stripe.length < pool.stripe_bytes:
            groups.append([])
    length, wanted = sum(stripe.length for stripe in chosen), UNKNOWN_LENGTH if description is None else description.facts.length
    if wanted not in (UNKNOWN_LENGTH, length):
        return ObjectLayout(), f"{length} bytes of {wanted} are there"
    return ObjectLayout(tuple(segment_of(group, pool) for group in groups if group)), ""


def _undescribed(description: WriteDescription | None, key: bytes) -> str:
    """What else a row needs."""
    if description is None:
        return "it has no description: it was written by an older version of Dolmen"
    return "" if key else "nothing tells its key"


def first_stripes(layout: ObjectLayout) -> Iterator[bytes]:
    """The first stripe of each segment: every body of the object begins with one of them."""
    for segment in layout.segments:
        for stripe in stripes(segment, 0, 1):
            yield stripe.stripe_id


def unmarked(layout: ObjectLayout) -> ObjectLayout:
    """Without the notes of what was not durable at first: volumes do not tell it, and no reader needs it."""
    if not any(segment.missing for segment in layout.segments):
        return layout
    return ObjectLayout(tuple(msgspec.structs.replace(segment, missing=()) for segment in layout.segments))


def by_base(writes: Sequence[Write]) -> dict[bytes, Write]:
    """Which write a run belongs to: a run is of one body only."""
    return {base: write for write in writes for base in write.bases}
