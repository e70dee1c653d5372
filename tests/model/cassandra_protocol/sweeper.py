"""The sweeper: removes an intent that a dead worker (or an unknown outcome) left, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import (
    PLACES_OF_MAP,
    Truth,
    World,
    bits,
    burn_of,
    cas,
    delete_intent,
    name_of,
    place_of,
    write_row,
)


class SweeperState(NamedTuple):
    """``op``: of the intent that it found."""

    at: str = "find"
    place: int = 0
    worker: int = 0
    op: int = 0
    head: Truth | None = None  # after the burn: what the rows are made of
    todo: int = 0


class Sweeper:
    """``paused``: the worker only seems dead and goes on; else it is dead from the moment that its intent is found."""

    def __init__(self, *, weak: frozenset[Weakening] = frozenset(), paused: bool = False) -> None:
        self.name = "sweeper"
        self.paused = paused
        self.burns = Weakening.SWEEP_WITHOUT_BURN not in weak
        self.takes_newer = Weakening.SWEEP_TAKES_NEWER in weak

    def start(self) -> SweeperState:
        return SweeperState()

    def steps(self, world: World, me: SweeperState) -> Iterator[tuple[str, World, SweeperState]]:
        return iter(()) if me.at == "end" else getattr(self, f"_{me.at}")(world, me)

    def _find(self, world, me):
        for place in bits(3):
            for worker, op in enumerate(place_of(world, place).intents):
                if op:
                    after = world if self.paused else _killed(world, worker)
                    mine = me._replace(at="head", place=place, worker=worker, op=op)
                    yield f"finds the intent of writer {worker + 1} in {name_of(place)}", after, mine

    def _head(self, world, me):
        at = "burn" if self.burns else "map"
        yield f"reads the head {world.truth.seq}", world, me._replace(at=at, head=world.truth)

    def _burn(self, world, me):
        batch = burn_of(me.head)
        after = cas(world, batch)
        if after is None:
            yield "its burn is refused", world, me._replace(at="head", head=None)
        else:
            yield f"burns the sequence, now {batch.seq}", after, me._replace(at="map", head=after.truth)

    def _map(self, world, me):
        """The rows go to every place that the map names now, and to the one where the intent is."""
        yield f"reads the map: {world.map}", world, me._replace(at="rows", todo=PLACES_OF_MAP[world.map] | me.place)

    def _rows(self, world, me):
        place = bits(me.todo)[0]
        todo = me.todo & ~place
        after = write_row(world, place, me.head.value, me.head.seq)
        yield f"writes the row in {name_of(place)}", after, me._replace(at="rows" if todo else "notes", todo=todo)

    def _notes(self, world, me):
        after = world._replace(queue=world.queue | me.head.pending)
        yield "drains the notes it found", after, me._replace(at="clear", head=None)

    def _clear(self, world, me):
        op = place_of(world, me.place).intents[me.worker] if self.takes_newer else me.op
        yield f"deletes the intent in {name_of(me.place)}", delete_intent(world, me.place, me.worker, op), SweeperState(at="end")


def _killed(world: World, worker: int) -> World:
    """Writers come first among the processes, in the order of their workers."""
    writer = world.processes[worker]
    if writer.at == "end":
        return world
    processes = world.processes
    dead = type(writer)(at="dead", turn=writer.turn)
    return world._replace(processes=(*processes[:worker], dead, *processes[worker + 1 :]))
