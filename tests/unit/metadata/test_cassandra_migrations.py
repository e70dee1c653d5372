"""The runner of migrations against a cluster of the test's own: it dies at every step, its answers are lost, others wait."""

import asyncio
import itertools
import re

import pytest
from metadata_builders import SettableClock

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra import migrate as runner
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import CasReply
from dolmen.gateway.metadata.cassandra.dialect import DIALECTS
from dolmen.gateway.metadata.cassandra.migrate import LEASE_SECONDS, checksum_of, filled, migrate, pending
from dolmen.gateway.metadata.cassandra.migrations import MIGRATIONS, REGISTER, Migration
from dolmen.gateway.metadata.cassandra.preflight import Node
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

ADDRESS = parse_address("cassandra://db/dolmen?local_dc=dc1&replication_min=1")
LEASES = next(text for text in MIGRATIONS[0].statements if "EXISTS leases (" in text)
FIRST = Migration(1, ("CREATE TABLE IF NOT EXISTS one (a int PRIMARY KEY)", LEASES))
SECOND = Migration(2, ("ALTER TABLE one ADD IF NOT EXISTS b int", "CREATE TABLE IF NOT EXISTS two (a int PRIMARY KEY)"))
BOTH = (FIRST, SECOND)


class Cluster:
    """Nodes, a keyspace, and the two tables that the runner reads and changes."""

    def __init__(self, nodes=1):
        self.all_nodes = [Node(f"{number}:9042", f"10.0.0.{number}", "dc1", True) for number in range(1, nodes + 1)]
        self.all_nodes.append(Node("9:9042", "10.0.0.9", "dc2", True))
        self.keyspace = None
        self.statements = []
        self.asked_nodes = set()
        self.lease = None
        self.registered = {}
        self.versions = itertools.repeat(["v1"])

    def nodes(self):
        return self.all_nodes

    async def ask(self, text, node=None):
        await asyncio.sleep(0)
        if "system.local" in text:
            self.now = next(self.versions)
            return [(self.now[0],)]
        if "system.peers" in text:
            return [(f"10.0.0.{number}", version) for number, version in enumerate(self.now[1:], 2)]
        assert "system_schema.tables" in text
        return [("schema_migrations",)] if any("schema_migrations" in each for each in self.statements) else []

    async def run(self, _statement):
        return list(self.registered.items())

    async def learn_replication(self):
        return self.keyspace

    async def change_schema(self, text, node=None):
        await asyncio.sleep(0)
        self.asked_nodes.add(node)
        if text.startswith("CREATE KEYSPACE"):
            self.keyspace = {"class": "NetworkTopologyStrategy", "dc1": re.search(r"'dc1': (\d)", text)[1]}
        self.statements.append(text)

    async def cas(self, bound):
        await asyncio.sleep(0)
        ((statement, values),) = bound
        if statement.text.startswith("INSERT INTO schema_migrations"):
            name, checksum, _ = values
            applied = self.registered.setdefault(name, checksum) == checksum
            return CasReply(applied, (), ())
        if statement.text.startswith("INSERT INTO leases"):
            _, owner, until_us = values
            if self.lease is not None:
                return CasReply(False, ("name", "owner", "until_us", "rev"), (("schema", *self.lease),))
            self.lease = (owner, until_us, 1)
            return CasReply(True, (), ())
        if statement.text.startswith("UPDATE leases"):
            owner, until_us, rev, _, from_owner, from_rev = values
            if self.lease is None or (self.lease[0], self.lease[2]) != (from_owner, from_rev):
                return CasReply(False, (), ())
            self.lease = (owner, until_us, rev)
            return CasReply(True, (), ())
        assert statement.text.startswith("DELETE FROM leases")
        if self.lease is None or self.lease[0] != values[1]:
            return CasReply(False, (), ())
        self.lease = None
        return CasReply(True, (), ())


class Dying:
    """A runner's view of a cluster; after so many changes the runner is dead, and nothing is sent any more."""

    def __init__(self, cluster, changes):
        self._cluster, self._left = cluster, changes

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    async def _change(self, change, *arguments):
        self._left -= 1
        if self._left < 0:
            raise MetadataUnavailable("dead")
        return await change(*arguments)

    async def cas(self, bound):
        return await self._change(self._cluster.cas, bound)

    async def change_schema(self, text, node=None):
        return await self._change(self._cluster.change_schema, text, node)


