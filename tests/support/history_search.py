"""Whether the operations on one key have an order: the search behind ``history``."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

FOREVER = 1 << 62  # when an operation without an answer ends
ABSENT = ""  # the value of a key without an object
UNSEEN = "?"  # a value that nobody ever read

# States after one answer, and looked at on the way there. Twelve writes that overlap on one key make some thousands.
STATES_MAX = 200_000


class TooConcurrent(Exception):
    """Too many operations overlap on one key to try all orders."""


class Step(NamedTuple):
    """An operation as the search sees it.

    ``needs``: "" nothing, "is" the value ``of`` at that instant, "other" an object that is not ``of``. ``writes``: None for
    those that only look. ``may_not_be``: it may never take effect.
    """

    index: int
    begun: int
    ended: int
    needs: str = ""
    of: str = ABSENT
    writes: str | None = None
    may_not_be: bool = False

    def fits(self, value: str) -> bool:
        """It may take effect now."""
        if self.needs == "is":
            return value == self.of
        return not self.needs or value not in (ABSENT, self.of)


class State(NamedTuple):
    """A way in which things may be. ``done``: slots of open steps that have taken effect; ``used``: for each kind of step that
    may never be, how many have been."""

    value: str
    done: int
    used: tuple[int, ...]


def first_impossible(steps: list[Step], before: str) -> tuple[int, set[str]] | None:
    """(index of the step that cannot be, values that the key may have had until then); None: there is an order."""
    impossible = _Search(steps, looks_ahead=True).run(before)
    if impossible is None:
        return None
    # Looking ahead blames the write that replaced what was read later; the read is what people want to see.
    try:
        return _Search(steps, looks_ahead=False).run(before) or impossible
    except TooConcurrent:
        return impossible


class _Search:
    def __init__(self, steps: list[Step], *, looks_ahead: bool) -> None:
        certain = [step for step in steps if not step.may_not_be]
        named = {step.of for step in steps}
        has_refusals = any(step.needs == "other" for step in steps)
        doubtful = []
        for step in steps:
            if step.may_not_be:
                if step.writes and step.writes not in named:
                    if not has_refusals:
                        continue  # only a refusal can have seen it
                    step = step._replace(writes=UNSEEN)
                doubtful.append(step)
        # Those that may never be differ only in what they need and leave. One that needs a value takes it away for ever, so it
        # matters only whether there is one; the others are counted.
        self.kinds = sorted({_kind(step) for step in doubtful if step.of == ABSENT})
        self.available = [0] * len(self.kinds)
        self.takers: dict[str, set[str]] = {}  # by the value needed: what may stand there afterwards
        # Values are written once: one that somebody comes to see later is not replaced before.
        self.needed_until: dict[str, int] = {}
        for step in certain:
            if looks_ahead and step.needs == "is" and step.of != ABSENT:
                self.needed_until[step.of] = max(step.begun, self.needed_until.get(step.of, 0))
        self.now = 0
        # A plain write of a value that nobody comes to see helps nobody (but a refusal): when another write takes effect, it may
        # as well have been just before.
        self.unseen = {
            position
            for position, step in enumerate(certain)
            if step.writes and not step.needs and step.writes not in named and not has_refusals
        }
        self.overtaken = 0  # slots of such writes that are open
        self.open: dict[int, Step] = {}  # by slot, as a bit
        self.free: list[int] = []
        events = [(step.begun, 0, position) for position, step in enumerate(certain)]
        # What was seen took effect before it was seen: its end comes first among the ends of that instant.
        events += [(step.ended, 1 if step.writes is not None else 2, position) for position, step in enumerate(certain)]
        events += [(step.begun, -1, position) for position, step in enumerate(doubtful)]
        events.sort()
        self.events = events
        self.certain = certain
        self.doubtful = doubtful

    def run(self, before: str) -> tuple[int, set[str]] | None:
        states = {State(before, 0, (0,) * len(self.kinds))}
        slots: dict[int, int] = {}  # of open steps by position
        for now, what, position in self.events:
            self.now = now
            if what == -1:
                step = self.doubtful[position]
                if step.of == ABSENT:
                    self.available[self.kinds.index(_kind(step))] += 1
                else:
                    self.takers.setdefault(step.of, set()).add(step.writes or ABSENT)
                continue
            step = self.certain[position]
            if what == 0:
                if step.writes is None and all(step.fits(state.value) for state in states):
                    continue  # it has been, whatever is true: its end says nothing
                slot = slots[position] = self._slot()
                self.open[slot] = step
                self.overtaken |= slot if position in self.unseen else 0
                if step.writes is None:
                    states = {state._replace(done=state.done | slot) if step.fits(state.value) else state for state in states}
                continue
            slot = slots.pop(position, 0)
            if slot:
                after = self._ended(states, slot)
                if not after:
                    return step.index, {state.value for state in states}
                states = after
                del self.open[slot]
                self.overtaken &= ~slot
                self.free.append(slot)
        return None

    def _slot(self) -> int:
        return self.free.pop() if self.free else 1 << len(self.open)

    def _ended(self, states: set[State], slot: int) -> set[State]:
        """The states in which the step has taken effect, now at the latest; others may have done so before it."""
        after = {state._replace(done=state.done & ~slot) for state in states if state.done & slot}
        # With each: whether the last thing was one that may never be, and did not help yet. A second one then helps no more.
        frontier = [(state, False) for state in states if not state.done & slot]
        looked_at = set(frontier)
        while frontier:
            state, idle = frontier.pop()
            following = self._certain(state)
            if following is None:
                continue
            more = [(after_it, False) for after_it in following]
            more += [(after_it, after_it.done == state.done) for after_it in self._doubtful(state, idle)]
            for pair in more:
                after_it = pair[0]
                if after_it.done & slot:
                    after.add(after_it._replace(done=after_it.done & ~slot))
                elif pair not in looked_at:
                    looked_at.add(pair)
                    frontier.append(pair)
            if len(looked_at) + len(after) > STATES_MAX:
                raise TooConcurrent(f"{len(self.open)} operations overlap on one key: {list(self.open.values())[:8]}")
        return _least(after) if self.kinds else after

    def _certain(self, state: State) -> list[State] | None:
        """One more open write takes effect, and with it every open look that fits then (which can never be wrong).

        None: what is there now will be read later.
        """
        if self.needed_until.get(state.value, 0) > self.now:
            return None
        made = []
        for slot, step in self.open.items():
            if step.writes is not None and not state.done & slot and step.fits(state.value):
                overtaken = 0 if step.needs else self.overtaken
                made.append(self._looked(step.writes, state.done | slot | overtaken, state.used))
        return made

    def _doubtful(self, state: State, idle: bool) -> list[State]:
        """One that may never be takes effect: it is only ever needed just before something that looks and does not fit yet."""
        if not any(step.needs and not state.done & slot and not step.fits(state.value) for slot, step in self.open.items()):
            return []
        made = [self._looked(writes, state.done, state.used) for writes in self.takers.get(state.value, ())]
        for kind, (needs, writes) in enumerate(self.kinds):
            used = state.used[kind]
            if used == self.available[kind] or writes == state.value:
                continue
            if (needs and state.value == ABSENT) or not (needs or idle):
                more = (*state.used[:kind], used + 1, *state.used[kind + 1 :])
                made.append(self._looked(writes, state.done, more))
        return made

    def _looked(self, value: str, done: int, used: tuple[int, ...]) -> State:
        for slot, step in self.open.items():
            if step.writes is None and not done & slot and step.fits(value):
                done |= slot
        return State(value, done, used)


def _kind(step: Step) -> tuple[str, str]:
    """Of a step that may never be, and needs no value of others."""
    return step.needs, step.writes or ABSENT


def _least(states: set[State]) -> set[State]:
    """Without those that used more of what may be than another one that is the same otherwise."""
    counts = Counter((state.value, state.done) for state in states)
    kept = set()
    for state in states:
        rivals = () if counts[state.value, state.done] == 1 else states
        if not any(
            other.value == state.value
            and other.done == state.done
            and other.used != state.used
            and all(less <= more for less, more in zip(other.used, state.used, strict=True))
            for other in rivals
        ):
            kept.add(state)
    return kept
