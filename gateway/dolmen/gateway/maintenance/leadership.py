"""One of several maintenance processes acts: the one that holds the lease."""

from __future__ import annotations

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.records import Lease
from dolmen.gateway.metadata.store import MetadataStore

LEASE = "maintenance"
RENEWALS = 3  # tries within one lease: a single slow commit must not cost it


class Leadership:
    """``renew`` is called every ``lease_seconds / RENEWALS``; ``held`` turns false by itself when renewals fail."""

    def __init__(self, store: MetadataStore, clock: Clock, owner: str, lease_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._seconds = lease_seconds
        self._lease: Lease | None = None
        self._until_seconds = 0.0
        self._log = get_logger("leadership")

    @property
    def interval_seconds(self) -> float:
        return self._seconds / RENEWALS

    @property
    def held(self) -> bool:
        """Counted on our own clock from before the request, so that we stop before the store gives it to another."""
        return self._clock.monotonic_seconds() < self._until_seconds

    async def renew(self) -> bool:
        """Take or keep the lease; returns ``held``."""
        asked = self._clock.monotonic_seconds()
        had = self.held
        try:
            self._lease = await self._store.acquire_lease(LEASE, self._owner, self._seconds)
            self._until_seconds = asked + self._seconds if self._lease is not None else 0.0
        except DolmenError as error:
            self._log.warning("lease cannot be renewed", error=str(error))
        if self.held != had:
            self._log.info("leading" if self.held else "not leading", owner=self._owner)
        return self.held

    async def release(self) -> None:
        """Let another begin at once."""
        lease, self._lease, self._until_seconds = self._lease, None, 0.0
        if lease is not None:
            try:
                await self._store.release_lease(lease)
            except DolmenError as error:
                self._log.warning("lease cannot be given back, it runs out by itself", error=str(error))
