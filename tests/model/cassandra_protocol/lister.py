"""A LIST page: research section 5, "LIST page", with the memo of intents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import SOURCE, Broken, World, name_of, place_authoritative, place_of


class ListerState(NamedTuple):
    """``held``: every value that the truth has had since the page began, value v as bit v (kept by ``checker``)."""

    at: str = "begin"
    place: int = SOURCE
    held: int = 0
    row: int = 0
    is_dirty: bool = False  # while it reads the map again


class Lister:
    """Reads one key. Nobody reads what a LIST does, so one LIST stands for any number of them."""

    def __init__(self, number: int = 1, *, weak: frozenset[Weakening] = frozenset()) -> None:
        self.name = f"LIST {number}"
        self.rows_first = Weakening.LIST_ROWS_BEFORE_INTENTS in weak

    def start(self) -> ListerState:
        return ListerState()

    def steps(self, world: World, me: ListerState) -> Iterator[tuple[str, World, ListerState]]:
        if me.at == "begin":
            # A cached map of any age; splitting or not, the source is read until the map names the child.
            for place in {place_authoritative(known) for known in range(world.map_seen + 1)}:
                yield self._open(world, me._replace(place=place, held=1 << world.truth.value))
        elif me.at == "moved":
            place = place_authoritative(world.map)
            if place != me.place:
                yield self._open(world, me._replace(place=place, is_dirty=False))
            elif not self.rows_first:  # a map that is read after the intents still names the shard: they count
                yield f"reads the map: {world.map}", world, self._opened(me)
        elif me.at == "rows" and self.rows_first:
            yield self._intents(world, me)
        elif me.at == "rows":
            self.check_row(place_of(world, me.place).row, me)

    def _open(self, world: World, me: ListerState) -> tuple[str, World, ListerState]:
        return self._rows(world, me) if self.rows_first else self._intents(world, me)

    def _intents(self, world: World, me: ListerState) -> tuple[str, World, ListerState]:
        """1. The whole intents partition, with its statics.

        3. Keys with an intent come from the truth, read after the rows: that is right by itself.
        """
        found = place_of(world, me.place)
        label = f"reads the intents of {name_of(me.place)}: "
        is_dirty = any(found.intents) or bool(found.copies)
        if found.moved:
            return f"{label}moved", world, me._replace(at="moved", row=0, is_dirty=is_dirty)
        if self.rows_first and not is_dirty:
            self.check_row(me.row, me)
            return f"{label}none", world, ListerState(at="end")
        told = "the key has one, the truth is read" if is_dirty else "none"
        return f"{label}{told}", world, self._opened(me._replace(is_dirty=is_dirty))

    def _opened(self, me: ListerState) -> ListerState:
        return ListerState(at="end") if me.is_dirty else me._replace(at="rows")

    def _rows(self, world: World, me: ListerState) -> tuple[str, World, ListerState]:
        """The weakened order."""
        row = place_of(world, me.place).row
        return f"reads the row in {name_of(me.place)}: {row}", world, me._replace(at="rows", row=row)

    def check_row(self, row: int, me: ListerState) -> None:
        """2. With the intents in the page's memo it reads rows at any time, often: at each moment the row must do."""
        if not me.held & (1 << row):
            held = [value for value in range(me.held.bit_length()) if me.held & (1 << value)]
            raise Broken(f"{self.name} reads the row in {name_of(me.place)}: {row}, and since its begin the truth was {held}")

