"""The splitter: research section 5, "Split of shard S at m into A, B", its nine steps as one key sees them.

A merge and a raise of the fanout are the same for one key: it moves from one place to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import (
    ACTIVE,
    AFTER,
    BEFORE,
    CHILD,
    SOURCE,
    SPLITTING,
    Broken,
    Truth,
    World,
    mark,
    name_of,
    set_map,
    with_place,
    write_row,
)

ORDER = ("lease", "check", "fence", "intents", "carry", "rows", "copy", "compare", "reindex", "moved", "cutover", "settle", "drop")
_COPY_FIRST = ("rows", "copy", "compare", "intents", "carry")  # the weakened order of the middle


class SplitterState(NamedTuple):
    at: str = "lease"
    lease: int = 0
    intents: int = 0  # as read in step 3, a mask of workers
    row: int = 0
    stamp: int = 0
    head: Truth | None = None
    todo: int = 0
    must_reindex: bool = False
    takeovers: int = 0


class Splitter:
    """``takeovers_max``: how often it dies, at any step, and a successor takes the lease and repeats everything.

    With two splitters the first one only seems dead: both go on. ``stops_after``: a step (what follows is looked at elsewhere).
    """

    def __init__(
        self,
        number: int = 1,
        *,
        weak: frozenset[Weakening] = frozenset(),
        takeovers_max: int = 0,
        stops_after: str = ORDER[-1],
    ) -> None:
        self.name = f"splitter {number}"
        self.is_successor = number > 1
        self.weak = weak
        self.takeovers_max = takeovers_max
        order = list(ORDER)
        if Weakening.COPY_BEFORE_INTENTS in weak:
            order[order.index("intents") : order.index("reindex")] = _COPY_FIRST
        left_out = {
            Weakening.NO_CARRY: "carry",
            Weakening.NO_COMPARISON: "compare",
            Weakening.NEVER_MOVED: "moved",
            Weakening.MOVED_AFTER_MAP: "moved",
            Weakening.SPLIT_IGNORES_DELETION: "check",
        }
        for weakening in weak & left_out.keys():
            order.remove(left_out[weakening])
        if Weakening.MOVED_AFTER_MAP in weak:
            order.insert(order.index("cutover") + 1, "moved")
        self._after = dict(zip(order, [*order[1:], "end"], strict=True)) | {stops_after: "end"}

    def start(self) -> SplitterState:
        return SplitterState()

    def steps(self, world: World, me: SplitterState) -> Iterator[tuple[str, World, SplitterState]]:
        if me.at == "end":
            return
        yield from getattr(self, f"_{me.at}")(world, me)
        if me.at != "lease" and me.takeovers < self.takeovers_max:
            if world.map == SPLITTING:
                yield self._take_over(f"dies before '{me.at}'; a successor takes the lease", world, me.takeovers + 1)
            elif world.map == AFTER:
                mine = SplitterState(at=self._after["cutover"], takeovers=me.takeovers + 1)
                yield f"dies before '{me.at}'; a successor", world, mine

    def _next(self, me: SplitterState) -> SplitterState:
        return me._replace(at=self._after[me.at])

    def _take_over(self, label: str, world: World, takeovers: int) -> tuple[str, World, SplitterState]:
        lease = world.lease + 1
        mine = SplitterState(at=self._after["lease"], lease=lease, takeovers=takeovers)
        return label, world._replace(lease=lease), mine

    def _stamp(self, me: SplitterState, world: World) -> int:
        """Of a mark: it loses against those of later leases."""
        if Weakening.MARKS_WITHOUT_LEASE in self.weak:
            return max(world.source.fence_stamp, world.source.moved_stamp)
        return me.lease

    def _lease(self, world, me):
        """1. Lease + CAS of the map's row: from here on new writers write intents and rows to both."""
        if self.is_successor:
            if world.map == SPLITTING:
                yield self._take_over("takes the lease over", world, 0)
        elif world.map == BEFORE and not world.lease:
            mine = self._next(me)._replace(lease=1)
            yield "1 sets the map to splitting", set_map(world, SPLITTING)._replace(lease=1), mine

    def _check(self, world, me):
        """1. Then it looks at the bucket: a deleter marks that first, and then reads the map."""
        if world.bucket == ACTIVE:
            yield "1 sees that the bucket is active", world, self._next(me)
        else:
            yield "1 sees that the bucket is being deleted", world, me._replace(at="clear")

    def _clear(self, world, me):
        """The split is given up: what it, or a predecessor, marked goes first."""
        stamp = self._stamp(me, world)
        yield "clears the marks", mark(mark(world, "moved", False, stamp), "fence", False, stamp), me._replace(at="revert")

    def _revert(self, world, me):
        if world.map == SPLITTING and world.lease == me.lease:
            yield "gives the split up", self._checked(set_map(world, BEFORE)), SplitterState(at="end", takeovers=me.takeovers)
        else:
            yield "has lost its lease", world, SplitterState(at="end", takeovers=me.takeovers)

    @staticmethod
    def _checked(world: World) -> World:
        if world.map == BEFORE and world.source.moved:
            raise Broken("S is marked as moved, and the map names nothing else: nobody can use it any more")
        return world

    def _fence(self, world, me):
        """2."""
        yield "2 sets the fence", mark(world, "fence", True, self._stamp(me, world)), self._next(me)

    def _intents(self, world, me):
        """3."""
        found = sum(1 << worker for worker, op in enumerate(world.source.intents) if op)
        mine = self._next(me._replace(intents=found, must_reindex=bool(found)))
        if mine.at == "carry" and not found:
            mine = self._next(mine)
        yield f"3 reads the intents: {world.source.intents}", world, mine

    def _carry(self, world, me):
        """4. Copies them, one after the other; without them there is nothing to do."""
        first = me.intents & -me.intents
        rest = me.intents & ~first
        mine = me._replace(intents=rest) if rest else self._next(me._replace(intents=0))
        child = world.child._replace(copies=world.child.copies | first)
        yield f"4 copies the intent of writer {first.bit_length()}", with_place(world, CHILD, child), mine

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
        yield "7 marks S as moved", self._checked(mark(world, "moved", True, self._stamp(me, world))), self._next(me)

    def _cutover(self, world, me):
        """8. The map's CAS: the child is authoritative."""
        if world.map == SPLITTING and world.lease == me.lease:
            mine = SplitterState(at=self._after["cutover"], takeovers=me.takeovers)
            yield "8 sets the map to the child", set_map(world, AFTER), mine
        else:
            yield "8 has lost its lease", world, SplitterState(at="end", takeovers=me.takeovers)

    def _settle(self, world, me):
        """9. Copied intents go once their changes are over: the source has them no more, and the rows were made anew."""
        if not world.child.copies and not me.intents:
            yield "9 has no copies to settle", world, self._next(me)
        elif not me.intents:
            over = sum(1 << worker for worker, op in enumerate(world.source.intents) if not op) & world.child.copies
            if Weakening.SETTLE_WITHOUT_LOOKING in self.weak:
                over = world.child.copies
            if over:
                todo = SOURCE if Weakening.SETTLE_WITHOUT_REINDEX not in self.weak else CHILD
                yield f"9 sees that these are over: {over:b}", world, me._replace(intents=over, todo=todo)
        elif me.todo == SOURCE and me.head is None:
            yield f"9 reads the truth: {world.truth.value}", world, me._replace(head=world.truth)
        elif me.todo == SOURCE:
            after = write_row(world, CHILD, me.head.value, me.head.seq)
            yield "9 writes it to the child", after, me._replace(head=None, todo=CHILD)
        else:
            child = world.child._replace(copies=world.child.copies & ~me.intents)
            yield "9 takes the copies away", with_place(world, CHILD, child), me._replace(intents=0, todo=0)

    def _drop(self, world, me):
        """9. A day later: no LIST has memos of S from before (``drop_allowed``); its marks stay."""
        if drop_allowed(world):
            after = with_place(world, SOURCE, world.source._replace(row=0, stamp=0))
            yield "9 drops the rows of S", after, SplitterState(at="end", takeovers=me.takeovers)


def drop_allowed(world: World) -> bool:
    """No page, and no follow-up of a write, lasts a day: none in progress is from before the map changed."""
    return world.map == AFTER and not any(
        getattr(process, "place", 0) == SOURCE and process.at == "rows" for process in world.processes
    )
