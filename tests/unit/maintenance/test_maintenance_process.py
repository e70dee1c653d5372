"""Maintenance over real datanodes: the map, lost disks, one leader, and what survives a kill."""

import asyncio
import os
import shutil

import msgspec
import pytest

from dolmen.core.cluster_map import encode_map
from dolmen.core.layout import stripes
from dolmen.datanode.client import DatanodeError
from dolmen.gateway.maintenance import duties as duties_module
from dolmen.gateway.maintenance.report import DISKS, REPAIR_ROWS
from dolmen.gateway.maintenance.topology import decode_published
from dolmen.gateway.metadata.records import DeleteRequest

SIZES = (1, 20_000, 33_000, 100_000, 256 * 1024, 600_001)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(duties_module, "LOOK_SECONDS", 0.02)
    for name in ("ROWS_SECONDS", "FILL_SECONDS", "GARBAGE_SECONDS"):
        monkeypatch.setattr(duties_module, name, (0.02, 0.05))


async def missing_fragments(cluster, keys):
    """Counted from the rows, not by maintenance: fragments that should be there and do not verify."""
    await cluster.view.refresh()
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


async def published(cluster):
    return decode_published((await cluster.store.get_map())[1])


async def test_the_first_map_is_published_and_pushed_when_all_disks_are_there(bare):
    maintenance = bare.start()
    report = await bare.until(maintenance, lambda report: report.waiting_for.startswith("datanode"))
    assert (report.epoch, maintenance.ready()[0]) == (0, False)
    await bare.cluster.start_nodes()
    report = await bare.settled(maintenance)
    assert (report.epoch, report.scheme, report.leader, maintenance.ready()[0]) == (1, "4+2", True, True)
    await bare.until(maintenance, lambda report: all(node.node.epoch == 1 for node in bare.cluster.nodes))
    found = await published(bare.cluster)
    assert (found.stripe_bytes, found.min_fragment_bytes) == (4 * 65536, 32768)


async def test_a_lost_disk_is_filled_again(running):
    cluster, leader = running.cluster, running.leader
    objects = await running.write(*SIZES)
    os.rename("disks/4", "emptied-4")  # at once: its datanode still writes there
    await running.check_disks()
    report = await running.until(leader, lambda report: any(disk.incomplete for disk in report.disks))
    gone = next(disk for disk in report.disks if disk.location == "disks/4")
    assert (gone.state, gone.incomplete, report.groups.whole) == ("missing", True, 0)
    assert report.under_replicated.stripes > 0
    assert await missing_fragments(cluster, objects) > 0
    os.mkdir("disks/4")
    await running.check_disks()
    report = await running.settled(leader)
    assert await missing_fragments(cluster, objects) == 0
    assert next(disk for disk in report.disks if disk.location == "disks/4").uuid != gone.uuid
    for key, data in objects.items():
        assert await cluster.read(key) == data


async def test_two_lost_disks_at_once(running):
    objects = await running.write(*SIZES)
    for number in (0, 5):
        os.rename(f"disks/{number}", f"emptied-{number}")  # at once: its datanode still writes there
        os.mkdir(f"disks/{number}")
    await running.check_disks()
    await running.check_disks()
    await running.until(running.leader, lambda report: report.epoch > 1)
    await running.settled(running.leader)
    assert await missing_fragments(running.cluster, objects) == 0


async def test_three_lost_disks_are_told(running):
    objects = await running.write(600_001)
    before = {disk.location: disk.uuid for disk in (await running.settled(running.leader)).disks}
    for number in (0, 1, 2):
        os.rename(f"disks/{number}", f"away-{number}")
        os.mkdir(f"disks/{number}")
    await running.check_disks()
    await running.check_disks()
    await running.until(running.leader, lambda report: report.epoch > 1)
    report = await running.settled(running.leader)
    assert report.repair.lost > 0, "no fragment is missing that could be made again, and the rest is not hidden"
    for number in (0, 1, 2):
        os.rename(f"disks/{number}", f"emptied-{number}")  # at once: its datanode still writes there
        os.rename(f"away-{number}", f"disks/{number}")
    await running.check_disks()
    await running.check_disks()
    await running.until(running.leader, lambda report: {disk.location: disk.uuid for disk in report.disks} == before)
    report = await running.settled(running.leader)
    assert (report.repair.lost, await missing_fragments(running.cluster, objects)) == (0, 0), "the old disks are taken back"


async def test_one_lost_disk_is_filled_while_another_is_away(running):
    objects = await running.write(*SIZES)
    os.rename("disks/2", "away")
    os.rename("disks/3", "emptied-3")  # at once: its datanode still writes there
    os.mkdir("disks/3")
    await running.check_disks()
    report = await running.until(
        running.leader, lambda report: any(fill.repaired for fill in report.repair.filling) and report.epoch > 1
    )
    assert not report.under_replicated.exact
    filled = {disk.uuid for disk in report.disks if disk.location == "disks/3"}
    assert {fill.uuid for fill in report.repair.filling} == filled
    os.rename("away", "disks/2")
    await running.check_disks()
    await running.settled(running.leader)
    assert await missing_fragments(running.cluster, objects) == 0


