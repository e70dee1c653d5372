"""The scan of real datanodes: everything is seen, what is silent or rotten is told, and what is left still counts."""

import os

import pytest

from dolmen.core.layout import stripes
from dolmen.gateway.maintenance.rebuild import scan as scanning
from dolmen.gateway.maintenance.rebuild.scan import Scan, find_map, present_map

SIZES = {b"small": 100, b"large": 3 * 256 * 1024 + 1}
NODES = ("unix:n0.sock", "unix:n1.sock")


async def seen(cluster, **options):
    """(stripes by id, troubles, the scan)."""
    scan = Scan(cluster.client, cluster.view.map, **options)
    troubles = []
    found = {}
    for group in cluster.view.map.groups:
        async for stripe in scan.stripes(group, troubles.append):
            found[stripe.stripe_id] = stripe
    return found, troubles, scan


def named(layout):
    return [stripe for segment in layout.segments for stripe in stripes(segment)]


@pytest.fixture
async def filled(cluster):
    layouts = {key: (await cluster.write(key, os.urandom(size))).layout for key, size in SIZES.items()}
    return cluster, layouts


async def test_every_stripe_is_seen_with_all_its_fragments(filled):
    cluster, layouts = filled
    found, troubles, scan = await seen(cluster, verify=True)
    assert set(found) == {stripe.stripe_id for layout in layouts.values() for stripe in named(layout)}
    assert all(stripe.lacking == () for stripe in found.values())
    assert (troubles, scan.unheard) == ([], {})
    assert {stripe.key for stripe in found.values()} == set(SIZES)
    _, fragments = await present_map(cluster.client, NODES, cluster.view.map)
    assert scan.fragments == fragments


async def test_rot_in_a_payload_is_found_when_asked_for(filled):
    cluster, layouts = filled
    (stripe,) = named(layouts[b"small"])
    group = cluster.view.group(stripe.pg)
    disk = next(disk for disk in cluster.view.map.disks if disk.uuid == group.slots[0])
    fragment = await cluster.client.get(disk, stripe.stripe_id, 0)
    payload = bytes(fragment.payload)
    (volume,) = [path for path in (cluster.directory / disk.location).glob("volume-??????????") if payload in path.read_bytes()]
    at = volume.read_bytes().index(payload)
    with volume.open("r+b") as file:
        file.seek(at)
        file.write(bytes([payload[0] ^ 1]))
    found, troubles, _ = await seen(cluster)
    assert (found[stripe.stripe_id].lacking, troubles) == ((), [])
    found, troubles, _ = await seen(cluster, verify=True)
    assert found[stripe.stripe_id].lacking == (0,)
    assert [(trouble.stripe_id, trouble.slot) for trouble in troubles] == [(stripe.stripe_id, 0)]


async def test_disks_that_do_not_answer_are_told_and_the_others_still_count(filled, monkeypatch):
    cluster, _ = filled
    monkeypatch.setattr(scanning, "RETRY_SECONDS", 0.01)
    await cluster.nodes.pop().stop()
    found, _, scan = await seen(cluster)
    silent = {disk.uuid for disk in cluster.view.map.disks if disk.address == "unix:n1.sock"}
    assert set(scan.unheard) == silent
    for stripe in found.values():
        slots = cluster.view.group(stripe.pg).slots
        assert {slots[slot] for slot in stripe.lacking} <= silent
        assert {slots[slot] for slot in stripe.slots}.isdisjoint(silent)


async def test_the_newest_map_that_a_datanode_remembers_is_found(filled):
    cluster, _ = filled
    assert await find_map(cluster.client, NODES, "c" * 32) is None
    epoch, raw = await cluster.store.get_map()
    await cluster.client.push_map(NODES[1], raw)
    assert await find_map(cluster.client, NODES, "c" * 32) == (epoch, raw)
    assert await find_map(cluster.client, NODES, "d" * 32) is None, "another cluster's is none"
