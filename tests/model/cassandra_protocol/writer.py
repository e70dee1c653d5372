"""A worker that puts and deletes one key: research section 5, "PUT" and "DELETE", with unknown outcomes settled by ``head_op``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .rules import Weakening
from .state import (
    CHILD,
    PLACES_OF_MAP,
    Batch,
    Broken,
    Truth,
    World,
    bit,
    bits,
    cas,
    delete_intent,
    name_of,
    op_of,
    place_of,
    send_late,
    write_intent,
    write_row,
)

NEVER = -1
HEAD = 4  # in ``todo``, beside the places: the head is read in parallel with the intents


class Request(NamedTuple):
    """What a client asks for. ``kind``: "put", "create" (If-None-Match: *) or "delete"."""

    number: int
    kind: str


class WriterState(NamedTuple):
    """``todo``: places that the present step has yet to visit."""

    at: str = "begin"
    turn: int = 0  # which request
    map: int = 0  # the state of the map that it knows
    places: int = 0  # where its intents are
    todo: int = 0
    reloaded: bool = False
    attempt: int = 0
    head: Truth | None = None
    batch: Batch | None = None
    unsettled: int = NEVER  # prev_seq of a batch of an earlier request whose outcome nobody knows


class Writer:
    """``worker``: its index among the intents of the key. Requests are done one after the other (a lock per worker and key)."""

    def __init__(
        self,
        worker: int,
        requests: tuple[Request, ...],
        *,
        weak: frozenset[Weakening] = frozenset(),
        timeouts: bool = False,
        notes: bool = False,
        attempts_max: int = 2,
        may_be_swept: bool = False,
        may_be_closed: bool = False,
    ) -> None:
        self.name = f"writer {worker + 1}"
        self.worker = worker
        self.requests = requests
        self.weak = weak
        self.timeouts = timeouts
        self.notes = notes
        self.attempts_max = attempts_max
        self.may_be_closed = may_be_closed
        # A worker that others may take for dead reads the head first, and then writes its intent, in each attempt.
        self.head_first = may_be_swept and Weakening.HEAD_AFTER_INTENT not in weak
        self.reannounces = may_be_swept and Weakening.RETRY_WITHOUT_ANNOUNCING not in weak
        self._steps = {
            "begin": self._begin,
            "announce": self._announce,
            "head": self._head,
            "fence": self._fence,
            "reload": self._reload,
            "drain": self._drain,
            "cas": self._cas,
            "settle": self._settle,
            "look": self._look,
            "rows": self._rows,
            "notes": self._notes,
            "clear": self._clear,
        }

    def start(self) -> WriterState:
        return WriterState()

    def steps(self, world: World, me: WriterState) -> Iterator[tuple[str, World, WriterState]]:
        """(what it does, the world and the writer afterwards) for everything it may do next."""
        step = self._steps.get(me.at)
        return iter(()) if step is None else step(world, me)

    def _request(self, me: WriterState) -> Request:
        return self.requests[me.turn]

    def _op(self, me: WriterState) -> int:
        return op_of(self._request(me).number, me.attempt)

    # ---- 1. while the body streams in: the intents, and the head ---------------------------------------------------------

    def _begin(self, world, me):
        """Looks the shard up in its cache, which may be as old as it likes."""
        for known in range(world.map_seen + 1):
            at = self._attempt(me._replace(map=known), PLACES_OF_MAP[known])
            for label, after, mine in self._steps[at.at](world, at):
                yield f"knows map {known}; {label}", after, mine

    def _attempt(self, me: WriterState, places: int) -> WriterState:
        """Begins one: the intents go to ``places``."""
        if self.head_first:
            return me._replace(at="head", todo=places)
        if Weakening.NO_INTENTS in self.weak:
            return me._replace(at="head", places=places)
        with_head = 0 if Weakening.FENCE_BEFORE_HEAD in self.weak else HEAD
        return me._replace(at="announce", todo=places | with_head)

    def _announce(self, world, me):
        """Writes its intent in every place that the map names, and reads the head, in any order."""
        for place in bits(me.todo):
            mine = self._announced(me._replace(places=me.places | place), me.todo & ~place)
            yield f"writes its intent in {name_of(place)}", write_intent(world, place, self.worker, self._op(me)), mine
        if me.todo & HEAD:
            mine = self._announced(me._replace(head=world.truth), me.todo & ~HEAD)
            yield _head_label(world.truth), world, mine

    def _announced(self, me: WriterState, todo: int) -> WriterState:
        return me._replace(todo=todo) if todo else me._replace(at="fence", todo=self._marked(me.places))

    def _marked(self, places: int) -> int:
        """Places whose statics can say something: the child's only ever say "closed", and where nobody closes nothing."""
        return places if self.may_be_closed else places & -places

    def _head(self, world, me):
        """Alone: before the intent, or again after a refusal."""
        label, mine = _head_label(world.truth), me._replace(head=world.truth)
        if me.todo:
            yield label, world, mine._replace(at="announce")
        elif self._skips_fence(me):
            yield self._decide(label, world, mine)
        else:
            yield label, world, mine._replace(at="fence", todo=self._marked(mine.places))

    def _skips_fence(self, me: WriterState) -> bool:
        if me.attempt and Weakening.RETRY_WITHOUT_FENCE in self.weak:
            return True
        return bool(self.weak & {Weakening.NO_FENCE_CHECK, Weakening.FENCE_BEFORE_HEAD})

    # ---- 2. still under the body: the fence -----------------------------------------------------------------------------

    def _fence(self, world, me):
        """Reads the statics of its places; when they say more than the map knew, reads the map again."""
        if Weakening.NO_FENCE_CHECK in self.weak:
            yield self._decide("does not look at the fence", world, me)
            return
        for place in bits(me.todo):
            found = place_of(world, place)
            label = f"reads the statics of {name_of(place)}"
            if found.closed:
                yield self._refuse(f"{label}: closed", world, me)
            elif not me.places & CHILD and (found.moved or (found.fence and not me.reloaded)):
                yield f"{label}: fence {found.fence}, moved {found.moved}", world, me._replace(at="reload", todo=0)
            elif me.todo & ~place:
                yield label, world, me._replace(todo=me.todo & ~place)
            elif Weakening.FENCE_BEFORE_HEAD in self.weak:
                yield label, world, me._replace(at="head", todo=0)
            else:
                yield self._decide(label, world, me)

    def _reload(self, world, me):
        """A map that still does not know of a split, read after the fence was seen: the split was given up."""
        mine = me._replace(map=world.map, reloaded=True)
        new = PLACES_OF_MAP[world.map] & ~me.places
        if not new:
            mine = mine._replace(at="fence", todo=self._marked(me.places))
        elif Weakening.NO_INTENTS in self.weak:
            mine = mine._replace(at="head", places=me.places | new)
        else:
            mine = mine._replace(at="announce", todo=new)
        yield f"reads the map: {world.map}", world, mine

    # ---- 3. decide, and the commit point --------------------------------------------------------------------------------

    def _decide(self, label, world, me):
        kind, head = self._request(me).kind, me.head
        if kind == "create" and head.value:
            return self._refuse(f"{label}; 412", world, me)
        if kind == "delete" and not head.value:
            return f"{label}; nothing to delete, 204", world, self._finish(me)
        request = self._request(me)
        value = 0 if kind == "delete" else request.number
        replaced = bit(head.value) if self.notes else 0
        batch = Batch(head.seq, head.op, self._op(me), request.number, value, replaced, kind == "create")
        must_drain = head.pending and Weakening.NO_DRAIN_BEFORE_REPLACE not in self.weak
        if must_drain:
            return label, world, me._replace(at="drain", todo=0, batch=batch)
        return label, world, me._replace(at="cas", todo=0, head=None, batch=batch)

    def _drain(self, world, me):
        """Copies the notes that its batch is going to replace."""
        yield "drains the notes it found", world._replace(queue=world.queue | me.head.pending), me._replace(at="cas", head=None)

    def _cas(self, world, me):
        after = cas(world, me.batch)
        if after is not None:
            yield self._done("its batch is applied", after, me)
        else:
            yield self._again("its batch is refused", world, me)
        if self.timeouts:
            yield "its batch times out", send_late(world, me.batch), me._replace(at="settle")

    def _again(self, label, world, me):
        """A certain no: decide anew, on a new head."""
        if me.attempt + 1 >= self.attempts_max:
            return self._refuse(f"{label}; gives up", world, me)
        mine = me._replace(attempt=me.attempt + 1, batch=None, head=None)
        return label, world, self._attempt(mine, me.places) if self.reannounces else mine._replace(at="head")

    def _settle(self, world, me):
        """A time-out is unknown. Only a batch that answers tells more; it may time out again for ever."""
        if Weakening.SERIAL_READ_DECIDES in self.weak:
            if me.batch.op in (world.truth.op, world.truth.prev_op):
                yield self._done("reads the head: applied", world, me)
            else:
                yield self._refuse("reads the head: not applied", world, me)
            return
        after = cas(world, me.batch)
        if after is not None:
            yield self._done("repeats its batch, which is applied", after, me)
        elif Weakening.SEQ_ALONE_DECIDES in self.weak and world.truth.seq == me.batch.seq:
            yield self._done("repeats its batch; the head has its sequence", world, me)
        else:
            yield "repeats its batch, which is refused", world, me._replace(at="look")
        yield self._unknown("gives up: 503, unknown", world, me)

    def _look(self, world, me):
        truth, batch = world.truth, me.batch
        label = f"reads the head {truth.seq} (op {truth.op} after {truth.prev_op})"
        if batch.op in (truth.op, truth.prev_op):
            yield self._done(f"{label}: it was applied", world, me)
        elif truth.prev_op == batch.prev_op:
            yield self._again(f"{label}: it never was and never will be", world, me)
        else:
            yield self._unknown(f"{label}: unknown", world, me)

    # ---- the reply ------------------------------------------------------------------------------------------------------

    def _done(self, label, world, me):
        if not world.applied & bit(me.batch.request):
            raise Broken(f"{self.name} {label}: request {me.batch.request} is told success, and it did not happen")
        named = PLACES_OF_MAP[me.map]  # the newest map that it knows; older places only hold its intent
        return f"{label}; success", world, me._replace(at="rows", todo=named, head=None, unsettled=NEVER)

    def _refuse(self, label, world, me):
        """Certainly nothing happened. What was stored for it becomes garbage."""
        request = self._request(me)
        if world.applied & bit(request.number):
            raise Broken(f"{self.name} {label}: request {request.number} is told that nothing happened, and it did")
        refused = world.refused | bit(request.number)
        queue = world.queue | (bit(request.number) if self.notes and request.kind != "delete" else 0)
        return f"{label}; refused", world._replace(refused=refused, queue=queue), self._finish(me)

    def _finish(self, me: WriterState) -> WriterState:
        """Nothing was changed: only the intents go, unless an earlier batch of this worker may still land under them."""
        if me.unsettled != NEVER and Weakening.NEXT_REQUEST_CLEARS_UNKNOWN not in self.weak:
            return self._next(me)
        return me._replace(at="clear", todo=me.places, head=None, batch=None)

    def _unknown(self, label, world, me):
        """Intent and data stay."""
        if Weakening.UNKNOWN_CLEARS_INTENT in self.weak:
            return label, world, me._replace(at="clear", todo=me.places, head=None, batch=None)
        return label, world, self._next(me._replace(unsettled=me.batch.prev_seq))

    # ---- 4. after the reply: the listing rows, the notes, then the intents go ---------------------------------------------

    def _rows(self, world, me):
        for place in bits(me.todo):
            todo = me.todo & ~place
            mine = me._replace(todo=todo)
            if not todo:
                mine = self._after_rows(mine)
            yield f"writes the row in {name_of(place)}", write_row(world, place, me.batch.value, me.batch.seq), mine

    def _after_rows(self, me: WriterState) -> WriterState:
        has_notes = bool(me.batch.pending)
        if has_notes and Weakening.CLEAR_BEFORE_DRAIN not in self.weak:
            return me._replace(at="notes", todo=me.places)
        return me._replace(at="clear", todo=me.places, batch=me.batch if has_notes else None)

    def _notes(self, world, me):
        mine = me._replace(at="clear", todo=me.places, batch=None)
        if Weakening.CLEAR_BEFORE_DRAIN in self.weak:
            mine = self._next(me)
        yield "drains its notes", world._replace(queue=world.queue | me.batch.pending), mine

    def _clear(self, world, me):
        if Weakening.NO_INTENTS in self.weak:
            yield "is done", world, self._next(me)
            return
        for place in bits(me.todo):
            todo = me.todo & ~place
            mine = me._replace(todo=todo)
            if not todo:
                mine = self._next(me) if me.batch is None else me._replace(at="notes")
            yield f"deletes its intent in {name_of(place)}", delete_intent(world, place, self.worker, self._op(me)), mine

    def _next(self, me: WriterState) -> WriterState:
        """The next request, if there is one; the intent of an unknown outcome is remembered."""
        if me.turn + 1 < len(self.requests):
            return WriterState(turn=me.turn + 1, unsettled=me.unsettled)
        return WriterState(at="end", turn=me.turn)


def _head_label(truth: Truth) -> str:
    return f"reads the head {truth.seq} (op {truth.op}, value {truth.value})"
