"""Bytes of objects over real datanodes and the real embedded store, whole and with disks gone or rotten."""

import os
import random
import shutil
from pathlib import Path

import pytest

from dolmen.core.ids import StripeIds, run_base, stripe_of_run, stripe_time_us
from dolmen.core.layout import stripes
from dolmen.gateway.objects.read import DataUnavailable
from dolmen.gateway.objects.stripe_write import NotEnoughDisks

CLUSTER = "c" * 32
KEY = b"k" * 32
STRIPE = 256 * 1024  # small stripes: several of them in a test's object
NARROW = 32 * 1024
BOUNDARIES = (NARROW, 2 * NARROW, 4 * NARROW, STRIPE, 2 * STRIPE)
SIZES = sorted({1, *(size + step for size in BOUNDARIES for step in (-1, 0, 1))})


async def test_every_boundary_size_and_any_range_comes_back(cluster):
    rng = random.Random(7)
    for size in SIZES:
        data = os.urandom(size)
        written = await cluster.write(b"k", data)
        assert written.repairs == ()
        assert await cluster.read(b"k") == data
        for _ in range(4):
            start = rng.randrange(size)
            end = rng.randrange(start, size) + 1
            assert await cluster.read(b"k", start, end) == data[start:end], f"[{start}, {end}) of {size}"
    assert cluster.budget.in_use == 0


@pytest.mark.parametrize("gone", [(0, 1), (2, 5), (3, 4)])
async def test_any_two_disks_may_vanish(cluster, gone):
    objects = {b"%d" % size: os.urandom(size) for size in SIZES}
    for key, data in objects.items():
        await cluster.write(key, data)
    for disk in gone:
        shutil.rmtree(f"disks/{disk}")
    for node in cluster.nodes:
        await node.check_disks()
    for key, data in objects.items():
        assert await cluster.read(key) == data


async def test_three_lost_disks_are_an_error_and_never_wrong_or_short(cluster):
    data = os.urandom(2 * STRIPE)
    await cluster.write(b"k", data)
    for disk in range(3):
        os.rename(f"disks/{disk}", f"disks/{disk}.away")
    for node in cluster.nodes:
        await node.check_disks()
    with pytest.raises(DataUnavailable):
        await cluster.read(b"k")
    with pytest.raises(NotEnoughDisks):
        await cluster.write(b"l", data)
    assert cluster.budget.in_use == 0
    for disk in range(3):
        os.rename(f"disks/{disk}.away", f"disks/{disk}")
    for node in cluster.nodes:
        await node.check_disks()
    assert await cluster.read(b"k") == data


async def test_with_one_disk_gone_writes_go_on_and_note_what_is_missing(cluster):
    shutil.rmtree("disks/3")
    for node in cluster.nodes:
        await node.check_disks()
    data = os.urandom(3 * STRIPE + 5)
    written = await cluster.write(b"k", data)
    segment = written.layout.segments[0]
    assert {len(missing.slots) for missing in segment.missing} == {1}
    lost = next(disk.uuid for disk in cluster.view.map.disks if disk.location == "disks/3")
    groups = {group.pg: group for group in cluster.view.map.groups}
    noted = await cluster.store.list_repairs(b"", 100)
    assert sorted(noted, key=lambda row: row.stripe_id) == sorted(written.repairs, key=lambda row: row.stripe_id)
    assert all(groups[row.pg].slots[row.slots[0]] == lost for row in noted)
    assert len(noted) >= 3, "every full stripe of a 4+2 group over six disks misses one fragment"
    assert await cluster.read(b"k") == data


@pytest.mark.parametrize("how", ["flip", "zero", "truncate", "swap"])
async def test_two_rotten_disks_give_right_bytes(cluster, how):
    objects = {b"%d" % size: os.urandom(size) for size in (1, NARROW + 1, STRIPE - 1, 2 * STRIPE + 1)}
    for key, data in objects.items():
        await cluster.write(key, data)
    await cluster.stop_nodes()
    rng = random.Random(how)
    volumes = [next(Path(f"disks/{disk}").glob("volume-*")) for disk in (1, 4)]
    for volume in volumes:
        raw = bytearray(volume.read_bytes())
        if how == "flip":
            for at in range(4096 + rng.randrange(512), len(raw), 512):
                raw[at] ^= 1 << rng.randrange(8)
        elif how == "zero":
            raw[4096:] = bytes(len(raw) - 4096)
        elif how == "truncate":
            del raw[6000:]
        volume.write_bytes(raw)
    if how == "swap":
        first, second = (volume.read_bytes() for volume in volumes)
        volumes[0].write_bytes(second)
        volumes[1].write_bytes(first)
    await cluster.start_nodes()
    for key, data in objects.items():
        assert await cluster.read(key) == data


def test_stripe_ids_never_repeat_even_when_the_clock_steps_back():
    class Steps:
        times = iter([10, 11, 5, 5, 12] * 2000)

        def now_us(self):
            return next(self.times)

        def monotonic_seconds(self):
            return 0.0

    ids = StripeIds(Steps())
    drawn = [ids.new_run() for _ in range(10_000)]
    assert len(set(drawn)) == len(drawn)
    assert drawn == sorted(drawn), "time-ordered"
    last = stripe_of_run(drawn[-1], 77)
    assert (run_base(last), stripe_time_us(last)) == (drawn[-1], stripe_time_us(drawn[-1]))


async def test_consecutive_stripes_share_a_run(cluster):
    written = await cluster.write(b"k", os.urandom(8 * STRIPE))
    segment = written.layout.segments[0]
    assert sum(run.count for run in segment.runs) == 8
    assert len(segment.runs) == 1
    assert len({stripe.stripe_id for stripe in stripes(segment)}) == 8
