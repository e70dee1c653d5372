"""Coordinators that stopped with a batch in hand and go on at any later time, or never."""

from __future__ import annotations

from collections.abc import Iterator

from .state import World, cas


class Coordinator:
    """All of them; what they hold is ``World.late``."""

    name = "a stopped coordinator"

    def start(self) -> tuple[()]:
        return ()

    def steps(self, world: World, me: tuple[()]) -> Iterator[tuple[str, World, tuple[()]]]:
        for batch in world.late:
            after = cas(world, batch)
            if after is not None:
                yield f"goes on: the batch of request {batch.request} (op {batch.op}) is applied", after, me
