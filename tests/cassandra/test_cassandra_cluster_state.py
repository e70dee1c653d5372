"""The cluster map, leases and repair rows in Cassandra."""

import asyncio
import os

import pytest
from cassandra_parts import LOSE_AFTER, LOSE_BEFORE, Counting, Losing
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra import cluster
from dolmen.gateway.metadata.cassandra.cluster import ClusterState
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.records import Lease, RepairRow
from dolmen.gateway.metadata.store import MetadataUnknown, StaleEpoch

FATES = [LOSE_AFTER, LOSE_BEFORE]


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
def state(cql, clock, fresh, monkeypatch):
    monkeypatch.setattr(cluster, "_MAP", fresh)
    return ClusterState(cql, clock)


async def test_one_of_many_publishers_is_first(cql, clock, state):
    for epoch in range(3):
        states = [ClusterState(cql, clock) for _ in range(8)]
        works = [each.publish_map(epoch, epoch + 1, b"%d" % number) for number, each in enumerate(states)]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType"] + ["StaleEpoch"] * 7
        assert await state.get_map() == (epoch + 1, b"%d" % outcomes.index(None))
    for stale in ((3, 3), (0, 9), (2, 4), (4, 5)):
        with pytest.raises(StaleEpoch, match="3 is published"):
            await state.publish_map(*stale, b"x")


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("epoch", [0, 1])
async def test_a_map_whose_answer_is_lost_is_published_once(cql, clock, state, fate, epoch):
    if epoch:
        await state.publish_map(0, 1, b"first")
    losing = Losing(cql)
    losing.plan = [fate, fate]
    await ClusterState(losing, clock).publish_map(epoch, epoch + 1, b"ours")
    assert await state.get_map() == (epoch + 1, b"ours")
    assert not any(await losing.arrive())


@pytest.mark.parametrize("fate", FATES)
async def test_a_map_whose_answer_is_lost_among_others(cql, clock, state, fate):
    losing = Losing(cql)
    losing.plan = [fate]
    epochs = (1, 2) if fate == LOSE_AFTER else (0, 1)
    losing.meanwhile = lambda: state.publish_map(*epochs, b"theirs")
    with pytest.raises(MetadataUnknown if fate == LOSE_AFTER else StaleEpoch):
        await ClusterState(losing, clock).publish_map(0, 1, b"ours")
    assert await state.get_map() == (epochs[1], b"theirs")


async def test_one_of_many_holds_a_lease(cql, clock, fresh):
    states = [ClusterState(cql, clock) for _ in range(8)]

    async def race():
        works = [state.acquire_lease(fresh, f"owner{number}", 30) for number, state in enumerate(states)]
        held = [lease for lease in await asyncio.gather(*works) if lease is not None]
        assert len(held) == 1
        return held[0]

    first = await race()
    assert first.rev == 1
    renewed = await states[0].acquire_lease(fresh, first.owner, 30)
    assert renewed.rev == 2
    await states[0].release_lease(first)
    assert await states[0].acquire_lease(fresh, "another", 30) is None, "an old lease releases nothing"
    clock.added_seconds += 31
    taken = await race()
    assert taken.rev == 3
    await states[0].release_lease(taken)
    await states[0].release_lease(taken)
    assert (await states[0].acquire_lease(fresh, "another", 30)).rev == 1


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("held", [False, True])
async def test_a_lease_whose_answer_is_lost(cql, clock, fresh, fate, held):
    losing = Losing(cql)
    state, other = ClusterState(losing, clock), ClusterState(cql, clock)
    if held:
        await state.acquire_lease(fresh, "we", 30)
    losing.plan = [fate, fate]
    lease = await state.acquire_lease(fresh, "we", 30)
    assert (lease.owner, lease.rev) == ("we", 1 + held)
    assert await other.acquire_lease(fresh, "they", 30) is None
    losing.plan = [fate]
    await state.release_lease(lease)
    theirs = await other.acquire_lease(fresh, "they", 30)
    assert isinstance(theirs, Lease)
    assert not any(await losing.arrive()), "what was lost on its way ends nobody's lease"
    assert await state.acquire_lease(fresh, "we", 30) is None


async def test_a_lease_whose_answer_is_lost_while_another_takes_it(cql, clock, fresh):
    losing = Losing(cql)
    losing.plan = [LOSE_BEFORE]
    other = ClusterState(cql, clock)
    losing.meanwhile = lambda: other.acquire_lease(fresh, "they", 30)
    assert await ClusterState(losing, clock).acquire_lease(fresh, "we", 30) is None


def mine(rows, ids):
    return [row for row in rows if row.stripe_id in ids]


async def test_slots_of_a_stripe_add_up_and_go_one_by_one(cql, clock):
    one, two = Repairs(cql, clock), Repairs(cql, clock)
    ids = sorted(os.urandom(16) for _ in range(40))
    before = await one.count()
    await asyncio.gather(*(repairs.add([RepairRow(3, each, (slot,)) for each in ids]) for repairs, slot in ((one, 4), (two, 1))))
    assert await one.count() == before + 40
    assert mine(await one.list(b"", 10_000), ids) == [RepairRow(3, each, (1, 4)) for each in ids]
    assert await one.list(ids[9], 1) == (await two.list(ids[9], 10_000))[:1]
    assert mine(await one.list(ids[9], 10_000), ids) == [RepairRow(3, each, (1, 4)) for each in ids[10:]]
    await one.add([RepairRow(3, ids[0], (0,))])
    await two.finish([RepairRow(3, each, (1, 4)) for each in ids] + [RepairRow(3, os.urandom(16), (0,))])
    assert mine(await one.list(b"", 10_000), ids) == [RepairRow(3, ids[0], (0,))]
    await one.finish([RepairRow(3, ids[0], (0,))])
    assert await one.count() == before


async def test_a_slot_that_is_lost_again_is_noted_again_whatever_the_clock_says(cql, clock):
    repairs, stripe_id = Repairs(cql, clock), os.urandom(16)
    row = RepairRow(1, stripe_id, (2,))
    for _ in range(3):
        await repairs.add([row])
        clock.added_seconds += 1000
        await repairs.finish([row])
        clock.added_seconds -= 999
        await repairs.add([row])
        assert mine(await repairs.list(b"", 10_000), [stripe_id]) == [row]
        await repairs.finish([row])


async def test_what_is_known_is_not_written_again_and_nothing_costs_one_statement(cql, clock):
    counting = Counting(cql)
    repairs, stripe_id = Repairs(counting, clock), b"\xff" * 16
    row = RepairRow(1, stripe_id, (2,))
    assert await repairs.list(b"\xff" * 15 + b"\xfe", 10) == []
    assert counting.count == 1
    await repairs.add([row])
    counting.texts.clear()
    await repairs.add([row])
    assert counting.count == 1
    await repairs.finish([row])
