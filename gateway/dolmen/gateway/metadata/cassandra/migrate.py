"""The runner of migrations: one at a time under a lease, each statement agreed on by all nodes, resumable after any crash.

Concurrent changes of a schema are unsafe in Cassandra. Therefore all of them go through one node, which takes one after the other
(the first in the order of addresses, so that two runners choose the same), and every runner but the holder of the lease waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.cql import Bound, CasReply, Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.migrations import MIGRATIONS, REGISTER, Migration
from dolmen.gateway.metadata.cassandra.preflight import Node, applied_name, read_migrations
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

COPIES = 3  # of a keyspace that we make, when its data centre has so many nodes
LEASE = "schema"
LEASE_SECONDS = 180  # longer than one statement and its agreement may take; renewed before each
LEASE_WAIT_SECONDS = 600  # as long as another runner may need for everything
LEASE_POLL_SECONDS = 0.5
AGREEMENT_SECONDS = 60  # nodes tell each other within a second; a busy one takes longer
AGREEMENT_POLL_SECONDS = 0.1
TRIES = 3  # of a statement whose outcome is not known: every one may be repeated

_TAKE = Statement("INSERT INTO leases (name, owner, until_us, rev) VALUES (?, ?, ?, 1) IF NOT EXISTS", Kind.CAS)
_RENEW = Statement("UPDATE leases SET owner = ?, until_us = ?, rev = ? WHERE name = ? IF owner = ? AND rev = ?", Kind.CAS)
_RELEASE = Statement("DELETE FROM leases WHERE name = ? IF owner = ?", Kind.CAS)
_REGISTERED = Statement("INSERT INTO schema_migrations (id, checksum, applied_us) VALUES (?, ?, ?) IF NOT EXISTS", Kind.CAS)
# Every one may be applied again after a crash.
_TABLE = re.compile(r"\A((?:CREATE TABLE IF NOT EXISTS|ALTER TABLE|DROP TABLE IF EXISTS)\s+)(?=[a-z])")
_PLACE = re.compile(r"\{[a-z_]+\}")

Progress = Callable[[str], None]


class Session(Protocol):
    """What is needed of ``CassandraSession``."""

    def nodes(self) -> list[Node]: ...

    async def ask(self, text: str, node: str | None = None) -> list[Row]: ...

    async def change_schema(self, text: str, node: str | None = None) -> None: ...

    async def learn_replication(self) -> dict[str, str] | None: ...

    async def run(self, statement: Statement, *values: object) -> list[Row]: ...

    async def cas(self, bound: Sequence[Bound]) -> CasReply: ...


def checksum_of(migration: Migration) -> str:
    """SHA-256 over the statements as they are written, in hexadecimal."""
    return hashlib.sha256("\n;\n".join(migration.statements).encode()).hexdigest()


def pending(registered: Mapping[str, str] | None, migrations: Sequence[Migration], keyspace: str) -> tuple[Migration, ...]:
    """What is still to be applied, in order. Raises ``ConfigError`` when the keyspace is not what this program made of it."""
    known = {applied_name(migration): migration for migration in migrations}
    for name in sorted(registered or {}, key=lambda each: (len(each), each)):
        if name not in known:
            raise ConfigError(f"the schema of {keyspace} has the migration {name}, of a newer program: use that one")
        if (registered or {})[name] != checksum_of(known[name]):
            raise ConfigError(f"the migration {name} of {keyspace} was applied with another text, by another program")
    return tuple(migration for migration in migrations if applied_name(migration) not in (registered or {}))


async def migrate(
    session: Session,
    address: CassandraAddress,
    clock: Clock,
    owner: str,
    *,
    progress: Progress = lambda _: None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """Bring the keyspace to the version of this program; how many migrations were applied.

    ``owner`` names the runner for a person; several may run at once. Raises ``ConfigError`` (one line) for a keyspace that this
    program must not touch, ``MetadataUnavailable`` when the cluster cannot be used now: run it again.
    """
    return await _Run(session, address, clock, f"{owner}/{secrets.token_hex(8)}", progress, migrations).run()


class _Run:
    def __init__(
        self,
        session: Session,
        address: CassandraAddress,
        clock: Clock,
        owner: str,
        progress: Progress,
        migrations: Sequence[Migration],
    ) -> None:
        self._session = session
        self._keyspace = address.keyspace
        self._address = address
        self._clock = clock
        self._owner = owner
        self._progress = progress
        self._migrations = migrations
        self._rev = 0

    async def run(self) -> int:
        if await self._session.learn_replication() is None:
            await self._create_keyspace()
        registered = await read_migrations(self._session, self._keyspace)
        if not pending(registered, self._migrations, self._keyspace):
            return 0
        await self._change("register of migrations", filled(REGISTER, self._address))
        await self._change("leases", filled(_statement_of("leases", self._migrations), self._address))
        await self._take_lease()
        try:
            return await self._apply_pending()
        finally:
            await self._release_lease()

    async def _apply_pending(self) -> int:
        # Read again, now that nobody else applies.
        todo = pending(await read_migrations(self._session, self._keyspace), self._migrations, self._keyspace)
        for migration in todo:
            for index, statement in enumerate(migration.statements, 1):
                await self._renew_lease()
                text = filled(statement, self._address)
                await self._change(f"migration {migration.number}: {index} of {len(migration.statements)}", text)
            await self._renew_lease()
            values = (applied_name(migration), checksum_of(migration), self._clock.now_us())
            await self._repeated(lambda values=values: self._session.cas([Bound(_REGISTERED, values)]))  # type: ignore[misc]
            self._progress(f"migration {migration.number} is applied")
        return len(todo)

    # ---- the schema ----------------------------------------------------------------------------------------------

    def _node(self) -> str:
        near = [node for node in self._session.nodes() if node.datacenter == self._address.local_dc and node.is_up]
        if not near:
            raise MetadataUnavailable(f"no node of the data centre {self._address.local_dc} is up")
        return near[0].endpoint

    async def _create_keyspace(self) -> None:
        address = self._address
        nodes = [node for node in self._session.nodes() if node.datacenter == address.local_dc]
        self._node()  # at least one is up
        if len(nodes) < address.replication_min:
            raise ConfigError(
                f"the data centre {address.local_dc} has {len(nodes)} nodes, fewer than replication_min={address.replication_min}"
            )
        copies = max(min(COPIES, len(nodes)), address.replication_min)
        text = (
            f"CREATE KEYSPACE IF NOT EXISTS {self._keyspace} WITH replication = "
            f"{{'class': 'NetworkTopologyStrategy', '{address.local_dc}': {copies}}}{address.dialect.keyspace_options}"
        )
        await self._change(f"keyspace {self._keyspace}, {copies} copies in {address.local_dc}", text)
        if await self._session.learn_replication() is None:
            raise MetadataUnavailable(f"the keyspace {self._keyspace} was made and is not to be seen yet")

    async def _change(self, what: str, text: str) -> None:
        """One statement, then agreement of all nodes that are up."""
        self._progress(what)
        await self._repeated(lambda: self._session.change_schema(text, self._node()))
        await self._agree()

    async def _repeated(self, act: Callable[[], Awaitable[object]]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await act()
                return
            except MetadataUnknown:
                if attempt == TRIES:
                    raise

    async def _agree(self) -> None:
        """Wait until all nodes that are up have the same version of the schema."""
        node = self._node()
        deadline = self._clock.monotonic_seconds() + AGREEMENT_SECONDS
        while True:
            up = {each.address for each in self._session.nodes() if each.is_up}
            versions = {str(row[0]) for row in await self._session.ask("SELECT schema_version FROM system.local", node)}
            peers = await self._session.ask("SELECT rpc_address, schema_version FROM system.peers", node)
            versions |= {str(version) for peer, version in peers if str(peer) in up}
            if len(versions) == 1:
                return
            if self._clock.monotonic_seconds() > deadline:
                raise MetadataUnavailable(f"the nodes did not agree on the schema within {AGREEMENT_SECONDS} s: run it again")
            await asyncio.sleep(AGREEMENT_POLL_SECONDS)

    # ---- the lease -----------------------------------------------------------------------------------------------

    def _until_us(self) -> int:
        return self._clock.now_us() + LEASE_SECONDS * 1_000_000

    async def _take_lease(self) -> None:
        deadline = self._clock.monotonic_seconds() + LEASE_WAIT_SECONDS
        told = False
        while True:
            try:
                if await self._try_lease():
                    return
            except MetadataUnknown:
                continue  # the next try reads who has it
            if self._clock.monotonic_seconds() > deadline:
                raise MetadataUnavailable(f"another runner has been migrating {self._keyspace} for {LEASE_WAIT_SECONDS} s")
            if not told:
                self._progress("another runner is migrating: waiting")
                told = True
            await asyncio.sleep(LEASE_POLL_SECONDS)

    async def _try_lease(self) -> bool:
        reply = await self._session.cas([Bound(_TAKE, (LEASE, self._owner, self._until_us()))])
        self._rev = 1
        if reply.applied:
            return True
        held = dict(zip(reply.columns, reply.rows[0], strict=True))
        self._rev = held["rev"]
        if held["owner"] == self._owner:
            return True
        if held["until_us"] > self._clock.now_us():
            return False
        self._progress(f"the lease of {held['owner']} has run out: taking over")
        return await self._move_lease(held["owner"])

    async def _move_lease(self, from_owner: str) -> bool:
        values = (self._owner, self._until_us(), self._rev + 1, LEASE, from_owner, self._rev)
        reply = await self._session.cas([Bound(_RENEW, values)])
        self._rev += reply.applied
        return reply.applied

    async def _renew_lease(self) -> None:
        try:
            held = await self._move_lease(self._owner)
        except MetadataUnknown:
            held = await self._try_lease()  # it shows the rev that stands
        if not held and not await self._try_lease():
            raise MetadataUnavailable("the lease was lost to another runner: run it again")

    async def _release_lease(self) -> None:
        try:
            await self._session.cas([Bound(_RELEASE, (LEASE, self._owner))])
        except (MetadataUnavailable, MetadataUnknown):
            self._progress("the lease could not be released: it runs out by itself")


def filled(text: str, address: CassandraAddress) -> str:
    """A statement of the migrations with its keyspace and the dialect's options."""
    for place, options in address.dialect.table_options.items():
        text = text.replace(f"{{{place}}}", options)
    named, count = _TABLE.subn(rf"\1{address.keyspace}.", text, count=1)
    if not count or _PLACE.search(named):
        raise ConfigError(f"a migration has a form that the runner does not know: {text}")
    return named


def _statement_of(table: str, migrations: Sequence[Migration]) -> str:
    """The statement that makes a table: what the lease needs exists before the lease."""
    begin = f"CREATE TABLE IF NOT EXISTS {table} ("
    return next(text for migration in migrations for text in migration.statements if text.startswith(begin))
