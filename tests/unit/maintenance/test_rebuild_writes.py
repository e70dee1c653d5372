"""Fragments back to writes: whatever is lost within what the scheme allows, the layouts are those that the rows had."""

import asyncio
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from rebuild_model import STRIPE, World

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.maintenance.rebuild.fragments import agreed
from dolmen.gateway.maintenance.rebuild.writes import GarbageRuns, unmarked, writes_of
from dolmen.gateway.objects.stripe_write import NotEnoughDisks

lengths = st.one_of(st.integers(1, 3 * STRIPE), st.sampled_from([1, STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE, 5 * STRIPE]))


async def written(world, wanted, yield_share):
    """Layouts by write id; bodies that found too few disks are left out."""
    rows = {}
    for number, length in enumerate(wanted):
        try:
            write_id, made = await world.write(b"key" * (number % 3 * 200 + 1), length, yield_share=yield_share)
        except NotEnoughDisks:
            continue
        rows[write_id] = unmarked(made.layout)
    return rows


def survivors(world, rng, rows):
    """Shuffled, and of each stripe of a row so many fragments gone that it can just be read."""
    by_stripe = {}
    for meta, length in world.client.landed:
        by_stripe.setdefault(meta.stripe_id, {})[meta.slot] = (meta, length)
    kept = []
    for fragments in by_stripe.values():
        slots = sorted(fragments)
        meta = fragments[slots[0]][0]
        lost = rng.sample(slots, rng.randint(0, max(0, len(slots) - meta.narrow_k)))
        kept += [fragments[slot] for slot in slots if slot not in lost]
    rng.shuffle(kept)
    return kept


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1 << 32),
    wanted=st.lists(lengths, min_size=1, max_size=5),
    yield_share=st.sampled_from([0.0, 0.3]),
    fail_share=st.sampled_from([0.0, 0.02, 0.1]),
)
def test_layouts_come_back_exactly_from_shuffled_fragments_with_losses(seed, wanted, yield_share, fail_share):
    world = World(seed, fail_share=fail_share)
    rows = asyncio.run(written(world, wanted, yield_share))
    found = world.writes(survivors(world, random.Random(seed), rows))
    for write_id, layout in rows.items():
        write = found[write_id]
        assert write.problem == ""
        assert write.layout == layout
        assert write.first_stripe in [meta.stripe_id for meta, _ in world.client.landed]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1 << 32), length=st.integers(1, 4 * STRIPE))
def test_one_fragment_too_few_and_the_write_is_told_as_lost(seed, length):
    world = World(seed)
    write_id, _ = asyncio.run(world.write(b"k", length))
    rng = random.Random(seed)
    unlucky = rng.choice(world.stripes())
    slots = rng.sample(unlucky.slots, len(unlucky.slots) - unlucky.narrow_k + 1)
    told = [(meta, size) for meta, size in world.client.landed if meta.stripe_id != unlucky.stripe_id or meta.slot not in slots]
    found = world.writes(told).get(write_id)
    assert found is None or (found.problem and found.layout == ObjectLayout()), "nothing is left of it, or it is told"
    if found is not None:
        assert str(unlucky.ordinal) in found.problem or "description" in found.problem or "bytes of" in found.problem


async def test_a_body_that_a_crash_cut_off_between_two_stripes_is_not_whole():
    world = World(1)
    write_id, _ = await world.write(b"k", 4 * STRIPE)
    told = [(meta, size) for meta, size in world.client.landed if meta.stripe_ordinal < 3]
    found = world.writes(told)[write_id]
    assert found.problem == f"{3 * STRIPE} bytes of {4 * STRIPE} are there"


async def test_fragments_without_a_description_keep_their_layout_and_are_told():
    world = World(2)
    write_id, made = await world.write(b"k", 100)
    told = [(msgspec.structs.replace(meta, description=b""), size) for meta, size in world.client.landed]
    pool = world.view.pool()
    stripes = world.stripes(told)
    (found,) = writes_of(stripes, lambda k, m: pool)
    assert (found.write_id, found.layout) == (write_id, made.layout)
    assert "older version" in found.problem
    (unknown,) = writes_of(stripes, lambda k, m: None)
    assert not unknown.is_whole


async def test_fragments_that_contradict_the_others_are_left_out_and_told():
    world = World(3)
    await world.write(b"k", STRIPE)
    fragments = [(meta.slot, size, meta) for meta, size in world.client.landed]
    pg, stripe_id = fragments[0][2].pg, fragments[0][2].stripe_id
    liar = msgspec.structs.replace(fragments[0][2], stripe_digest=1)
    short = (fragments[1][0], 16, fragments[1][2])
    elsewhere = (fragments[2][0], fragments[2][1], fragments[3][2])
    unread = (fragments[4][0], fragments[4][1], None)
    seen, troubles = agreed(pg, stripe_id, [(0, fragments[0][1], liar), short, elsewhere, fragments[3], unread, fragments[5]])
    assert seen is not None
    assert seen.slots == (3, 5)
    assert not seen.is_whole
    assert sorted(trouble.slot for trouble in troubles) == [0, 1, 2, 4]
    assert len({trouble.reason for trouble in troubles}) == 4
    torn, troubles = agreed(pg, stripe_id, [(0, fragments[0][1], liar), fragments[3]])
    assert torn is None, "one against one settles nothing"
    assert len(troubles) == 2


async def test_writes_that_are_noted_as_garbage_are_marked_and_given_up_attempts_do_not_count():
    world = World(4)
    kept_id, _ = await world.write(b"k", 100)
    gone_id, gone = await world.write(b"k", 3 * STRIPE)
    garbage = GarbageRuns()
    garbage.add(gone.layout)
    found = world.writes(garbage=garbage)
    assert found[gone_id].is_garbage
    assert not found[kept_id].is_garbage


async def test_what_a_stripe_lacks_is_told_for_repair():
    world = World(5)
    write_id, _ = await world.write(b"k", STRIPE)
    told = [(meta, size) for meta, size in world.client.landed if meta.slot not in (1, 5)]
    found = world.writes(told)[write_id]
    assert [(row.stripe_id, row.slots) for row in found.lacking] == [(found.first_stripe, (1, 5))]
