"""Comparing all that two stores hold, item by item."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dolmen.gateway.metadata.transfer import Item, ItemKind, Place, Position, Transferable, place_of, walk

DIFFERENCES_TOLD = 100  # the rest is only counted: nobody reads more, and a wrong target would fill the memory


class Difference(msgspec.Struct, frozen=True):
    """``what``: "differs", "missing" (in the second store), "extra" (there)."""

    kind: str
    place: list[str | int]
    what: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """``items``: of the first store, by kind. ``different``: how many there are; ``told``: the first of them."""

    items: dict[str, int]
    different: int
    told: list[Difference]


async def compare(
    first: Transferable, second: Transferable, show: Callable[[ItemKind, int, int | None], None], *, walk_first: bool
) -> Compared:
    """Whether both hold exactly the same. ``walk_first``: the first one is read as a whole, the second one by places.

    The store whose single reads are cheap should be the one that is read by places: the other one is only so for what it lacks.
    """
    walked, asked = (first, second) if walk_first else (second, first)
    lacking, beyond = ("missing", "extra") if walk_first else ("extra", "missing")
    found = _Found()
    counts: dict[ItemKind, int] = {}
    for kind in ItemKind:
        seen = matched = 0
        async for _, items, _ in walk(walked, Position(kind), (kind,)):
            held = {place_of(item): item for item in await asked.fetch(kind, [place_of(item) for item in items])}
            matched += len(held)
            seen += len(items)
            for item in items:
                found.judge(kind, item, held.get(place_of(item)), lacking)
            show(kind, seen, None)
        asked_count = await asked.count(kind)
        if asked_count != matched:  # the asked one holds what was not walked over
            await _beyond(kind, asked, walked, found, beyond)
        counts[kind] = seen if walk_first else asked_count
    return Compared(
        items={kind.name.lower(): count for kind, count in counts.items() if count}, different=found.count, told=found.told
    )


async def _beyond(kind: ItemKind, asked: Transferable, walked: Transferable, found: _Found, what: str) -> None:
    async for _, items, _ in walk(asked, Position(kind), (kind,)):
        there = {place_of(item) for item in await walked.fetch(kind, [place_of(item) for item in items])}
        for item in items:
            if place_of(item) not in there:
                found.add(kind, place_of(item), what)


class _Found:
    def __init__(self) -> None:
        self.count = 0
        self.told: list[Difference] = []

    def judge(self, kind: ItemKind, item: Item, other: Item | None, lacking: str) -> None:
        if other != item:
            self.add(kind, place_of(item), lacking if other is None else "differs")

    def add(self, kind: ItemKind, place: Place, what: str) -> None:
        self.count += 1
        if len(self.told) < DIFFERENCES_TOLD:
            self.told.append(Difference(kind.name.lower(), [readable(part) for part in place], what))


def readable(part: bytes | str | int) -> str | int:
    """A part of a place for people: keys as text where they are text, ids in hexadecimal."""
    if not isinstance(part, bytes):
        return part
    try:
        text = part.decode()
    except UnicodeDecodeError:
        return part.hex()
    return text if text.isprintable() else part.hex()
