"""Whether a cluster keeps the promises that the metadata needs: facts are read at connect and every minute, and judged (pure).

Reasons make a process unready; warnings are logged once and counted. An address with ``replication_min`` of 3 or more is
*strict*: whoever asks for three copies wants nothing lost, so that what weakens the promise is a reason there. With fewer copies,
on a laptop or in a test, the same is a warning. What a database cannot tell (Scylla has no such tables) is no finding.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra import statement_metrics as metrics
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.cql import Kind, Row, Statement
from dolmen.gateway.metadata.cassandra.migrations import MIGRATIONS, SCHEMA_VERSION, Migration
from dolmen.gateway.metadata.store import MetadataUnavailable

LOOK_SECONDS = 60.0  # settings and replication change by hand
LOOK_AGAIN_SECONDS = 2.0  # while something is wrong: a migration that ends makes the gateway ready at once
STRICT_COPIES = 3
SKEW_SECONDS_MAX = 1.0  # times of objects and leases come from our clock; the cluster's own order does not
NODES_ASKED_MAX = 9  # for settings and clocks: enough to tell a wrong clock from a wrong cluster

_SETTINGS = ("paxos_variant", "commitlog_sync", "storage_compatibility_mode")
_REGISTERED = Statement("SELECT id, checksum FROM schema_migrations", Kind.READ)
_REGISTER_EXISTS = (
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}' AND table_name = 'schema_migrations'"
)

_log = get_logger("cassandra-preflight")


class SchemaMissing(MetadataUnavailable):
    """A keyspace, table or column is not there: the schema is missing, too old, or just being made."""


class Node(NamedTuple):
    """A node, as the driver knows it."""

    endpoint: str  # address and port
    address: str
    datacenter: str | None
    is_up: bool


class Asks(Protocol):
    """What is needed of a session."""

    def nodes(self) -> list[Node]: ...

    async def ask(self, text: str, node: str | None = None) -> list[Row]: ...

    async def run(self, statement: Statement, *values: object) -> list[Row]: ...

    async def learn_replication(self) -> dict[str, str] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read. Empty or None: it could not be told."""

    datacenters: frozenset[str] = frozenset()
    replication: Mapping[str, str] | None = None  # as in system_schema.keyspaces; None: no such keyspace
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # node -> setting -> value
    skews: Mapping[str, float] = field(default_factory=dict)  # node -> seconds that its clock is surely ahead of ours (or behind)
    migrations: Mapping[str, str] | None = None  # id -> checksum; None: no register


@dataclass(frozen=True, slots=True)
class Verdict:
    """Short sentences."""

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(facts: Facts, address: CassandraAddress, *, has_served: bool, version: int = SCHEMA_VERSION) -> Verdict:
    """What stands against serving. ``has_served``: this process was ready before.

    A schema that is newer than this program is a reason at start only: a rolling upgrade migrates first, and the processes that
    are about to be replaced go on meanwhile (migrations add; they take nothing from the version before).
    """
    reasons: list[str] = []
    warnings: list[str] = []
    strict = address.replication_min >= STRICT_COPIES
    weak = reasons if strict else warnings
    if facts.datacenters and address.local_dc not in facts.datacenters:
        reasons.append(f"the cluster has no data centre {address.local_dc}; it has {', '.join(sorted(facts.datacenters))}")
    reasons += _replication(facts.replication, address)
    weak += _settings(facts.settings, "paxos_variant", "v2", "conditional changes are not safe while nodes come and go")
    # Ten seconds of acknowledged changes would be lost when all copies lose power together.
    weak += _settings(facts.settings, "commitlog_sync", ("batch", "group"), "acknowledged changes may be lost with the power")
    warnings += _settings(facts.settings, "storage_compatibility_mode", "NONE", "newer formats of data are not used")
    skew_reasons, skew_warnings = _skew(facts.skews)
    reasons += skew_reasons
    warnings += skew_warnings
    if facts.replication is not None:
        (warnings if has_served and _newest(facts.migrations) > version else reasons).extend(_schema(facts.migrations, version))
    return Verdict(tuple(reasons), tuple(warnings))


def _replication(replication: Mapping[str, str] | None, address: CassandraAddress) -> list[str]:
    if replication is None:
        return [f"the keyspace {address.keyspace} does not exist: run `dolmen metadata migrate`"]
    strategy = replication.get("class", "").rpartition(".")[2]
    if strategy != "NetworkTopologyStrategy":
        return [f"the keyspace {address.keyspace} is replicated by {strategy}, not by NetworkTopologyStrategy"]
    copies = replication.get(address.local_dc, "0").partition("/")[0]
    if not copies.isdigit() or int(copies) < address.replication_min:
        there = f"{copies} copies of {address.keyspace} in {address.local_dc}"
        return [f"{there}, fewer than replication_min={address.replication_min}"]
    return []


def _settings(found: Mapping[str, Mapping[str, str]], name: str, wanted: str | tuple[str, ...], why: str) -> list[str]:
    good = (wanted,) if isinstance(wanted, str) else wanted
    values: dict[str, list[str]] = {}
    for node, settings in sorted(found.items()):
        value = settings.get(name)
        if value and value.lower() not in [each.lower() for each in good]:
            values.setdefault(value, []).append(node)
    return [f"{name} is {value}, not {' or '.join(good)}, on {', '.join(nodes)}: {why}" for value, nodes in values.items()]


