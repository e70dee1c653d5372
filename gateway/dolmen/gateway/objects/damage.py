"""What reads find lost or rotten becomes durable repair rows, in batches: a read never waits for one."""

from __future__ import annotations

import asyncio

from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.records import RepairRow
from dolmen.gateway.metadata.store import MetadataStore

NOTES_MAX = 4096  # stripes noted and not yet in the store; what is dropped beyond is found by the next read, or by a scrub
NOTE_SECONDS = 1.0  # between two writes to the store: a rotten disk is met by thousands of reads


class DamageNotes:
    """Fragments that could not be used although their disk answered; one for each gateway process."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._slots: dict[tuple[int, bytes], set[int]] = {}
        self._log = get_logger("damage")

    def note(self, pg: int, stripe_id: bytes, slot: int) -> None:
        """Remember a fragment; costs nothing but memory."""
        key = (pg, stripe_id)
        if key in self._slots or len(self._slots) < NOTES_MAX:
            self._slots.setdefault(key, set()).add(slot)

    async def flush(self) -> None:
        """Write down what was noted. Raises what the store raises; the notes are kept then."""
        if not self._slots:
            return
        rows = [RepairRow(pg, stripe_id, tuple(sorted(slots))) for (pg, stripe_id), slots in self._slots.items()]
        await self._store.add_repairs(rows)
        for row in rows:
            left = self._slots[row.pg, row.stripe_id] - set(row.slots)  # noted while the store was written
            if left:
                self._slots[row.pg, row.stripe_id] = left
            else:
                del self._slots[row.pg, row.stripe_id]

    async def run(self) -> None:
        """Write notes down until cancelled."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            try:
                await self.flush()
            except DolmenError as error:
                self._log.warning("damage could not be noted", error=str(error), stripes=len(self._slots))