class Losing(Dying):
    """Every answer of a change is lost once."""

    def __init__(self, cluster):
        super().__init__(cluster, 0)
        self.lost = set()

    async def _change(self, change, *arguments):
        reply = await change(*arguments)
        what = (self._cluster.statements[-1], self._cluster.lease and self._cluster.lease[2], len(self._cluster.registered))
        if what not in self.lost:
            self.lost.add(what)
            raise MetadataUnknown("lost")
        return reply


def run(cluster, migrations=BOTH, clock=None, **named):
    return migrate(cluster, ADDRESS, clock or SettableClock(), "test", migrations=migrations, **named)


def is_whole(cluster):
    return cluster.registered == {"1": checksum_of(FIRST), "2": checksum_of(SECOND)} and cluster.lease is None


async def test_everything_is_applied_in_order_through_one_node_and_once():
    cluster = Cluster(nodes=3)
    told = []
    assert await run(cluster, progress=told.append) == 2
    assert is_whole(cluster)
    made = [re.sub(r"dolmen\.|\s*\(.*|IF NOT EXISTS ", "", text, flags=re.DOTALL) for text in cluster.statements]
    assert [text[:24] for text in made] == [
        "CREATE KEYSPACE dolmen W", "CREATE TABLE schema_migr", "CREATE TABLE leases", "CREATE TABLE one", "CREATE TABLE leases",
        "ALTER TABLE one ADD b in", "CREATE TABLE two",
    ]  # fmt: skip
    assert cluster.keyspace["dc1"] == "3"
    assert cluster.asked_nodes == {"1:9042"}
    assert told[0] == "keyspace dolmen, 3 copies in dc1"
    before = list(cluster.statements)
    assert await run(cluster) == 0
    assert cluster.statements == before


async def test_a_runner_that_died_anywhere_is_followed_by_one_that_finishes():
    for changes in range(100):
        cluster, clock = Cluster(), SettableClock()
        dying = Dying(cluster, changes)
        try:
            await run(dying, clock=clock)
        except MetadataUnavailable:
            assert not is_whole(cluster)
        if dying._left >= 0:
            assert changes > 12
            return
        clock.added_seconds += LEASE_SECONDS + 1  # the lease runs out
        told = []
        await run(cluster, clock=clock, progress=told.append)
        assert cluster.registered == {"1": checksum_of(FIRST), "2": checksum_of(SECOND)}, f"died at change {changes}: {told}"
    pytest.fail("it never came to the end")


async def test_an_unknown_outcome_is_asked_again():
    cluster = Cluster()
    losing = Losing(cluster)
    assert await run(losing) == 2
    assert len(losing.lost) > 8
    assert cluster.registered == {"1": checksum_of(FIRST), "2": checksum_of(SECOND)}


async def test_runners_that_start_together_apply_everything_once(monkeypatch):
    monkeypatch.setattr(runner, "LEASE_POLL_SECONDS", 0.001)
    cluster = Cluster()
    applied = await asyncio.gather(*(run(cluster) for _ in range(5)))
    assert sorted(applied) == [0, 0, 0, 0, 2]
    assert is_whole(cluster)


async def test_a_living_runner_is_waited_for_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(runner, "LEASE_POLL_SECONDS", 0.001)
    cluster, clock = Cluster(), SettableClock()
    cluster.lease = ("another", clock.now_us() + 3_600_000_000, 7)
    told = []
    waiting = asyncio.create_task(run(cluster, clock=clock, progress=told.append))
    await asyncio.sleep(0.05)
    assert told.count("another runner is migrating: waiting") == 1
    assert cluster.registered == {}
    clock.added_seconds += runner.LEASE_WAIT_SECONDS + 1
    with pytest.raises(MetadataUnavailable, match="another runner"):
        await waiting
    assert cluster.lease[0] == "another"