def _skew(skews: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Our clock against the middle one of the nodes': one wrong node must not make every gateway unready."""
    if not skews:
        return [], []
    middle = statistics.median_low(sorted(skews.values(), key=abs))
    if abs(middle) > SKEW_SECONDS_MAX:
        return [f"the clock here is {-middle:+.1f} s off the cluster's"], []
    wrong = {node: skew for node, skew in sorted(skews.items()) if abs(skew) > SKEW_SECONDS_MAX}
    return [], [f"the clock of {node} is {skew:+.1f} s off" for node, skew in wrong.items()]


def _newest(migrations: Mapping[str, str] | None) -> int:
    return max((int(each) for each in migrations or () if each.isdigit()), default=0)


def _schema(migrations: Mapping[str, str] | None, version: int) -> list[str]:
    newest = _newest(migrations)
    if newest == 0:
        return ["the schema is missing: run `dolmen metadata migrate`"]
    if newest < version:
        return [f"the schema has version {newest}, older than {version}: run `dolmen metadata migrate`"]
    if newest > version:
        return [f"the schema has version {newest}, newer than this program's {version}"]
    return []


async def read_facts(session: Asks, address: CassandraAddress, clock: Clock) -> Facts:
    """Ask the cluster. Raises ``MetadataUnavailable``."""
    nodes = session.nodes()
    near = [node for node in nodes if node.datacenter == address.local_dc and node.is_up][:NODES_ASKED_MAX]
    settings: dict[str, Mapping[str, str]] = {}
    skews: dict[str, float] = {}

    async def ask(node: Node) -> None:
        with contextlib.suppress(DolmenError):  # a node that is down or paused tells nothing; the others do
            skews[node.address] = await _skew_of(session, node.endpoint, clock)
            if address.dialect.tells_settings:
                settings[node.address] = await _settings_of(session, node.endpoint)

    await asyncio.gather(*(ask(node) for node in near))
    replication = await session.learn_replication()
    return Facts(
        datacenters=frozenset(node.datacenter for node in nodes if node.datacenter),
        replication=replication,
        settings=settings,
        skews=skews,
        migrations=None if replication is None else await read_migrations(session, address.keyspace),
    )


async def read_migrations(session: Asks, keyspace: str) -> dict[str, str] | None:
    """The register of migrations: id -> checksum; None when there is none. Raises ``MetadataUnavailable``."""
    if not await session.ask(_REGISTER_EXISTS.format(keyspace=keyspace)):
        return None
    try:
        rows = await session.run(_REGISTERED)
    except SchemaMissing:  # a table is listed a moment before it can be used
        return None
    return {str(name): str(checksum) for name, checksum in rows}


async def _settings_of(session: Asks, node: str) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in _SETTINGS)
    rows = await session.ask(f"SELECT name, value FROM system_views.settings WHERE name IN ({names})", node)  # noqa: S608
    return {str(row[0]): str(row[1]) for row in rows if row[1] is not None}


async def _skew_of(session: Asks, node: str, clock: Clock) -> float:
    """Seconds by which the node's clock is surely ahead (positive) or behind, whatever part of the time the way there took."""
    before = clock.now_us()
    rows = await session.ask("SELECT toUnixTimestamp(now()) FROM system.local", node)
    after = clock.now_us()
    theirs = int(rows[0][0]) * 1000
    if theirs > after:
        return (theirs - after) / 1e6
    # Milliseconds were cut off, so that "behind" is only sure beyond one.
    return min((theirs + 1000 - before) / 1e6, 0.0)


class Preflight:
    """The last verdict about the cluster of one session, renewed by ``look``."""

    def __init__(self, session: Asks, address: CassandraAddress, clock: Clock) -> None:
        self._session = session
        self._address = address
        self._clock = clock
        self._verdict = Verdict(("the metadata cluster has not been looked at yet",), ())
        self._next = 0.0
        self._has_served = False

    def reasons(self) -> list[str]:
        return list(self._verdict.reasons)

    def warnings(self) -> list[str]:
        return list(self._verdict.warnings)

    async def look(self) -> float:
        """Read and judge when it is due. Seconds until it is due again."""
        now = self._clock.monotonic_seconds()
        if now < self._next:
            return self._next - now
        try:
            facts = await read_facts(self._session, self._address, self._clock)
        except DolmenError as error:
            _log.info("preflight not possible", reason=str(error))  # the verdict stays: calls tell by themselves
            wait = LOOK_AGAIN_SECONDS
        else:
            self._hold(judge(facts, self._address, has_served=self._has_served))
            wait = LOOK_AGAIN_SECONDS if self._verdict.reasons else LOOK_SECONDS
        self._next = self._clock.monotonic_seconds() + wait
        return wait

    def _hold(self, verdict: Verdict) -> None:
        for text in _added(self._verdict.warnings, verdict.warnings):
            _log.warning("metadata cluster", warning=text)
        for text in _added(self._verdict.reasons, verdict.reasons):
            _log.warning("metadata cluster: not ready", reason=text)
        self._verdict = verdict
        self._has_served = self._has_served or not verdict.reasons
        metrics.REASONS.set(len(verdict.reasons))
        metrics.WARNINGS.set(len(verdict.warnings))


def _added(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return [text for text in after if text not in before]


def applied_name(migration: Migration) -> str:
    """The id of a migration in the register."""
    return str(migration.number)


assert [migration.number for migration in MIGRATIONS] == list(range(1, SCHEMA_VERSION + 1))
