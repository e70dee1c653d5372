"""Garbage collection: what no row refers to any more is trashed on every disk of its group, then forgotten.

A note is finished only when every disk that may hold a fragment has answered. While a disk is away its notes stay, so a disk
that returns after a delete is cleaned like the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.cluster_map import Disk
from dolmen.core.layout import stripes
from dolmen.core.wire import TRASH_FRAGMENTS_MAX
from dolmen.datanode.client import DatanodeClient, DatanodeError
from dolmen.gateway.metadata.records import GarbageNote
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView

NOTES_MAX = 256  # of one step
NOTES_MIN = 8  # of one step when notes are large: the layout of a 5 TiB object alone has 10,000 segments
FRAGMENTS_MAX = 32_768  # gathered before they are sent: some 5 MB, whatever the size of an object
WAITING_MAX = 10_000  # notes that wait for a disk and are read again each step, so that those behind them are reached


class Progress(msgspec.Struct, frozen=True):
    """What one step did."""

    finished: int = 0  # notes
    trashed: int = 0  # fragments that were there
    waiting: int = 0  # notes that wait for a disk
    full: bool = False  # as many notes as a step takes: there may be more


class _Sweep:
    """The fragments of one step on their way to the disks."""

    def __init__(self, client: DatanodeClient) -> None:
        self._client = client
        self._by_disk: dict[str, tuple[Disk, list[tuple[bytes, int]]]] = {}
        self._gathered = 0
        self.failed: set[str] = set()  # disks that did not answer for all of theirs
        self.trashed = 0
        self.sent = 0

    async def add(self, disk: Disk, fragment: tuple[bytes, int]) -> None:
        self._by_disk.setdefault(disk.uuid, (disk, []))[1].append(fragment)
        self._gathered += 1
        if self._gathered >= FRAGMENTS_MAX:
            await self.flush()

    async def flush(self) -> None:
        batch, self._by_disk = self._by_disk, {}
        self.sent += self._gathered
        self._gathered = 0
        await asyncio.gather(
            *(self._trash(disk, fragments) for uuid, (disk, fragments) in batch.items() if uuid not in self.failed)
        )

    async def _trash(self, disk: Disk, fragments: Sequence[tuple[bytes, int]]) -> None:
        try:
            for at in range(0, len(fragments), TRASH_FRAGMENTS_MAX):
                reply = await self._client.trash(disk, fragments[at : at + TRASH_FRAGMENTS_MAX])
                self.trashed += reply.trashed
        except DatanodeError:
            self.failed.add(disk.uuid)


class GarbageCollector:
    """Run ``step`` from one process at a time (the lease). ``turn`` is shared with the repairer."""

    def __init__(
        self,
        store: MetadataStore,
        cluster: ClusterView,
        client: DatanodeClient,
        clock: Clock,
        *,
        turn: asyncio.Lock | None = None,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._clock = clock
        self._turn = turn or asyncio.Lock()
        self._waiting = 0
        self._notes_max = NOTES_MAX

    async def step(self) -> Progress:
        """Trash what is due. Raises ``MetadataUnavailable``."""
        async with self._turn:
            limit = self._notes_max + min(self._waiting, WAITING_MAX)
            notes = await self._store.due_garbage(self._clock.now_us(), limit)
            sweep = _Sweep(self._client)
            needs = [await self._collect(note, sweep) for note in notes]
            await sweep.flush()
            finished = [
                note.note_id
                for note, disks in zip(notes, needs, strict=True)
                if "" not in disks and not disks & sweep.failed
            ]
            if finished:
                await self._store.finish_garbage(finished)
        self._waiting = len(notes) - len(finished)
        large = sweep.sent > FRAGMENTS_MAX
        self._notes_max = max(NOTES_MIN, self._notes_max // 2) if large else min(NOTES_MAX, self._notes_max * 2)
        return Progress(len(finished), sweep.trashed, self._waiting, len(notes) >= limit)

    async def _collect(self, note: GarbageNote, sweep: _Sweep) -> set[str]:
        """Send the note's fragments on their way; returns the disks that must answer, "" for one that nobody knows."""
        disks: set[str] = set()
        for segment in note.layout.segments:
            for stripe in stripes(segment):
                for slot in stripe.slots():
                    disk = self._cluster.disk_of(stripe.pg, slot)
                    disks.add("" if disk is None else disk.uuid)
                    if disk is not None:
                        await sweep.add(disk, (stripe.stripe_id, slot))
        return disks
