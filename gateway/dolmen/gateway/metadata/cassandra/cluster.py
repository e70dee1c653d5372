"""The cluster map by compare-and-set on its epoch, and leases."""

from __future__ import annotations

import asyncio

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.settle import Settled, settle, telling
from dolmen.gateway.metadata.cassandra.turns import Turns
from dolmen.gateway.metadata.records import Lease
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown, StaleEpoch

LEASE_SECONDS_MAX = 5.0  # among others who want the same lease: by then one of them has it
_MAP = "map"

_GET_MAP = Statement("SELECT epoch, raw FROM cluster_state WHERE name = ?", Kind.READ)
_FIRST_MAP = Statement("INSERT INTO cluster_state (name, epoch, raw) VALUES (?, ?, ?) IF NOT EXISTS", Kind.CAS)
_NEXT_MAP = Statement("UPDATE cluster_state SET epoch = ?, raw = ? WHERE name = ? IF epoch = ?", Kind.CAS)
_GET_LEASE = Statement("SELECT owner, until_us, rev FROM leases WHERE name = ?", Kind.READ)
_FIRST_LEASE = Statement("INSERT INTO leases (name, owner, until_us, rev) VALUES (?, ?, ?, ?) IF NOT EXISTS", Kind.CAS)
# With the exact end: a lease is never the same again, though its revision restarts at 1.
_NEXT_LEASE = Statement(
    "UPDATE leases SET owner = ?, until_us = ?, rev = ? WHERE name = ? IF owner = ? AND until_us = ? AND rev = ?", Kind.CAS
)
_END_LEASE = Statement("DELETE FROM leases WHERE name = ? IF owner = ? AND until_us = ? AND rev = ?", Kind.CAS)


class ClusterState:
    """The map and the leases of the port."""

    def __init__(self, cql: Cql, clock: Clock) -> None:
        self._cql = cql
        self._clock = clock
        self._turns = Turns()

    async def get_map(self) -> tuple[int, bytes] | None:
        """As in the port."""
        rows = await self._cql.run(_GET_MAP, _MAP)
        return (rows[0][0], rows[0][1]) if rows else None

    async def publish_map(self, expected_epoch: int, epoch: int, raw: bytes) -> None:
        """As in the port."""
        if epoch > expected_epoch:
            settled = await self._publish(expected_epoch, epoch, raw)
            if settled.applied:
                return
            with telling(settled):
                held = await self.get_map()
            if settled.doubtful and held is not None:
                if held == (epoch, raw):
                    return
                if held[0] > epoch:
                    raise MetadataUnknown("a map was not answered for, and another one followed")
        else:
            held = await self.get_map()
        held_epoch = 0 if held is None else held[0]
        raise StaleEpoch(f"epoch {expected_epoch} was expected, {held_epoch} is published")

    async def _publish(self, expected_epoch: int, epoch: int, raw: bytes) -> Settled:
        if expected_epoch == 0:
            return await settle(self._cql, [Bound(_FIRST_MAP, (_MAP, epoch, raw))])
        return await settle(self._cql, [Bound(_NEXT_MAP, (epoch, raw, _MAP, expected_epoch))])

    async def acquire_lease(self, name: str, owner: str, seconds: float) -> Lease | None:
        """As in the port."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LEASE_SECONDS_MAX
        async with self._turns.of(name):
            for pause_seconds in pauses():
                now_us = self._clock.now_us()
                held = await self._held(name)
                if held is not None and held[0] != owner and held[1] > now_us:
                    return None
                rev = 1 if held is None else held[2] + 1
                wanted = (owner, now_us + int(seconds * 1_000_000), rev)
                settled = await settle(self._cql, [_taking(name, wanted, held)])
                # Nobody else writes our name, and we never the same end twice.
                if settled.applied or await self._is_held(name, wanted, settled):
                    return Lease(name=name, owner=owner, until_us=wanted[1], rev=rev)
                if loop.time() + pause_seconds > deadline:
                    break
                await asyncio.sleep(pause_seconds)
        raise MetadataUnavailable("too many others want the same lease")

    async def release_lease(self, lease: Lease) -> None:
        """As in the port: one that is not held any more is left alone."""
        async with self._turns.of(lease.name):
            held = await self._held(lease.name)
            if held is not None and (held[0], held[2]) == (lease.owner, lease.rev):
                await settle(self._cql, [Bound(_END_LEASE, (lease.name, *held))])

    async def _is_held(self, name: str, wanted: Row, refused: Settled) -> bool:
        if not refused.doubtful:
            return False
        with telling(refused):
            return await self._held(name) == wanted

    async def _held(self, name: str) -> Row | None:
        """(owner, until_us, rev)"""
        rows = await self._cql.run(_GET_LEASE, name)
        return rows[0] if rows else None


def _taking(name: str, wanted: Row, held: Row | None) -> Bound:
    if held is None:
        return Bound(_FIRST_LEASE, (name, *wanted))
    return Bound(_NEXT_LEASE, (*wanted, name, *held))
