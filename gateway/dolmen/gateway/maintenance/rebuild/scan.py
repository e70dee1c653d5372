"""Every fragment of every group, by what it says of itself: the members' pages merged by stripe id, a few pages in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from dolmen.core import wire
from dolmen.core.cluster_map import ClusterMap, Disk, Group, decode_map
from dolmen.core.errors import ConfigError
from dolmen.core.fragment import FragmentMeta
from dolmen.datanode.client import DatanodeClient, DatanodeError
from dolmen.gateway.maintenance.rebuild.fragments import SeenStripe, Told, Trouble, agreed

TRIES = 3  # of a page, before its disk is given up: a datanode that restarts is back within a second
RETRY_SECONDS = 1.0

Entry = tuple[bytes, int, int, FragmentMeta | None]


class Unheard(msgspec.Struct, frozen=True):
    """A disk that did not tell all that it has."""

    disk: str
    reason: str


async def find_map(client: DatanodeClient, addresses: Sequence[str], cluster_id: str) -> tuple[int, bytes] | None:
    """(epoch, JSON) of the newest map that a datanode holds; None when none holds one. Raises ``DatanodeError``."""
    newest: tuple[int, bytes] | None = None
    for address in addresses:
        raw = await client.get_map(address)
        if not raw:
            continue
        found = read_map(raw)
        if found.cluster_id == cluster_id and (newest is None or found.epoch > newest[0]):
            newest = found.epoch, raw
    return newest


def read_map(raw: bytes) -> ClusterMap:
    """Raises ``ConfigError``."""
    try:
        return decode_map(raw)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"the cluster map cannot be read: {error}") from error


async def present_map(client: DatanodeClient, addresses: Sequence[str], known: ClusterMap) -> tuple[ClusterMap, int]:
    """The map with the addresses at which its disks are served now, and how many fragments these say they have.

    Disks that no named datanode serves keep the address that the map has. Raises ``DatanodeError``.
    """
    served: dict[str, str] = {}
    fragments = 0
    for address in addresses:
        for disk in (await client.status(address)).disks:
            if disk.uuid:
                served[disk.uuid] = address
                fragments += disk.fragments
    disks = tuple(msgspec.structs.replace(disk, address=served.get(disk.uuid, disk.address)) for disk in known.disks)
    return msgspec.structs.replace(known, disks=disks), fragments


class _Member:
    """Where the merge stands on one disk."""

    def __init__(self, client: DatanodeClient, pg: int, disk: Disk) -> None:
        self.disk = disk
        self._client = client
        self._pg = pg
        self._page: tuple[Entry, ...] = ()
        self._at = 0
        self._last = False

    @property
    def head(self) -> Entry | None:
        return self._page[self._at] if self._at < len(self._page) else None

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._page) and not self._last

    def advance(self) -> None:
        self._at += 1

    async def fill(self) -> None:
        """Read the next page. Raises ``DatanodeError``."""
        while self.is_empty:
            after = self._page[-1][0] if self._page else b""
            reply = await self._read(after)
            # A page may come out short when fragments were trashed meanwhile; only ``complete`` says it is the last.
            self._last = reply.complete or not reply.fragments
            self._page, self._at = reply.fragments, 0

    async def _read(self, after: bytes) -> wire.MetasReply:
        for attempt in range(TRIES):
            try:
                return await self._client.metas(self.disk, self._pg, after, wire.METAS_LIMIT_MAX)
            except DatanodeError:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError("unreachable")


class Scan:
    """One pass over the groups of a map."""

    def __init__(self, client: DatanodeClient, cluster_map: ClusterMap, *, verify: bool = False) -> None:
        """``verify``: every byte of every fragment is read, and what does not match its CRC counts as lost."""
        self._client = client
        self._disks = {disk.uuid: disk for disk in cluster_map.disks}
        self._verify = verify
        self.map = cluster_map
        self.fragments = 0
        self.unheard: dict[str, Unheard] = {}

    async def stripes(self, group: Group, trouble: Callable[[Trouble], None]) -> AsyncIterator[SeenStripe]:
        """Every stripe of a group that its fragments agree about, by id."""
        members = [_Member(self._client, group.pg, disk) for disk in self._members(group)]
        while True:
            await self._fill(members)
            heads = [member.head for member in members]
            ids = [head[0] for head in heads if head is not None]
            if not ids:
                return
            first = min(ids)
            told: list[Told] = []
            holders: list[Disk] = []
            for member in members:
                while (head := member.head) is not None and head[0] == first:
                    told.append(head[1:])
                    holders.append(member.disk)
                    member.advance()
            self.fragments += len(told)
            if self._verify:
                told = await self._verified(first, told, holders)
            seen, troubles = agreed(group.pg, first, told)
            for each in troubles:
                trouble(each)
            if seen is not None:
                yield seen

    def _members(self, group: Group) -> list[Disk]:
        found = []
        for uuid in dict.fromkeys(group.slots):
            disk = self._disks.get(uuid)
            if disk is not None:
                found.append(disk)
            elif uuid:
                self.unheard[uuid] = Unheard(uuid, "the map does not say where it is")
        return found

    async def _fill(self, members: list[_Member]) -> None:
        empty = [member for member in members if member.is_empty]
        if not empty:
            return
        outcomes = await asyncio.gather(*(member.fill() for member in empty), return_exceptions=True)
        for member, outcome in zip(empty, outcomes, strict=True):
            if isinstance(outcome, DatanodeError):
                members.remove(member)
                self.unheard[member.disk.uuid] = Unheard(member.disk.uuid, str(outcome))
            elif outcome is not None:
                raise outcome

    async def _verified(self, stripe_id: bytes, told: Sequence[Told], holders: Sequence[Disk]) -> list[Told]:
        async def look(disk: Disk, one: Told) -> Told:
            try:
                await self._client.stat(disk, stripe_id, one[0], True)
            except DatanodeError:
                return (one[0], one[1], None)
            return one

        return list(await asyncio.gather(*(look(disk, one) for disk, one in zip(holders, told, strict=True))))
