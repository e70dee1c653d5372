"""Publishes the cluster map: by compare-and-set in the metadata store, then by hand to every datanode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dolmen.core.cluster_map import encode_map
from dolmen.core.errors import ConfigError
from dolmen.core.telemetry.log import get_logger
from dolmen.datanode.client import DatanodeClient, DatanodeError
from dolmen.gateway.maintenance.topology import (
    Geometry,
    PublishedMap,
    decode_published,
    first_map,
    next_map,
    without_incomplete,
)
from dolmen.gateway.maintenance.watch import Watch
from dolmen.gateway.metadata.store import MetadataStore, StaleEpoch
from dolmen.gateway.objects.cluster import ClusterView


class Publisher:
    """Only the holder of the lease calls ``step`` and ``completed``; a second one would lose the compare-and-set."""

    def __init__(
        self,
        *,
        store: MetadataStore,
        cluster: ClusterView,
        client: DatanodeClient,
        watch: Watch,
        cluster_id: str,
        geometry: Geometry,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._watch = watch
        self._cluster_id = cluster_id
        self._geometry = geometry
        self._turn = asyncio.Lock()
        self._pool_trouble = ""
        self.published: PublishedMap | None = None  # as last read; the view has the same epoch
        self._log = get_logger("publisher")
        self.waiting_for = "the first look at the datanodes"  # why there is no map yet

    async def current(self) -> PublishedMap | None:
        """The published map; installs it in this process's view. Raises ``MetadataUnavailable``, ``MsgspecError``."""
        found = await self._store.get_map()
        if found is None:
            return None
        self.published = decode_published(found[1])
        self._cluster.install(self.published)
        return self.published

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Disks that may lack fragments, by uuid."""
        return () if self.published is None else self.published.incomplete

    async def step(self) -> PublishedMap | None:
        """Bring the map up to what the watch saw; None while the first cannot be made."""
        current = await self._change(self._next)
        if current is not None:
            await self._push(current)
        return current

    def _next(self, found: PublishedMap) -> PublishedMap:
        sightings = self._watch.sightings
        try:
            return next_map(found, sightings, self._geometry.pools)
        except ConfigError as error:  # the disks cannot carry a pool that the settings ask for: go on without it
            if str(error) != self._pool_trouble:
                self._pool_trouble = str(error)
                self._log.error("a storage class cannot have its scheme", reason=self._pool_trouble)
            return next_map(found, sightings, found.pools)

    async def completed(self, uuid: str) -> None:
        """This disk has everything that the other members of its groups know of."""
        await self._change(lambda found: without_incomplete(found, uuid))

    async def _change(self, decide: Callable[[PublishedMap], PublishedMap]) -> PublishedMap | None:
        async with self._turn:
            current = await self.current()
            wanted = self._first() if current is None else decide(current)
            if wanted is None or wanted is current:
                return current
            expected = 0 if current is None else current.epoch
            try:
                await self._store.publish_map(expected, wanted.epoch, encode_map(wanted))
            except StaleEpoch:
                self._log.warning("another publisher was first", epoch=wanted.epoch)
            else:
                self._log.info("cluster map published", epoch=wanted.epoch, incomplete=len(wanted.incomplete))
            return await self.current()

    def _first(self) -> PublishedMap | None:
        watch = self._watch
        try:
            return first_map(self._cluster_id, watch.sightings, watch.silent, self._geometry)
        except ConfigError as error:
            if str(error) != self.waiting_for:
                self.waiting_for = str(error)
                self._log.info("no cluster map yet", reason=self.waiting_for)
            return None

    async def _push(self, current: PublishedMap) -> None:
        raw = encode_map(current)
        late = [address for address, reply in self._watch.replies.items() if reply.epoch < current.epoch]
        for outcome in await asyncio.gather(*(self._client.push_map(each, raw) for each in late), return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, DatanodeError):
                raise outcome