async def test_a_runner_that_lost_its_lease_stops(monkeypatch):
    monkeypatch.setattr(runner, "LEASE_POLL_SECONDS", 0.001)
    cluster, clock = Cluster(), SettableClock()

    def progress(text):
        if text == "migration 1: 1 of 2":  # it slept for long; another took over
            cluster.lease = ("another", clock.now_us() + 3_600_000_000, cluster.lease[2] + 1)

    with pytest.raises(MetadataUnavailable, match="lease was lost"):
        await run(cluster, clock=clock, progress=progress)
    assert cluster.registered == {}
    assert cluster.lease[0] == "another"


async def test_all_nodes_that_are_up_agree_before_the_next_statement():
    cluster = Cluster(nodes=3)
    cluster.all_nodes[2] = cluster.all_nodes[2]._replace(is_up=False)  # a dead node's old version does not count
    cluster.versions = iter([["v1", "v0", "v0"], ["v1", "v0", "v0"], *([["v1", "v1", "v0"]] * 20)])
    assert await run(cluster, (FIRST,)) == 1
    assert cluster.now == ["v1", "v1", "v0"]


async def test_nodes_that_never_agree_end_the_run():
    cluster, clock = Cluster(nodes=2), SettableClock()

    def versions():
        while True:
            yield ["v1", "v0"]
            clock.added_seconds += runner.AGREEMENT_SECONDS

    cluster.versions = versions()
    with pytest.raises(MetadataUnavailable, match="did not agree"):
        await run(cluster, clock=clock)


async def test_too_few_nodes_are_refused_before_anything_is_made():
    cluster = Cluster(nodes=2)
    address = parse_address("cassandra://db/dolmen?local_dc=dc1&replication_min=3")
    with pytest.raises(ConfigError, match="2 nodes, fewer than replication_min=3"):
        await migrate(cluster, address, SettableClock(), "test")
    assert cluster.statements == []


async def test_without_a_node_in_the_data_centre_nothing_is_made():
    cluster = Cluster()
    cluster.all_nodes = [node._replace(is_up=False) for node in cluster.all_nodes]
    with pytest.raises(MetadataUnavailable, match="no node of the data centre dc1 is up"):
        await run(cluster)


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        ({"1": "other"}, "migration 1 of dolmen was applied with another text"),
        ({"1": checksum_of(FIRST), "2": checksum_of(SECOND), "3": "?"}, "migration 3, of a newer program"),
        ({"1": checksum_of(FIRST), "x": "?"}, "migration x, of a newer program"),
    ],
)
async def test_a_schema_that_is_not_ours_is_refused_and_left_alone(registered, said):
    cluster = Cluster()
    await run(cluster)
    cluster.registered = registered
    before = list(cluster.statements)
    with pytest.raises(ConfigError, match=said) as told:
        await run(cluster)
    assert "\n" not in str(told.value)
    assert cluster.statements == before
    assert cluster.lease is None


def test_what_is_pending_is_what_is_not_registered():
    assert pending(None, BOTH, "k") == BOTH
    assert pending({}, BOTH, "k") == BOTH
    assert pending({"1": checksum_of(FIRST)}, BOTH, "k") == (SECOND,)
    assert pending({"1": checksum_of(FIRST), "2": checksum_of(SECOND)}, BOTH, "k") == ()


def test_a_checksum_is_of_the_text_with_its_places():
    assert checksum_of(FIRST) == checksum_of(Migration(1, FIRST.statements))
    assert checksum_of(FIRST) != checksum_of(Migration(1, FIRST.statements[::-1]))
    assert checksum_of(Migration(1, ("a", "b"))) != checksum_of(Migration(1, ("ab",)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_of_the_migrations_can_be_filled_for_every_dialect(dialect):
    address = parse_address(f"cassandra://db/dolmen?dialect={dialect}")
    for text in (REGISTER, *(text for migration in MIGRATIONS for text in migration.statements)):
        made = filled(text, address)
        assert " dolmen." in made
        assert "_options}" not in made


def test_a_statement_that_could_not_be_applied_again_is_refused():
    for text in ("CREATE TABLE one (a int PRIMARY KEY)", "INSERT INTO one (a) VALUES (1)", "ALTER TABLE one WITH {no_options}"):
        with pytest.raises(ConfigError, match="does not know"):
            filled(text, ADDRESS)
