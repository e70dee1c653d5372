"""The splitter: research section 5, "Split of shard S at m into A, B", its nine steps as one key sees them.

A merge and a raise of the fanout are the same for one key: it moves from one place to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import (
    AFTER,
    BEFORE,
    CHILD,
    SOURCE,
    SPLITTING,
    Truth,
    World,
    name_of,
    with_place,
    write_intent,
    write_row,
)

ORDER = ("lease", "fence", "intents", "carry", "rows", "copy", "compare", "reindex", "moved", "cutover", "drop")
_COPY_FIRST = ("lease", "fence", "rows", "copy", "compare", "intents", "carry", "reindex", "moved", "cutover", "drop")


class SplitterState(NamedTuple):
    at: str = "lease"
    intents: tuple[int, ...] = ()  # as read in step 3
    row: int = 0
    stamp: int = 0
    head: Truth | None = None
    todo: int = 0
    must_reindex: bool = False
    takeovers: int = 0


class Splitter:
    """``takeovers_max``: how often it dies, at any step, and a successor repeats everything from step 2 on.

    With two splitters the first one only seems dead: both go on.
    """

    def __init__(self, number: int = 1, *, weak: frozenset[Weakening] = frozenset(), takeovers_max: int = 0) -> None:
        self.name = f"splitter {number}"
        self.is_successor = number > 1
        self.weak = weak
        self.takeovers_max = takeovers_max
        order = list(_COPY_FIRST if Weakening.COPY_BEFORE_INTENTS in weak else ORDER)
        for weakening, step in ((Weakening.NO_CARRY, "carry"), (Weakening.NO_COMPARISON, "compare")):
            if weakening in weak:
                order.remove(step)
        if weak & {Weakening.NEVER_MOVED, Weakening.MOVED_AFTER_MAP}:
            order.remove("moved")
        if Weakening.MOVED_AFTER_MAP in weak:
            order.insert(order.index("drop"), "moved")
        self._after = dict(zip(order, [*order[1:], "end"], strict=True))

    def start(self) -> SplitterState:
        return SplitterState()

    def steps(self, world: World, me: SplitterState) -> Iterator[tuple[str, World, SplitterState]]:
        if me.at == "end":
            return
        yield from getattr(self, f"_{me.at}")(world, me)
        if me.at != "lease" and me.takeovers < self.takeovers_max:
            at = "fence" if world.map == SPLITTING else self._after["cutover"]
            yield f"dies before '{me.at}'; a successor", world, SplitterState(at=at, takeovers=me.takeovers + 1)

    def _next(self, me: SplitterState) -> SplitterState:
        return me._replace(at=self._after[me.at])

    def _lease(self, world, me):
        """1. Lease + CAS of the map's row: from here on new writers write intents and rows to both."""
        if self.is_successor:
            if world.map == SPLITTING:
                yield "takes the lease over", world, self._next(me)
        elif world.map == BEFORE:
            yield "1 sets the map to splitting", world._replace(map=SPLITTING), self._next(me)

    def _fence(self, world, me):
        """2."""
        yield "2 sets the fence", with_place(world, SOURCE, world.source._replace(fence=True)), self._next(me)

    def _intents(self, world, me):
        """3."""
        found = world.source.intents
        mine = self._next(me._replace(intents=found, must_reindex=any(found)))
        if mine.at == "carry" and not any(found):
            mine = self._next(mine)
        yield f"3 reads the intents: {found}", world, mine

    def _carry(self, world, me):
        """4. Copies them, one after the other; without them there is nothing to do."""
        worker = next(worker for worker, op in enumerate(me.intents) if op)
        rest = (*me.intents[:worker], 0, *me.intents[worker + 1 :])
        mine = me._replace(intents=rest) if any(rest) else self._next(me._replace(intents=()))
        yield f"4 copies the intent of writer {worker + 1}", write_intent(world, CHILD, worker, me.intents[worker]), mine

    def _rows(self, world, me):
        """5. Only then the rows ... A scan shows no tombstones: where a row was deleted there is nothing to copy."""
        row, stamp = world.source.row, world.source.stamp
        mine = self._next(me._replace(row=row, stamp=stamp))
        yield f"5 reads the row: {row} of {stamp}", world, mine if row else self._next(mine._replace(stamp=0))

    def _copy(self, world, me):
        """... keeping their write times."""
        yield "5 writes it to the child", write_row(world, CHILD, me.row, me.stamp), self._next(me)._replace(row=0, stamp=0)

    def _compare(self, world, me):
        """6. What the child lists, and the source does not (any more), was deleted by a writer that did not know the child."""
        if not me.todo:
            yield f"6 reads the child's row: {world.child.row}", world, me._replace(row=world.child.row, todo=CHILD)
            return
        differs = world.source.row != me.row
        mine = self._next(me)._replace(row=0, todo=0, must_reindex=me.must_reindex or differs)
        yield f"6 compares it with the source's: {world.source.row}", world, mine

    def _reindex(self, world, me):
        """6. The truth of every key whose intent was copied, or whose rows differ, goes to both places."""
        if me.head is None and not me.must_reindex:
            yield "6 has nothing to reindex", world, self._next(me)
        elif me.head is None:
            yield f"6 reads the truth: {world.truth.value}", world, me._replace(head=world.truth, todo=SOURCE)
        else:
            mine = me._replace(todo=CHILD)
            if me.todo == CHILD:
                mine = self._next(me)._replace(head=None, todo=0, must_reindex=False)
            yield f"6 writes it to {name_of(me.todo)}", write_row(world, me.todo, me.head.value, me.head.seq), mine

    def _moved(self, world, me):
        """7."""
        yield "7 marks S as moved", with_place(world, SOURCE, world.source._replace(moved=True)), self._next(me)

    def _cutover(self, world, me):
        """8. The map's CAS: the child is authoritative."""
        mine = SplitterState(at=self._after["cutover"], takeovers=me.takeovers)
        if world.map == SPLITTING:
            yield "8 sets the map to the child", world._replace(map=AFTER), mine
        else:
            yield "8 finds the map changed", world, SplitterState(at="end", takeovers=me.takeovers)

    def _drop(self, world, me):
        """9. A day later: no LIST has memos of S from before (``drop_allowed``); its statics stay."""
        if drop_allowed(world):
            after = with_place(world, SOURCE, world.source._replace(row=0, stamp=0))
            yield "9 drops the rows of S", after, SplitterState(at="end", takeovers=me.takeovers)


def drop_allowed(world: World) -> bool:
    """No page, and no follow-up of a write, lasts a day: none in progress is from before the map changed."""
    return world.map == AFTER and not any(
        getattr(process, "place", 0) == SOURCE and process.at == "rows" for process in world.processes
    )
