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

NOTES_MAX = 256  # of one step: bounds memory and the size of a trash request
WAITING_MAX = 100_000  # notes that wait for a disk and are read again each step, so that those behind them are reached


class Progress(msgspec.Struct, frozen=True):
    """What one step did."""

    finished: int = 0  # notes
    trashed: int = 0  # fragments that were there
    waiting: int = 0  # notes that wait for a disk


class GarbageCollector:
    """Run ``step`` from one process at a time (the lease "garbage")."""

    def __init__(self, store: MetadataStore, cluster: ClusterView, client: DatanodeClient, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._clock = clock
        self._waiting = 0

    async def step(self) -> Progress:
        """Trash what is due. Raises ``MetadataUnavailable``."""
        limit = NOTES_MAX + min(self._waiting, WAITING_MAX)
        notes = await self._store.due_garbage(self._clock.now_us(), limit)
        by_disk: dict[str, tuple[Disk, list[tuple[bytes, int]]]] = {}
        needs = [self._collect(note, by_disk) for note in notes]
        answers = await asyncio.gather(*(self._trash(disk, fragments) for disk, fragments in by_disk.values()))
        answered = {uuid for uuid, count in zip(by_disk, answers, strict=True) if count is not None}
        finished = [note.note_id for note, disks in zip(notes, needs, strict=True) if disks <= answered]
        if finished:
            await self._store.finish_garbage(finished)
        self._waiting = len(notes) - len(finished)
        return Progress(len(finished), sum(count or 0 for count in answers), self._waiting)

    def _collect(self, note: GarbageNote, by_disk: dict[str, tuple[Disk, list[tuple[bytes, int]]]]) -> set[str]:
        """Add the note's fragments to their disks; returns the disks that must answer."""
        disks: set[str] = set()
        for segment in note.layout.segments:
            for stripe in stripes(segment):
                for slot in stripe.slots():
                    disk = self._cluster.disk_of(stripe.pg, slot)
                    if disk is None:  # a slot that this map does not know: nobody can answer for it
                        disks.add("")
                        continue
                    disks.add(disk.uuid)
                    by_disk.setdefault(disk.uuid, (disk, []))[1].append((stripe.stripe_id, slot))
        return disks

    async def _trash(self, disk: Disk, fragments: Sequence[tuple[bytes, int]]) -> int | None:
        """How many were there; None when the disk did not answer for all of them."""
        trashed = 0
        try:
            for at in range(0, len(fragments), TRASH_FRAGMENTS_MAX):
                reply = await self._client.trash(disk, fragments[at : at + TRASH_FRAGMENTS_MAX])
                trashed += reply.trashed
        except DatanodeError:
            return None
        return trashed
