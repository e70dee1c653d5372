"""Deletion of a bucket (of one shard, with one key) and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import (
    ACTIVE,
    DELETING,
    GONE,
    SOURCE,
    SPLITTING,
    Broken,
    Truth,
    World,
    burn_of,
    cas,
    name_of,
    place_authoritative,
    place_of,
    write_closed,
)


class DeleterState(NamedTuple):
    """``stamp``: the ``state_us`` of its own change of the bucket's row."""

    at: str = "mark"
    stamp: int = 0
    place: int = SOURCE
    dirty: bool = False
    head: Truth | None = None


class Deleter:
    """One DeleteBucket request."""

    def __init__(self, number: int = 1, *, weak: frozenset[Weakening] = frozenset()) -> None:
        self.name = f"deleter {number}"
        self.burns = Weakening.DELETE_WITHOUT_BURN not in weak
        self.minds_splits = Weakening.DELETION_IGNORES_SPLIT not in weak
        self.compares_stamp = Weakening.DROP_WITHOUT_STAMP not in weak

    def start(self) -> DeleterState:
        return DeleterState()

    def steps(self, world: World, me: DeleterState) -> Iterator[tuple[str, World, DeleterState]]:
        return iter(()) if me.at == "end" else getattr(self, f"_{me.at}")(world, me)

    def _mark(self, world, me):
        """CAS of the bucket's row, 0 -> 1."""
        if world.bucket == ACTIVE:
            stamp = world.bucket_stamp + 1
            after = world._replace(bucket=DELETING, bucket_stamp=stamp)
            yield f"sets the bucket to deleting, stamp {stamp}", after, me._replace(at="map", stamp=stamp)

    def _map(self, world, me):
        """After its own mark: a splitter changes the map first, and then looks at the bucket."""
        at = "revert" if world.map == SPLITTING and self.minds_splits else "close"
        yield f"reads the map: {world.map}", world, me._replace(at=at, place=place_authoritative(world.map))

    def _close(self, world, me):
        yield f"closes {name_of(me.place)}", write_closed(world, me.place, closed=True, stamp=me.stamp), me._replace(at="intents")

    def _intents(self, world, me):
        """After the fence: whoever does not see it has an intent here."""
        found = place_of(world, me.place)
        dirty = any(found.intents) or bool(found.copies)
        yield f"reads the intents of {name_of(me.place)}: {found.intents}", world, me._replace(at="rows", dirty=dirty)

    def _rows(self, world, me):
        row = place_of(world, me.place).row
        if me.dirty:
            yield f"reads the row: {row}", world, me._replace(at="head" if self.burns else "look", dirty=False)
        else:
            yield f"reads the row: {row}", world, self._found(me, row)

    def _look(self, world, me):
        """The weakened form of the burn."""
        yield f"reads the truth: {world.truth.value}", world, self._found(me, world.truth.value)

    def _head(self, world, me):
        yield f"reads the head {world.truth.seq}", world, me._replace(at="burn", head=world.truth)

    def _burn(self, world, me):
        """The truth after it is settled: no batch decided before can apply any more. A time-out is repeated."""
        after = cas(world, burn_of(me.head))
        if after is None:
            yield "its burn is refused", world, me._replace(at="head", head=None)
        else:
            yield f"burns the sequence: the truth is {me.head.value}", after, self._found(me, me.head.value)

    def _found(self, me: DeleterState, value: int) -> DeleterState:
        return me._replace(at="revert" if value else "drop", head=None, dirty=False)

    def _mine(self, world: World, me: DeleterState) -> bool:
        return world.bucket == DELETING and (world.bucket_stamp == me.stamp or not self.compares_stamp)

    def _drop(self, world, me):
        """DELETE IF state = 1 AND state_us = mine."""
        if not self._mine(world, me):
            yield "finds the bucket changed", world, DeleterState(at="end")
            return
        if world.truth.value:
            raise Broken(f"{self.name} deletes the bucket, and the truth holds {world.truth.value}")
        yield "deletes the bucket", world._replace(bucket=GONE), DeleterState(at="end")

    def _revert(self, world, me):
        if not self._mine(world, me):
            yield "finds the bucket changed", world, DeleterState(at="end")
            return
        stamp = world.bucket_stamp + 1
        after = world._replace(bucket=ACTIVE, bucket_stamp=stamp)
        yield "not empty: sets the bucket to active", after, me._replace(at="open", stamp=stamp)

    def _open(self, world, me):
        """Wherever the map says now; one that never came to close anything opens nothing."""
        place = place_authoritative(world.map)
        yield f"opens {name_of(place)}", write_closed(world, place, closed=False, stamp=me.stamp), DeleterState(at="end")


class Reverter(Deleter):
    """Whoever meets a deletion that seems dead (its deleter may go on all the same)."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "reverter"

    def start(self) -> DeleterState:
        return DeleterState(at="meet")

    def _meet(self, world, me):
        if world.bucket == DELETING:
            yield from self._revert(world, me._replace(stamp=world.bucket_stamp))
