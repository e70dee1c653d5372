"""What the datanodes say of their disks, asked again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dolmen.core.telemetry.log import get_logger
from dolmen.core.wire import StatusReply
from dolmen.datanode.client import DatanodeClient, DatanodeError
from dolmen.gateway.maintenance.topology import Sighting

STATUS_SECONDS = 2.0  # a datanode that takes longer to say how it is counts as silent


class Watch:
    """The last answers of every datanode."""

    def __init__(self, client: DatanodeClient, addresses: Sequence[str]) -> None:
        self._client = client
        self._addresses = tuple(dict.fromkeys(addresses))
        self._log = get_logger("watch")
        self.replies: dict[str, StatusReply] = {}
        self.silent: tuple[str, ...] = self._addresses
        self.fragments_seen: dict[str, int] = {}  # by disk uuid, the last count while it was usable
        self._states: dict[str, str] = {}

    async def look(self) -> bool:
        """Ask all at once; returns whether a disk changed its state since the last look."""
        answers = await asyncio.gather(*(self._ask(address) for address in self._addresses))
        self.replies = {
            address: reply for address, reply in zip(self._addresses, answers, strict=True) if reply is not None
        }
        self.silent = tuple(address for address in self._addresses if address not in self.replies)
        states = {}
        for sighting in self.sightings:
            status = sighting.status
            states[status.location] = f"{status.state} {status.uuid}"
            if sighting.usable:
                self.fragments_seen[status.uuid] = status.fragments
        before, self._states = self._states, states
        for location in states.keys() | before.keys():
            if before.get(location) != states.get(location) and before:
                self._log.info("disk", location=location, state=states.get(location, "unreachable"))
        return before != states

    async def _ask(self, address: str) -> StatusReply | None:
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                return await self._client.status(address)
        except (DatanodeError, TimeoutError):
            return None

    @property
    def sightings(self) -> list[Sighting]:
        return [
            Sighting(address, reply.node, status) for address, reply in self.replies.items() for status in reply.disks
        ]

    def usable(self, uuid: str) -> bool:
        """Whether a datanode said at the last look that it serves this disk."""
        return any(sighting.usable and sighting.status.uuid == uuid for sighting in self.sightings)
