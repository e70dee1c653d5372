"""What the protocol's processes share, for one key, and the single accesses to it; each access is one atomic step.

A statement at QUORUM is atomic here: it sees every earlier acknowledged one. Numbers stand for what Cassandra holds:

* a *request* is what a client asked for (1, 2, ...); a put's value is the number of its request, 0 is "no object";
* an *op* names one attempt of a request (``op_of``); a burn's op is minus its sequence; 0 is null;
* sets of requests (applied, refused, noted as garbage) are bit masks.

A process that has crashed takes no more steps. Every prefix of every run is explored, so a crash at any step needs no transition of
its own; only what others do *because* of it (a successor, a sweep) has one.
"""

from __future__ import annotations

from typing import NamedTuple

SOURCE, CHILD = 1, 2  # the two places of the key, as bits: the shard that is split (merged, spread), and what it becomes
BOTH = SOURCE | CHILD
PLACES_OF_MAP = (SOURCE, BOTH, CHILD)  # by the state of the range map
BEFORE, SPLITTING, AFTER = 0, 1, 2
ACTIVE, DELETING, GONE = 0, 1, 2  # of a bucket

ATTEMPTS_MAX = 8  # of one request: room in an op's number


class Broken(Exception):
    """The property does not hold here."""


class Truth(NamedTuple):
    """The partition of the key in ``objects``."""

    seq: int = 0  # head_seq; 0: null
    op: int = 0  # head_op
    prev_op: int = 0
    value: int = 0
    pending: int = 0  # notes of garbage


class Batch(NamedTuple):
    """A conditional batch: ``IF head_seq = prev_seq``."""

    prev_seq: int
    prev_op: int
    op: int
    request: int  # 0: a burn
    value: int
    pending: int
    if_absent: bool = False  # the client's If-None-Match: *

    @property
    def seq(self) -> int:
        """The worst case of max(now, head_seq + 1): whoever read the same head takes the same number."""
        return self.prev_seq + 1


class Place(NamedTuple):
    """One partition of ``listing_intents`` with one row of ``listing``."""

    intents: tuple[int, ...]  # by worker: the op that announced it, 0 without
    copies: int = 0  # intents that a split carried over, as a mask of workers
    fence: bool = False
    fence_stamp: int = 0
    moved: bool = False
    moved_stamp: int = 0
    closed: bool = False
    closed_stamp: int = 0
    row: int = 0  # the value listed; 0: none (or a tombstone)
    stamp: int = 0  # its write time


class World(NamedTuple):
    """Everything. ``late``: batches sent to a coordinator that stopped; each may still land."""

    truth: Truth
    source: Place
    child: Place
    late: tuple[Batch, ...] = ()
    applied: int = 0
    refused: int = 0
    queue: int = 0  # notes of garbage that were drained
    map: int = BEFORE
    map_seen: int = BEFORE  # the latest state that a cache may still hold
    lease: int = 0  # of the split: larger with each one that is taken
    bucket: int = ACTIVE
    bucket_stamp: int = 0
    processes: tuple = ()


def bit(request: int) -> int:
    return 1 << request >> 1  # requests count from 1; 0 is nobody's


def op_of(request: int, attempt: int) -> int:
    return request * ATTEMPTS_MAX + attempt


def bits(mask: int) -> list[int]:
    """The places in a mask."""
    return [place for place in (SOURCE, CHILD) if mask & place]


def name_of(place: int) -> str:
    return "S" if place == SOURCE else "the child"


def place_of(world: World, place: int) -> Place:
    return world.source if place == SOURCE else world.child


def with_place(world: World, place: int, changed: Place) -> World:
    return world._replace(source=changed) if place == SOURCE else world._replace(child=changed)


def place_authoritative(known_map: int) -> int:
    """Where a LIST reads that knows this state of the map."""
    return CHILD if known_map == AFTER else SOURCE


# ---- the truth ---------------------------------------------------------------------------------------------------------


def cas(world: World, batch: Batch) -> World | None:
    """The batch is applied; None: its condition is false."""
    truth = world.truth
    if truth.seq != batch.prev_seq:
        return None
    after = Truth(batch.seq, batch.op, truth.op, batch.value, batch.pending)
    applied = world.applied | bit(batch.request)
    changed = world._replace(truth=after, applied=applied, late=_alive(world.late, batch.seq))
    if batch.request:
        _check_applied(world, batch)
    return changed


def _check_applied(world: World, batch: Batch) -> None:
    mask = bit(batch.request)
    if world.refused & mask:
        raise Broken(f"request {batch.request} was told that nothing happened, and its change appears")
    if world.applied & mask:
        raise Broken(f"request {batch.request} happened twice")
    if batch.if_absent and world.truth.value:
        raise Broken(f"request {batch.request} was to write only where nothing is, and replaced {world.truth.value}")
    if world.bucket == GONE and batch.value:
        raise Broken(f"request {batch.request} wrote into a bucket that is gone")


def burn_of(head: Truth) -> Batch:
    """Moves the sequence on and nothing else: whatever was decided on ``head`` is refused from here on."""
    return Batch(head.seq, head.op, -(head.seq + 1), 0, head.value, head.pending)


def send_late(world: World, batch: Batch) -> World:
    """The coordinator stopped with the batch in hand; its client sees a time-out. (A copy of a copy changes nothing.)"""
    return world._replace(late=_alive({*world.late, batch}, world.truth.seq))


def _alive(batches, seq: int) -> tuple[Batch, ...]:
    """Batches that may still apply: sequences only grow, so the others are dead for ever."""
    return tuple(sorted(batch for batch in batches if batch.prev_seq >= seq))


# ---- listing and intents -----------------------------------------------------------------------------------------------


def write_row(world: World, place: int, value: int, stamp: int) -> World:
    """``USING TIMESTAMP``: the larger stamp wins; on equal stamps a delete does."""
    before = place_of(world, place)
    if (stamp, value == 0) <= (before.stamp, before.row == 0):
        return world
    return with_place(world, place, before._replace(row=value, stamp=stamp))


def write_intent(world: World, place: int, worker: int, op: int) -> World:
    before = place_of(world, place)
    if before.intents[worker] >= op:
        return world
    return with_place(world, place, before._replace(intents=_put(before.intents, worker, op)))


def delete_intent(world: World, place: int, worker: int, op: int) -> World:
    """Takes the announcement ``op`` and older ones; a newer one stays."""
    before = place_of(world, place)
    if not 0 < before.intents[worker] <= op:
        return world
    return with_place(world, place, before._replace(intents=_put(before.intents, worker, 0)))


def _put(intents: tuple[int, ...], worker: int, op: int) -> tuple[int, ...]:
    return (*intents[:worker], op, *intents[worker + 1 :])


def set_map(world: World, state: int) -> World:
    """A conditional change of the range map."""
    return world._replace(map=state, map_seen=max(state, world.map_seen))


def mark(world: World, name: str, value: bool, stamp: int) -> World:
    """``fence`` or ``moved`` of the source, USING TIMESTAMP of the lease under which it is set."""
    before = world.source
    if stamp < getattr(before, f"{name}_stamp"):
        return world
    return world._replace(source=before._replace(**{name: value, f"{name}_stamp": stamp}))


def write_closed(world: World, place: int, closed: bool, stamp: int) -> World:
    before = place_of(world, place)
    if stamp <= before.closed_stamp:
        return world
    return with_place(world, place, before._replace(closed=closed, closed_stamp=stamp))
