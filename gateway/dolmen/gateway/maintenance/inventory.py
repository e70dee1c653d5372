"""The inventories of a group's members, merged by stripe id: one page of each in memory, whatever the group holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from dolmen.core.cluster_map import Disk
from dolmen.datanode.client import DatanodeClient, DatanodeError

INVENTORY_PAGE = 2048  # fragments of one member held at a time: the pages of a group stay below a megabyte
TURN_STRIPES = 512  # merged between two turns of the loop: other work of the process goes on


class _Member:
    """Where the merge stands on one disk."""

    def __init__(self, client: DatanodeClient, pg: int, disk: Disk) -> None:
        self.disk = disk
        self._client = client
        self._pg = pg
        self._page: tuple[tuple[bytes, int, int], ...] = ()
        self._at = 0
        self._last = False

    @property
    def head(self) -> tuple[bytes, int] | None:
        """(stripe id, slot) that comes next; None when there is no more (after ``fill``)."""
        return self._page[self._at][:2] if self._at < len(self._page) else None

    @property
    def empty(self) -> bool:
        return self._at >= len(self._page) and not self._last

    def advance(self) -> None:
        self._at += 1

    async def fill(self) -> None:
        """Read the next page. Raises ``DatanodeError``."""
        while self.empty:
            after = self._page[-1][0] if self._page else b""
            reply = await self._client.inventory(self.disk, self._pg, after, INVENTORY_PAGE)
            # A page may come out short or empty when fragments were trashed meanwhile; only ``complete`` says it is the last.
            self._last = reply.complete or not reply.fragments
            self._page, self._at = reply.fragments, 0


async def merged(
    client: DatanodeClient, pg: int, disks: Sequence[Disk], failed: Callable[[str], object]
) -> AsyncIterator[tuple[bytes, set[int]]]:
    """Every stripe id that any of ``disks`` has in this group, in order, with the slots that are there.

    A disk that stops answering is told to ``failed`` by its uuid and left out from then on.
    """
    members = [_Member(client, pg, disk) for disk in disks]
    count = 0
    while True:
        for member in [member for member in members if member.empty]:
            try:
                await member.fill()
            except DatanodeError:
                members.remove(member)
                failed(member.disk.uuid)
        heads = [member.head for member in members]
        ids = [head[0] for head in heads if head is not None]
        if not ids:
            return
        first = min(ids)
        present: set[int] = set()
        for member, head in zip(members, heads, strict=True):
            if head is not None and head[0] == first:
                present.add(head[1])
                member.advance()
        yield first, present
        count += 1
        if count % TURN_STRIPES == 0:
            await asyncio.sleep(0)
