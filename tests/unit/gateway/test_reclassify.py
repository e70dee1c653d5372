"""Bytes move to the scheme of another storage class, and back; what is refused or fails leaves them where they are."""

import os

import msgspec
import pytest

from dolmen.core.cluster_map import Pool, encode_map
from dolmen.core.placement import with_pools
from dolmen.gateway.metadata.store import ObjectChanged
from dolmen.gateway.objects.reclass import Reclassifier
from dolmen.gateway.objects.stripe_write import StripeWriter

STRIPE, NARROW = 2 * 65536, 65536


@pytest.fixture
async def moving(cluster):
    """A cluster whose STANDARD_IA is 1+2, and what moves objects in it."""
    wanted = Pool(storage_classes=("STANDARD_IA",), k=1, m=2, stripe_bytes=STRIPE, min_fragment_bytes=NARROW)
    changed = with_pools(cluster.view.map, [wanted])
    await cluster.store.publish_map(cluster.view.map.epoch, changed.epoch, encode_map(changed))
    await cluster.view.refresh()
    return Reclassifier(
        cluster.store, cluster.view, cluster.reader, StripeWriter(cluster.view, cluster.client), cluster.ids, cluster.budget
    )


async def record_of(cluster, key):
    return await cluster.store.get_version(cluster.bucket.bucket_id, key)


@pytest.mark.parametrize("size", [0, 1, 65535, 131072, 131073, 1_000_003])
async def test_there_and_back(cluster, moving, size):
    data = os.urandom(size)
    await cluster.write(b"k", data)
    for storage_class, scheme in (("STANDARD_IA", (1, 2)), ("STANDARD", (4, 2))):
        record = await record_of(cluster, b"k")
        layout = await moving.move(cluster.bucket, record, storage_class)
        assert {(segment.k, segment.m) for segment in layout.segments} == ({scheme} if size else set())
        changed = await cluster.store.replace_data(cluster.bucket.bucket_id, record, layout, storage_class)
        assert changed.attributes.storage_class == storage_class
        assert await cluster.read(b"k") == data
    garbage = [note.layout for note in await cluster.store.due_garbage(1 << 62, 100)]
    assert len(garbage) == (2 if size else 0)


async def test_the_same_scheme_moves_nothing(cluster, moving):
    await cluster.write(b"k", b"x" * 1000)
    record = await record_of(cluster, b"k")
    assert await moving.move(cluster.bucket, record, "GLACIER") is record.layout


async def test_an_object_that_changed_meanwhile_keeps_its_new_bytes(cluster, moving):
    await cluster.write(b"k", b"old" * 1000)
    record = await record_of(cluster, b"k")
    layout = await moving.move(cluster.bucket, record, "STANDARD_IA")
    await cluster.write(b"k", b"new" * 1000)
    with pytest.raises(ObjectChanged):
        await cluster.store.replace_data(cluster.bucket.bucket_id, record, layout, "STANDARD_IA")
    assert await cluster.read(b"k") == b"new" * 1000


async def test_bytes_that_cannot_be_read_stay_where_they_are(cluster, moving):
    await cluster.write(b"k", os.urandom(400_000))
    record = await record_of(cluster, b"k")
    last = record.layout.segments[0]
    broken = msgspec.structs.replace(last, digests=bytes(len(last.digests)))
    unreadable = msgspec.structs.replace(record, layout=msgspec.structs.replace(record.layout, segments=(broken,)))
    with pytest.raises(Exception, match="too few good fragments"):
        await moving.move(cluster.bucket, unreadable, "STANDARD_IA")
    assert await record_of(cluster, b"k") == record
