"""Copying a store to another one while it serves: a pass over everything, then what changed meanwhile, then a comparison.

A source in a file logs the places of what changes; a source in Cassandra is asked which keys have changed since the pass before.
Only the last round needs that nobody writes, and it moves no more than what changed since the round before it. The target must
not serve before that round is done: until then it may hold a note about data that a version in it still refers to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.embedded.follow import FollowedFile, Noted
from dolmen.gateway.metadata.transfer import PAGE_ITEMS, ItemKind, Place, Position, Transferable, place_of, walk

SECOND_US = 1_000_000
ROUNDS_MAX = 5  # over the log while the source serves: a busy one is never done
SKEW_US = 60 * SECOND_US  # sequences are of the writers' clocks; gateways refuse to start when theirs are a second apart
HEADS_TRUSTED_US = 20 * 3600 * SECOND_US  # deleted keys stay known for a day; after this long everything is compared instead
_OTHER_KINDS = tuple(kind for kind in ItemKind if kind is not ItemKind.VERSION)

Show = Callable[[ItemKind, int, int | None], None]  # what is being moved, how many so far, of how many


class CopyState(msgspec.Struct, frozen=True):
    """Kept in the file of the pair, whichever side it is."""

    began_us: int  # of the pass over everything
    position: Position = Position()
    since_us: int = 0  # everything that changed before was moved; 0: no pass is complete
    is_final: bool = False


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. ``left``: places in the source's log, to be moved by the next run; None when it has no log."""

    moved: dict[str, int]
    removed: int
    left: int | None
    final: bool
    seconds: float


class ChangingSource(Transferable, Protocol):
    """A source that can tell which keys have changed."""

    def changed_keys(self, since_us: int) -> AsyncIterator[Sequence[tuple[bytes, bytes]]]:
        """(bucket id, key) of all keys whose newest change has a sequence of ``since_us`` or later; deleted ones too, for a day."""
        ...