async def test_a_disk_that_was_away_gets_what_was_written_meanwhile(running):
    os.rename("disks/1", "away")
    await running.check_disks()
    objects = await running.write(*SIZES)
    rows = await running.cluster.store.repair_count()
    assert rows > 0
    report = await running.until(running.leader, lambda report: report.repair.rows == rows)
    assert report.under_replicated.stripes >= rows
    assert REPAIR_ROWS._value.get() == rows
    assert DISKS.labels("missing")._value.get() == 1
    os.rename("away", "disks/1")
    await running.check_disks()
    await running.settled(running.leader)
    assert await running.cluster.store.repair_count() == 0
    assert await missing_fragments(running.cluster, objects) == 0


async def test_an_old_copy_of_a_disk_is_brought_up_to_date(running):
    """Nothing noted what it lacks: only the comparison can find that."""
    before = await running.write(1000)
    await running.stop(running.leader)
    await running.cluster.stop_nodes()
    shutil.copytree("disks/0", "copy")
    await running.cluster.start_nodes()
    await running.reconnected()
    after = await running.write(*SIZES)
    leader = running.start()
    await running.settled(leader)
    os.rename("disks/0", "emptied-0")  # at once: its datanode still writes there
    await running.check_disks()
    await running.until(leader, lambda report: not report.under_replicated.exact)
    os.rename("copy", "disks/0")
    await running.check_disks()
    await running.settled(leader)
    assert await missing_fragments(running.cluster, {**before, **after}) == 0


async def test_the_work_left_survives_a_kill(running):
    """The list of incomplete disks is in the map: a process that knows nothing of the loss fills the disk."""
    objects = await running.write(*SIZES)
    await running.stop(running.leader)
    os.rename("disks/3", "emptied-3")  # at once: its datanode still writes there
    os.mkdir("disks/3")
    await running.check_disks()
    first = running.make()
    await first.store.open()
    await first.leadership.renew()
    await first.duties.look()  # it publishes the replacement and is gone
    await first.leadership.release()
    await first.client.close()
    await first.store.close()
    assert len((await published(running.cluster)).incomplete) == 1
    assert await missing_fragments(running.cluster, objects) > 0
    await running.settled(running.start())
    assert (await published(running.cluster)).incomplete == ()
    assert await missing_fragments(running.cluster, objects) == 0


async def test_one_of_two_acts_and_the_other_takes_over(running):
    lease = ("--lease-seconds", "0.3")
    await running.stop(running.leader)
    first = running.start(*lease)
    await running.until(first, lambda report: report.leader)
    second = running.start(*lease)
    await running.until(second, lambda report: report.epoch == 1)
    for _ in range(20):  # each look gives it the chance to be wrong
        assert not (await running.report(second)).leader
        await asyncio.sleep(0.02)
    await running.kill(first)
    assert (await running.until(second, lambda report: report.leader)).leader
    objects = await running.write(50_000)
    os.rename("disks/0", "emptied-0")  # at once: its datanode still writes there
    os.mkdir("disks/0")
    await running.check_disks()
    await running.until(second, lambda report: report.epoch > 1)
    await running.settled(second)
    assert await missing_fragments(running.cluster, objects) == 0


async def test_a_stopped_leader_gives_the_lease_back(running):
    await running.stop(running.leader)
    assert await running.cluster.store.acquire_lease("maintenance", "another", 60.0) is not None


async def test_without_the_lease_nothing_is_published(running):
    await running.stop(running.leader)
    await running.cluster.store.acquire_lease("maintenance", "another", 600.0)
    idle = running.start("--lease-seconds", "0.3")
    os.rename("disks/0", "emptied-0")  # at once: its datanode still writes there
    os.mkdir("disks/0")
    await running.check_disks()
    report = await running.until(idle, lambda report: any(not disk.in_map for disk in report.disks))
    assert (report.leader, report.epoch, (await published(running.cluster)).epoch) == (False, 1, 1)


async def test_a_restarted_datanode_gets_the_map_again(running):
    await running.cluster.stop_nodes()
    await running.until(running.leader, lambda report: {disk.state for disk in report.disks} == {"unreachable"})
    await running.cluster.start_nodes()
    await running.settled(running.leader)
    await running.until(running.leader, lambda report: all(node.node.epoch == 1 for node in running.cluster.nodes))
    assert (await published(running.cluster)).epoch == 1, "a datanode that was away is no lost disk"


async def test_deleted_data_leaves_the_disks(running):
    objects = await running.write(*SIZES)
    for key in objects:
        await running.cluster.store.delete(running.cluster.bucket, DeleteRequest(key=key))
    report = await running.until(
        running.leader, lambda report: report.garbage_notes == 0 and not any(disk.fragments for disk in report.disks)
    )
    assert sum(disk.used_bytes for disk in report.disks) == 0


async def test_another_publisher_wins_and_is_followed(running):
    other = msgspec.structs.replace(await published(running.cluster), epoch=9)
    await running.cluster.store.publish_map(1, 9, encode_map(other))
    await running.until(running.leader, lambda report: report.epoch == 9)


async def test_metadata_of_another_kind_is_refused(bare):
    with pytest.raises(duties_module.DolmenError, match="embedded:PATH"):
        bare.make("--metadata", "tape:1")
