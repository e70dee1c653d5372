"""Breadth-first search of every interleaving; the first way to break the property is a shortest one."""

from __future__ import annotations

from typing import NamedTuple

from .lister import ListerState
from .state import Broken, Place, Truth, World, bit


class Configuration(NamedTuple):
    """Processes over one key. Writers come first, in the order of their workers."""

    name: str
    processes: tuple
    noted: int = 0  # requests that write a value, as a mask, when notes of garbage are looked at; else 0


class Result(NamedTuple):
    """``broken``: what went wrong, with the way there in ``trace``; "" when nothing did."""

    states: int
    broken: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"{self.broken or 'holds'} ({self.states} states)", *self.trace))


class TooManyStates(Exception):
    """The configuration has outgrown its bound."""


def explore(configuration: Configuration, states_max: int) -> Result:
    """Every reachable state. Raises ``TooManyStates``."""
    first = _first(configuration)
    parents: dict[World, tuple[World | None, str]] = {first: (None, "")}
    frontier = [first]
    while frontier:
        found: list[World] = []
        for world in frontier:
            broken = _expand(configuration, world, parents, found)
            if broken:
                return broken
        if len(parents) > states_max:
            raise TooManyStates(f"{configuration.name}: more than {states_max} states")
        frontier = found
    return Result(len(parents), "", ())


def _first(configuration: Configuration) -> World:
    workers = sum(hasattr(process, "worker") for process in configuration.processes)
    empty = Place(intents=(0,) * workers)
    return World(Truth(), empty, empty, processes=tuple(process.start() for process in configuration.processes))


def _expand(configuration: Configuration, world: World, parents: dict, found: list[World]) -> Result | None:
    """Adds the states that follow ``world``, unless one of the steps breaks the property."""
    for index, process in enumerate(configuration.processes):
        at = world
        try:
            for label, after, mine in process.steps(world, world.processes[index]):
                following = _settled(world, after, index, mine)
                if following in parents:
                    continue
                parents[following] = (world, f"{process.name}: {label}")
                found.append(following)
                if configuration.noted:
                    at = following
                    _check_notes(following, configuration.noted)
                    at = world
        except Broken as broken:
            return Result(len(parents), str(broken), _trace(parents, at))
    return None


def _settled(world: World, after: World, index: int, mine: tuple) -> World:
    """The process has moved to ``mine``; every LIST in progress has seen the truth change."""
    before = after.processes
    processes = (*before[:index], mine, *before[index + 1 :])
    if after.truth.value != world.truth.value:
        held = 1 << after.truth.value
        processes = tuple(
            process._replace(held=process.held | held) if isinstance(process, ListerState) and process.held else process
            for process in processes
        )
    return after._replace(processes=processes)


def _check_notes(world: World, noted: int) -> None:
    """Garbage is never forgotten, never names what is there, and somebody will come back for what is not drained yet."""
    current, pending, queue = bit(world.truth.value), world.truth.pending, world.queue
    if world.applied & noted & ~current & ~(pending | queue):
        raise Broken("a note of garbage is lost")
    if current & (pending | queue):
        raise Broken("a note of garbage names the current object")
    if pending & ~queue and not any(world.source.intents) and not any(world.child.intents):
        raise Broken("notes wait to be drained, and no intent leads to them")


def _trace(parents: dict, world: World) -> tuple[str, ...]:
    """The steps from the beginning to ``world``, with what the shared state was after each."""
    lines = []
    at: World | None = world
    while at is not None:
        before, label = parents[at]
        lines.append(f"{label or 'at first'}\n      {_shown(at)}")
        at = before
    return tuple(f"{number:3}. {line}" for number, line in enumerate(reversed(lines)))


def _shown(world: World) -> str:
    truth = f"truth {tuple(world.truth)}"
    places = ", ".join(
        f"{name}: intents {place.intents} row {place.row}@{place.stamp}"
        for name, place in (("S", world.source), ("child", world.child))
    )
    return f"{truth}, {places}, map {world.map}, late {len(world.late)}"
