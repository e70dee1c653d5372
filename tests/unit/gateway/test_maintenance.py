"""Repair and garbage collection over real datanodes, judged by a counter of its own."""

import os
import shutil

import msgspec
import pytest

from dolmen.core.checksums import block_crcs
from dolmen.core.clock import SystemClock
from dolmen.core.cluster_map import encode_map
from dolmen.core.layout import stripes
from dolmen.core.placement import replace_disk
from dolmen.datanode.client import DatanodeError, NotHere
from dolmen.gateway.maintenance import repair as repair_module
from dolmen.gateway.maintenance.garbage import GarbageCollector
from dolmen.gateway.maintenance.repair import Repairer
from dolmen.gateway.metadata.records import DeleteRequest

SIZES = (1, 40_000, 100_000, 256 * 1024, 600_001)


@pytest.fixture
def repairer(cluster):
    return Repairer(cluster.store, cluster.view, cluster.client, SystemClock())


@pytest.fixture
def collector(cluster):
    return GarbageCollector(cluster.store, cluster.view, cluster.client, SystemClock())


async def fill(cluster):
    objects = {b"%d" % size: os.urandom(size) for size in SIZES}
    for key, data in objects.items():
        await cluster.write(key, data)
    return objects


async def check_nodes(cluster):
    for node in cluster.nodes:
        await node.check_disks()


async def missing_fragments(cluster, keys):
    """Counted from the rows: fragments that should be there and do not verify."""
    missing = 0
    for key in keys:
        record = await cluster.store.get_version(cluster.bucket.bucket_id, key)
        for segment in record.layout.segments:
            for stripe in stripes(segment):
                for slot in stripe.slots():
                    try:
                        await cluster.client.stat(cluster.view.disk_of(stripe.pg, slot), stripe.stripe_id, slot, True)
                    except DatanodeError:
                        missing += 1
    return missing


async def fragments_on_disks(cluster):
    replies = [await cluster.client.status(f"unix:n{number}.sock") for number in (0, 1)]
    return sum(disk.fragments for reply in replies for disk in reply.disks)


async def test_a_returned_disk_gets_what_was_written_without_it(cluster, repairer):
    os.rename("disks/2", "away")
    await check_nodes(cluster)
    objects = await fill(cluster)
    noted = await cluster.store.repair_count()
    assert noted > 0
    tally = await repairer.rows()
    assert (tally.repaired, tally.waiting) == (0, noted), "nothing to write to yet"
    assert await cluster.store.repair_count() == noted
    os.rename("away", "disks/2")
    await check_nodes(cluster)
    tally = await repairer.rows()
    assert (tally.repaired, tally.complete) == (noted, True)
    assert await cluster.store.repair_count() == 0
    assert await missing_fragments(cluster, objects) == 0


async def test_a_replaced_disk_is_filled_again_and_the_count_agrees(cluster, repairer, monkeypatch):
    monkeypatch.setattr(repair_module, "YOUNG_SECONDS", 0.0)
    objects = await fill(cluster)
    old = next(disk for disk in cluster.view.map.disks if disk.location == "disks/4")
    shutil.rmtree("disks/4")
    await check_nodes(cluster)
    lost = await missing_fragments(cluster, objects)
    assert lost > 0
    os.mkdir("disks/4")
    await check_nodes(cluster)
    status = await cluster.client.status(old.address)
    new = next(disk.uuid for disk in status.disks if disk.location == "disks/4")
    changed = replace_disk(cluster.view.map, old.uuid, msgspec.structs.replace(old, uuid=new))
    await cluster.store.publish_map(1, changed.epoch, encode_map(changed))
    await cluster.view.refresh()
    tally = await repairer.disk(new)
    assert tally.complete
    assert tally.repaired == lost
    assert await missing_fragments(cluster, objects) == 0
    again = await repairer.disk(new)
    assert again.repaired == 0
    for key, data in objects.items():
        assert await cluster.read(key) == data


async def lose_one_fragment(cluster):
    """Returns the disk that has one fragment too few."""
    written = await cluster.write(b"k", os.urandom(256 * 1024))
    stripe = next(stripes(written.layout.segments[0]))
    disk = cluster.view.disk_of(stripe.pg, 3)
    await cluster.client.trash(disk, [(stripe.stripe_id, 3)])
    return disk


