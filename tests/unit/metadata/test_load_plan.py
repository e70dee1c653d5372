"""What becomes of ranges by their load: pure decisions."""

import pytest

from dolmen.gateway.metadata.cassandra.load import FANOUT_MAX, Action, ActionKind, LoadLimits, ShardLoad, plan
from dolmen.gateway.metadata.cassandra.shards import Shard

LIMITS = LoadLimits(rows=1000, size_bytes=100_000, writes_per_second=100.0)
QUIET = ShardLoad(900, 90_000, 10.0)


def shards_of(*fanouts, states=None):
    los = [b""] + [b"%d" % number for number in range(1, len(fanouts))]
    ends = [*los[1:], None]
    states = states or [0] * len(fanouts)
    return [
        Shard(lo=lo, hi=hi, shard_id=b"shard" + lo, fanout=fanout, state=state)
        for lo, hi, fanout, state in zip(los, ends, fanouts, states, strict=True)
    ]


def planned(loads, *fanouts, states=None, young=()):
    shards = shards_of(*fanouts, states=states)
    known = {shard.shard_id: load for shard, load in zip(shards, loads, strict=True) if load is not None}
    return plan(known, shards, LIMITS, young)


@pytest.mark.parametrize(
    ("load", "fanout", "wanted"),
    [
        (QUIET, 1, []),
        (ShardLoad(1001, 1, 0), 1, [Action(ActionKind.SPLIT, b"")]),
        (ShardLoad(1, 100_001, 0), 1, [Action(ActionKind.SPLIT, b"")]),
        (ShardLoad(1001, 1, 90), 2, []),  # limits are of one partition
        (ShardLoad(2001, 1, 90), 2, [Action(ActionKind.SPLIT, b"")]),
        (ShardLoad(10, 1, 101), 1, [Action(ActionKind.FANOUT, b"", 2)]),
        (ShardLoad(10, 1, 401), 4, [Action(ActionKind.FANOUT, b"", 8)]),
        (ShardLoad(5000, 1, 401), 4, [Action(ActionKind.FANOUT, b"", 8)]),  # more partitions first
        (ShardLoad(10, 1, 1e6), FANOUT_MAX, []),
        (ShardLoad(10, 1, 5), 4, [Action(ActionKind.FANOUT, b"", 2)]),
        (ShardLoad(2001, 1, 5), 4, []),  # too full for fewer
        (ShardLoad(10, 1, 99), 4, []),
        (None, 4, []),  # nothing is known
    ],
)
def test_one_range(load, fanout, wanted):
    assert planned([load], fanout) == wanted


def test_neighbours_far_below_the_limits_are_merged():
    assert planned([ShardLoad(60, 10, 1), ShardLoad(60, 10, 1)], 1, 1) == [Action(ActionKind.MERGE, b"")]
    assert planned([ShardLoad(60, 10, 1), ShardLoad(70, 10, 1)], 1, 1) == []
    assert planned([ShardLoad(6, 10_000, 1), ShardLoad(7, 10_000, 1)], 1, 1) == []
    assert planned([ShardLoad(6, 10, 10), ShardLoad(7, 10, 10)], 1, 1) == []
    assert planned([ShardLoad(6, 10, 1), None], 1, 1) == []


def test_a_range_takes_part_in_one_action_only():
    small = ShardLoad(10, 10, 0)
    assert planned([small, small, small], 1, 1, 1) == [Action(ActionKind.MERGE, b"")]
    assert planned([small, small, small, small], 1, 1, 1, 1) == [Action(ActionKind.MERGE, b""), Action(ActionKind.MERGE, b"2")]
    full = ShardLoad(2000, 1, 0)
    assert planned([full, small, small], 1, 1, 1) == [Action(ActionKind.SPLIT, b""), Action(ActionKind.MERGE, b"1")]


def test_ranges_under_way_and_young_ones_are_left_alone():
    small = ShardLoad(10, 10, 0)
    assert planned([ShardLoad(5000, 1, 500)], 1, states=[1]) == []
    assert planned([small, small], 1, 1, states=[0, 2]) == []
    assert planned([small, small], 1, 1, young={b"shard1"}) == []
    assert planned([small], 4, young={b"shard"}) == []
    assert planned([ShardLoad(2000, 1, 0)], 1, young={b"shard"}) == [Action(ActionKind.SPLIT, b"")]
