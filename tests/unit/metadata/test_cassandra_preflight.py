"""What stands against serving from a cluster: judged from facts alone, and read without stumbling over a node that is away."""

import pytest
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.preflight import Facts, Node, Preflight, SchemaMissing, Verdict, judge, read_facts
from dolmen.gateway.metadata.store import MetadataUnavailable

STRICT = parse_address("cassandra://db/dolmen?local_dc=dc1")
RELAXED = parse_address("cassandra://db/dolmen?local_dc=dc1&replication_min=1")
GOOD_SETTINGS = {"paxos_variant": "v2", "commitlog_sync": "batch", "storage_compatibility_mode": "NONE"}
VERSION = 3


def facts(**changes):
    known = {
        "datacenters": frozenset({"dc1", "dc2"}),
        "replication": {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3", "dc2": "3"},
        "settings": dict.fromkeys("abc", GOOD_SETTINGS),
        "skews": {"a": 0.0, "b": -0.2, "c": 0.4},
        "migrations": {"1": "x", "2": "y", "3": "z"},
    }
    return Facts(**(known | changes))


def judged(address=STRICT, has_served=False, **changes):
    return judge(facts(**changes), address, has_served=has_served, version=VERSION)


def test_a_cluster_as_it_should_be_has_no_findings():
    assert judged() == Verdict((), ())


def test_what_cannot_be_told_is_no_finding():
    assert judged(settings={}, skews={}) == Verdict((), ())
    assert judged(settings={"a": {}}) == Verdict((), ())


def test_an_unknown_data_centre_is_a_reason():
    (reason, _) = judged(datacenters=frozenset({"east", "west"}), replication={"class": "NetworkTopologyStrategy"}).reasons
    assert reason == "the cluster has no data centre dc1; it has east, west"


@pytest.mark.parametrize(
    ("replication", "said"),
    [
        ({"class": "NetworkTopologyStrategy", "dc1": "2", "dc2": "3"}, "2 copies of dolmen in dc1, fewer than replication_min=3"),
        ({"class": "NetworkTopologyStrategy", "dc2": "3"}, "0 copies of dolmen in dc1"),
        ({"class": "NetworkTopologyStrategy", "dc1": "many"}, "many copies of dolmen in dc1"),
        ({"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "3"}, "by SimpleStrategy, not by"),
    ],
)
def test_too_few_copies_are_a_reason(replication, said):
    (reason,) = judged(replication=replication).reasons
    assert said in reason


def test_transient_copies_count_as_copies():
    assert judged(replication={"class": "NetworkTopologyStrategy", "dc1": "3/1"}) == Verdict((), ())


def test_a_missing_keyspace_is_the_only_reason_about_the_schema():
    (reason,) = judged(replication=None, migrations=None).reasons
    assert "the keyspace dolmen does not exist: run `dolmen metadata migrate`" in reason


@pytest.mark.parametrize(
    ("setting", "value"),
    [("paxos_variant", "v1"), ("paxos_variant", "v2_without_linearizable_reads"), ("commitlog_sync", "periodic")],
)
def test_settings_that_weaken_the_promise_are_reasons_where_three_copies_are_wanted_and_warnings_elsewhere(setting, value):
    settings = {"a": GOOD_SETTINGS, "b": GOOD_SETTINGS | {setting: value}}
    strict, relaxed = judged(settings=settings), judged(RELAXED, settings=settings)
    (reason,) = strict.reasons
    assert f"{setting} is {value}" in reason
    assert "on b:" in reason
    assert strict.warnings == ()
    assert relaxed == Verdict((), (reason,))


def test_settings_are_compared_without_regard_to_capitals():
    settings = {"a": {"paxos_variant": "V2", "commitlog_sync": "GROUP", "storage_compatibility_mode": "none"}}
    assert judged(settings=settings) == Verdict((), ())


def test_an_old_storage_format_is_a_warning_only():
    verdict = judged(settings={"a": GOOD_SETTINGS | {"storage_compatibility_mode": "CASSANDRA_4"}})
    assert verdict.reasons == ()
    assert "storage_compatibility_mode is CASSANDRA_4" in verdict.warnings[0]


def test_a_wrong_clock_here_is_a_reason_and_a_wrong_clock_there_a_warning():
    assert judged(skews={"a": 5.0, "b": 5.2, "c": 4.9}).reasons == ("the clock here is -5.0 s off the cluster's",)
    assert judged(skews={"a": -3.0}).reasons == ("the clock here is +3.0 s off the cluster's",)
    one_wrong = judged(skews={"a": 0.0, "b": 0.0, "c": -100.0})
    assert one_wrong.reasons == ()
    assert one_wrong.warnings == ("the clock of c is -100.0 s off",)
    assert judged(skews={"a": 1.0, "b": -1.0}) == Verdict((), ())


@pytest.mark.parametrize(
    ("migrations", "said"),
    [
        (None, "the schema is missing: run `dolmen metadata migrate`"),
        ({}, "the schema is missing: run `dolmen metadata migrate`"),
        ({"1": "x", "2": "y"}, "version 2, older than 3: run `dolmen metadata migrate`"),
        ({"1": "x", "2": "y", "3": "z", "4": "-"}, "version 4, newer than this program's 3"),
        ({str(number): "x" for number in range(1, 11)}, "version 10, newer than this program's 3"),
    ],
)
def test_another_schema_is_a_reason(migrations, said):
    (reason,) = judged(migrations=migrations).reasons
    assert said in reason


def test_a_process_that_has_served_goes_on_while_a_newer_version_is_rolled_out():
    newer = {"1": "x", "2": "y", "3": "z", "4": "-"}
    verdict = judged(has_served=True, migrations=newer)
    assert verdict.reasons == ()
    assert "newer than this program's" in verdict.warnings[0]
    assert judged(has_served=True, migrations=None).reasons != ()


class Cluster:
    """What a session tells of a cluster."""

    def __init__(self, clock, away=(), ahead_seconds=0.0):
        self.clock, self.away, self.ahead_seconds = clock, away, ahead_seconds
        self.replication = {"class": "NetworkTopologyStrategy", "dc1": "3"}
        self.dead = False
        self.migrations = [("1", "x"), ("2", "y")]

    def nodes(self):
        near = [Node(f"{name}:9042", name, "dc1", name != "down") for name in ("a", "b", "c", "down")]
        return [*near, Node("far:9042", "far", "dc2", True)]

    async def ask(self, text, node=None):
        if self.dead or (node and node[0] in self.away):
            raise MetadataUnavailable("away")
        assert node not in ("down:9042", "far:9042")
        if "now()" in text:
            return [(int(self.clock.now_us() / 1000 + self.ahead_seconds * 1000),)]
        if "settings" in text:
            return list(GOOD_SETTINGS.items())
        assert "schema_migrations" in text
        return [("schema_migrations",)]

    async def run(self, _statement):
        if self.migrations is None:
            raise SchemaMissing("it is being made")
        return self.migrations

    async def learn_replication(self):
        if self.dead:
            raise MetadataUnavailable("away")
        return self.replication


async def test_facts_are_read_from_the_nodes_of_the_local_data_centre_that_answer():
    clock = SettableClock()
    read = await read_facts(Cluster(clock, away=("b",)), STRICT, clock)
    assert read.datacenters == {"dc1", "dc2"}
    assert read.settings == {"a": GOOD_SETTINGS, "c": GOOD_SETTINGS}
    assert set(read.skews) == {"a", "c"}
    assert all(skew == 0.0 for skew in read.skews.values())
    assert read.migrations == {"1": "x", "2": "y"}


@pytest.mark.parametrize("ahead", [-30.0, -2.5, 2.5, 30.0])
async def test_a_clock_that_is_off_is_measured(ahead):
    clock = SettableClock()
    read = await read_facts(Cluster(clock, ahead_seconds=ahead), STRICT, clock)
    assert read.skews["a"] == pytest.approx(ahead, abs=1.1)  # seconds of doubt about the way there; milliseconds are cut off
    assert judge(read, STRICT, has_served=False, version=2).reasons != ()


async def test_a_register_that_is_just_being_made_is_no_register_yet():
    clock = SettableClock()
    cluster = Cluster(clock)
    cluster.migrations = None
    assert (await read_facts(cluster, STRICT, clock)).migrations is None


async def test_a_scylla_is_not_asked_for_settings():
    clock = SettableClock()
    address = parse_address("cassandra://db/dolmen?local_dc=dc1&dialect=scylla")
    assert (await read_facts(Cluster(clock), address, clock)).settings == {}


async def test_the_cluster_is_looked_at_every_minute_and_more_often_while_something_is_wrong():
    clock = SettableClock()
    cluster = Cluster(clock)
    cluster.replication, cluster.migrations = None, []
    preflight = Preflight(cluster, STRICT, clock)
    assert preflight.reasons() != []  # nobody has looked yet
    assert await preflight.look() == 2.0
    assert "does not exist" in preflight.reasons()[0]
    cluster.replication = {"class": "NetworkTopologyStrategy", "dc1": "3"}
    await preflight.look()  # too early: nothing is read
    assert "does not exist" in preflight.reasons()[0]
    clock.added_seconds += 3
    await preflight.look()
    assert "does not exist" not in preflight.reasons()[0]


async def test_a_cluster_that_does_not_answer_leaves_the_verdict_as_it_was():
    clock = SettableClock()
    cluster = Cluster(clock)
    cluster.migrations = []
    preflight = Preflight(cluster, STRICT, clock)
    await preflight.look()
    before = preflight.reasons()
    cluster.dead = True
    clock.added_seconds += 100
    assert await preflight.look() == 2.0
    assert preflight.reasons() == before