class Copy:
    """One run of a copy between a file (``keeper``, which holds the state) and another store."""

    def __init__(self, keeper: FollowedFile, peer: str, clock: Clock, show: Show) -> None:
        """``peer``: address of the other store, without secrets: a state belongs to it."""
        self._keeper = keeper
        self._peer = peer
        self._clock = clock
        self._show = show
        self._moved: dict[str, int] = {}
        self._removed = 0

    # ---- from the file -------------------------------------------------------------------------------------------

    async def from_file(self, target: Transferable, *, final: bool) -> Copied:
        """Raises ``ConfigError`` when ``target`` holds something else, or a last round comes before the first."""
        started = self._clock.monotonic_seconds()
        state = await self._state("to", self._keeper, target, final=final)
        await self._keeper.follow(self._peer)
        if not state.position.done:
            state = await self._everything(self._keeper, target, "to", state)
        left = await self._drain(target, until_empty=final)
        await self._keep("to", msgspec.structs.replace(state, since_us=state.began_us, is_final=final))
        return self._told(started, left, final=final)

    async def _drain(self, target: Transferable, *, until_empty: bool) -> int:
        """Move what the log names. Returns how much has come meanwhile."""
        rounds = 0
        while left := await self._keeper.noted_count():
            rounds += 1
            if rounds > ROUNDS_MAX and not until_empty:
                return left
            while left > 0:
                notes = await self._keeper.noted(PAGE_ITEMS)
                await self._settle_notes(target, notes)
                await self._keeper.take_off(notes)
                left -= max(1, len(notes))
        return 0

    async def _settle_notes(self, target: Transferable, notes: Sequence[Noted]) -> None:
        for kind in ItemKind:
            await self._settle(self._keeper, target, kind, [note.place for note in notes if note.kind is kind])

    # ---- from Cassandra ------------------------------------------------------------------------------------------

    async def to_file(self, source: ChangingSource, *, final: bool) -> Copied:
        """As ``from_file``, the other way round."""
        started = self._clock.monotonic_seconds()
        state = await self._state("from", source, self._keeper, final=final)
        if not state.position.done:
            state = await self._everything(source, self._keeper, "from", state)
            state = msgspec.structs.replace(state, since_us=state.began_us)
            await self._keep("from", state)
        now_us = self._clock.now_us()
        if now_us - state.since_us > HEADS_TRUSTED_US:
            await self._compare_all(source, ItemKind.VERSION)
        else:
            async for keys in source.changed_keys(state.since_us - SKEW_US):
                await self._settle_keys(source, keys)
        for kind in _OTHER_KINDS:
            await self._compare_all(source, kind)
        await self._keep("from", msgspec.structs.replace(state, since_us=now_us, is_final=final))
        return self._told(started, None, final=final)

    async def _settle_keys(self, source: Transferable, keys: Sequence[tuple[bytes, bytes]]) -> None:
        places: list[Place] = []
        for bucket_id, key in keys:
            slots = {*await source.slots(bucket_id, key), *await self._keeper.slots(bucket_id, key)}
            places += [(bucket_id, key, slot) for slot in sorted(slots)]
        for at in range(0, len(places), PAGE_ITEMS):
            await self._settle(source, self._keeper, ItemKind.VERSION, places[at : at + PAGE_ITEMS])

    async def _compare_all(self, source: Transferable, kind: ItemKind) -> None:
        """Move what differs, remove what ``source`` does not have."""
        async for _, items, _ in walk(source, Position(kind), (kind,)):
            held = {place_of(item): item for item in await self._keeper.fetch(kind, [place_of(item) for item in items])}
            fresh = [item for item in items if held.get(place_of(item)) != item]
            await self._keeper.load(fresh)
            self._count(kind, len(fresh))
        async for _, items, _ in walk(self._keeper, Position(kind), (kind,)):
            places = [place_of(item) for item in items]
            there = {place_of(item) for item in await source.fetch(kind, places)}
            await self._forget(self._keeper, kind, [place for place in places if place not in there])

    # ---- both ----------------------------------------------------------------------------------------------------

    async def _everything(self, source: Transferable, target: Transferable, way: str, state: CopyState) -> CopyState:
        """The pass over all items, from where it was cut short."""
        totals: dict[ItemKind, int] = {}
        async for kind, items, position in walk(source, state.position):
            if kind not in totals and source is self._keeper:  # elsewhere counting is reading everything
                totals[kind] = await source.count(kind)
            await target.load(items)
            self._count(kind, len(items))
            self._show(kind, self._moved.get(kind.name.lower(), 0), totals.get(kind))
            state = msgspec.structs.replace(state, position=position)
            await self._keep(way, state)
        return state

    async def _settle(self, source: Transferable, target: Transferable, kind: ItemKind, places: Sequence[Place]) -> None:
        """Make these places of ``target`` what they are in ``source`` now."""
        if not places:
            return
        items = await source.fetch(kind, places)
        there = {place_of(item) for item in items}
        await target.load(items)
        self._count(kind, len(items))
        await self._forget(target, kind, [place for place in places if place not in there])
        self._show(kind, self._moved.get(kind.name.lower(), 0), None)

    async def _forget(self, target: Transferable, kind: ItemKind, places: Sequence[Place]) -> None:
        await target.forget(kind, places)
        self._removed += len(places)

    def _count(self, kind: ItemKind, moved: int) -> None:
        if moved:
            name = kind.name.lower()
            self._moved[name] = self._moved.get(name, 0) + moved

    async def _state(self, way: str, source: Transferable, target: Transferable, *, final: bool) -> CopyState:
        raw = await self._keeper.read_state(f"{way} {self._peer}")
        if raw is not None:
            state = msgspec.msgpack.decode(raw, type=CopyState)
            if final and not state.position.done:
                raise ConfigError("the pass over everything is not complete: run the copy without --final first")
            if state.position.done and await held_kind(target) is None and await held_kind(source) is not None:
                raise ConfigError("the target is empty, though everything was copied there: end that copy first (copy --end)")
            return state
        if final:
            raise ConfigError("nothing was copied there yet: run the copy without --final first")
        found = await held_kind(target)
        if found is not None:
            raise ConfigError(f"the target is not empty: it holds a {found.name.lower()}")
        state = CopyState(self._clock.now_us())
        await self._keep(way, state)
        return state

    async def _keep(self, way: str, state: CopyState) -> None:
        await self._keeper.write_state(f"{way} {self._peer}", msgspec.msgpack.encode(state))

    def _told(self, started_seconds: float, left: int | None, *, final: bool) -> Copied:
        seconds = round(self._clock.monotonic_seconds() - started_seconds, 3)
        return Copied(moved=self._moved, removed=self._removed, left=left, final=final, seconds=seconds)


async def held_kind(store: Transferable) -> ItemKind | None:
    """A kind of which the store holds something; None when it is empty."""
    async for kind, items, _ in walk(store, Position()):
        if items:
            return kind
    return None