async def test_young_stripes_may_be_on_their_way_and_are_not_called_missing(cluster, repairer, monkeypatch):
    monkeypatch.setattr(repair_module, "YOUNG_SECONDS", 600.0)
    disk = await lose_one_fragment(cluster)
    tally = await repairer.disk(disk.uuid)
    assert (tally.repaired, tally.young, tally.complete) == (0, 1, False)
    monkeypatch.setattr(repair_module, "YOUNG_SECONDS", 0.0)
    tally = await repairer.disk(disk.uuid)
    assert (tally.repaired, tally.complete) == (1, True)


async def test_half_a_comparison_repairs_what_it_can_and_proves_nothing(cluster, repairer, monkeypatch):
    monkeypatch.setattr(repair_module, "YOUNG_SECONDS", 0.0)
    disk = await lose_one_fragment(cluster)
    away = next(other for other in cluster.view.map.disks if other.uuid != disk.uuid)
    os.rename(away.location, "away")
    await check_nodes(cluster)
    tally = await repairer.disk(disk.uuid)
    assert (tally.repaired, tally.complete) == (1, False)
    assert tally.unheard > 0


async def test_a_comparison_needs_the_disk_itself(cluster, repairer):
    disk = await lose_one_fragment(cluster)
    os.rename(disk.location, "away")
    await check_nodes(cluster)
    with pytest.raises(DatanodeError):
        await repairer.disk(disk.uuid)


async def test_too_few_survivors_are_left_alone(cluster, repairer):
    written = await cluster.write(b"k", os.urandom(256 * 1024))
    stripe = next(stripes(written.layout.segments[0]))
    for slot in (0, 1, 2):
        await cluster.client.trash(cluster.view.disk_of(stripe.pg, slot), [(stripe.stripe_id, slot)])
    outcome = await repairer.repair(stripe.pg, stripe.stripe_id, (0, 1, 2))
    assert outcome is repair_module.Outcome.LOST
    for slot in (3, 4, 5):
        await cluster.client.stat(cluster.view.disk_of(stripe.pg, slot), stripe.stripe_id, slot, True)


async def test_a_fragment_that_is_whole_but_wrong_does_not_spread(cluster, repairer):
    written = await cluster.write(b"k", os.urandom(256 * 1024))
    stripe = next(stripes(written.layout.segments[0]))
    disks = [cluster.view.disk_of(stripe.pg, slot) for slot in range(6)]
    wrong = await cluster.client.get(disks[0], stripe.stripe_id, 0)
    payload = os.urandom(wrong.fragment_length)
    await cluster.client.put(disks[0], wrong.meta, payload, block_crcs(payload))
    await cluster.client.trash(disks[1], [(stripe.stripe_id, 1)])
    assert await repairer.repair(stripe.pg, stripe.stripe_id, (1,)) is repair_module.Outcome.LOST
    with pytest.raises(NotHere):
        await cluster.client.stat(disks[1], stripe.stripe_id, 1, False)


async def test_deleted_and_overwritten_data_leaves_the_disks(cluster, collector):
    objects = await fill(cluster)
    before = await fragments_on_disks(cluster)
    await cluster.write(b"1", b"x")
    for key in list(objects)[1:]:
        await cluster.store.delete(cluster.bucket, DeleteRequest(key=key))
    progress = await collector.step()
    assert (progress.finished, progress.waiting) == (len(objects), 0)
    assert progress.trashed == before
    assert await cluster.store.garbage_count() == 0
    assert await fragments_on_disks(cluster) == 3, "one byte in 1+2 fragments"
    assert await cluster.read(b"1") == b"x"


async def test_notes_wait_for_a_disk_that_is_away(cluster, collector):
    await cluster.write(b"k", os.urandom(256 * 1024))
    await cluster.store.delete(cluster.bucket, DeleteRequest(key=b"k"))
    os.rename("disks/1", "away")
    await check_nodes(cluster)
    progress = await collector.step()
    assert (progress.finished, progress.waiting) == (0, 1)
    os.rename("away", "disks/1")
    await check_nodes(cluster)
    progress = await collector.step()
    assert (progress.finished, progress.trashed) == (1, 1), "the disk that was away is cleaned like the others"
    assert await fragments_on_disks(cluster) == 0
