"""Rows beside writes: equal only when every field that the volumes know is, and each difference told once, with its reason."""

import msgspec
import pytest
from rebuild_model import World

from dolmen.core.layout import Missing, ObjectLayout
from dolmen.gateway.maintenance.rebuild.compare import compare, told_plan
from dolmen.gateway.maintenance.rebuild.differences import bucket_difference
from dolmen.gateway.maintenance.rebuild.loading import Loader
from dolmen.gateway.maintenance.rebuild.resolve import resolve
from dolmen.gateway.maintenance.rebuild.rows import Row
from dolmen.gateway.metadata.records import (
    NULL_VERSION,
    Attributes,
    BucketRecord,
    Checksum,
    MutablePart,
    PartRecord,
    UploadRecord,
    Versioning,
    VersionRecord,
)
from dolmen.gateway.objects.description import UploadFacts

DESCRIBED = {"attributes": Attributes(content_type="text/plain", user_metadata={"a": "b"}), "mutable": MutablePart(tags={"t": "u"})}
UPLOAD = UploadFacts("u1", 5, "1" * 12, "", "")


def row_of(world, layout, key=b"k", size=10, **more):
    fields = {"version_id": NULL_VERSION, "seq": 9, "etag": "e", "mtime_us": 9, "owner": "1" * 12, **DESCRIBED, **more}
    return Row(world.bucket.bucket_id, key, version=VersionRecord(key=key, size=size, layout=layout, **fields))


async def one(seed):
    """(world, layout, its write) of a described object of ten bytes."""
    world = World(seed)
    _, written = await world.write(b"k", 10, **DESCRIBED)
    return world, written.layout, list(world.writes().values())


async def test_a_row_that_is_as_described_is_no_difference():
    world, layout, writes = await one(1)
    row = row_of(world, layout, attributes=msgspec.structs.replace(DESCRIBED["attributes"], checksum=Checksum("CRC32", "x")))
    found = compare("b", [row], writes)
    assert (found.differences, found.unknown) == ([], [])
    assert [match.row for match in found.matches] == [row]


async def test_what_was_missing_at_first_is_no_difference():
    world, layout, writes = await one(2)
    segment = msgspec.structs.replace(layout.segments[0], missing=(Missing(0, (5,)),))
    assert compare("b", [row_of(world, ObjectLayout((segment,)))], writes).differences == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": "2" * 12}, "owner"),
        ({"size": 11}, "size"),
        ({"attributes": msgspec.structs.replace(DESCRIBED["attributes"], content_type="a/b")}, "attributes.content_type"),
        ({"attributes": msgspec.structs.replace(DESCRIBED["attributes"], user_metadata={})}, "attributes.user_metadata"),
        ({"mutable": MutablePart(tags={"t": "v"})}, "mutable.tags"),
        ({"mutable": MutablePart(rev=2, tags={"t": "u"})}, "mutable.rev"),
        ({"key": b"renamed"}, "key"),
    ],
)
async def test_each_field_that_differs_is_named(change, field):
    world, layout, writes = await one(3)
    found = compare("b", [row_of(world, layout, **change)], writes)
    (difference,) = found.differences
    assert (difference.kind, [told.field for told in difference.fields]) == ("different", [field])
    assert difference.fields[0].rows != difference.fields[0].volumes
    assert found.unknown == []


async def test_a_layout_that_differs_in_one_digest_is_told():
    world, layout, writes = await one(4)
    segment = msgspec.structs.replace(layout.segments[0], digests=bytes(4))
    (difference,) = compare("b", [row_of(world, ObjectLayout((segment,)))], writes).differences
    assert [told.field for told in difference.fields] == ["layout.segments"]


async def test_markers_and_empty_objects_are_in_rows_only():
    world = World(5)
    marker = row_of(world, ObjectLayout(), is_delete_marker=True)
    found = compare("b", [marker, row_of(world, ObjectLayout(), size=0)], [])
    assert [(one.kind, one.what) for one in found.differences] == [("rows only", "delete marker"), ("rows only", "version")]


async def test_rows_whose_bytes_are_gone_or_damaged_say_so():
    world, layout, _ = await one(6)
    (lost,) = compare("b", [row_of(world, layout)], []).differences
    assert (lost.kind, "no volume" in lost.reason) == ("rows only", True)
    _, two = await world.write(b"d", 5000)
    told = [(meta, size) for meta, size in world.client.landed if meta.stripe_length == 4096 or meta.slot == 5]
    writes = list(world.writes(told).values())
    (damaged,) = compare("b", [row_of(world, two.layout, key=b"d", size=5000)], writes).differences
    assert "stripe 1 has 1 good fragments of the 2 that it needs" in damaged.reason


async def test_a_write_without_a_row_is_in_the_volumes_only_unless_it_is_garbage():
    world, layout, writes = await one(7)
    await world.write(b"k", 20)
    both = list(world.writes().values())
    found = compare("b", [row_of(world, layout)], both)
    assert [write.write_id for write in found.unknown] == [write.write_id for write in both if write not in writes]
    assert found.held.has_null
    (told,) = told_plan("b", resolve(found.unknown, found.held))
    assert (told.kind, told.taken, told.reason) == ("volumes only", False, "the key has a null version already")
    (taken,) = told_plan("b", resolve(found.unknown))
    assert (taken.what, taken.taken, taken.key) == ("version", True, "k")
    noted = [msgspec.structs.replace(write, is_garbage=write not in writes) for write in both]
    assert compare("b", [row_of(world, layout)], noted).unknown == []


async def test_uploads_and_parts_are_compared_with_what_their_parts_say():
    world = World(8)
    _, written = await world.write(b"k", 10, part_number=3, upload=UPLOAD, **DESCRIBED)
    upload = UploadRecord(
        bucket_id=world.bucket.bucket_id, key=b"k", upload_id="u1", initiated_us=5, owner="1" * 12, initiator="1" * 12, **DESCRIBED
    )
    part = PartRecord(number=3, size=10, etag="e", mtime_us=9, checksum=None, layout=written.layout)
    writes = list(world.writes().values())
    rows = [Row(upload.bucket_id, b"k", upload=upload), Row(upload.bucket_id, b"k", upload=upload, part=part)]
    assert compare("b", rows, writes).differences == []
    other = msgspec.structs.replace(upload, initiated_us=6)
    fourth = msgspec.structs.replace(part, number=4)
    wrong = [Row(upload.bucket_id, b"k", upload=other), msgspec.structs.replace(rows[1], part=fourth)]
    told = compare("b", wrong, writes).differences
    assert [(one.what, [field.field for field in one.fields]) for one in told] == [
        ("upload", ["initiated_us"]),
        ("part", ["part_number"]),
    ]
    (bare,) = compare("b", rows[:1], []).differences
    assert (bare.kind, bare.what) == ("rows only", "upload")


def test_buckets_are_compared_with_what_their_newest_write_saw():
    seen = BucketRecord(name="b", bucket_id=bytes(16), owner="1" * 12, region="r", created_us=1)
    assert bucket_difference(seen, seen) is None
    changed = msgspec.structs.replace(seen, versioning=Versioning.ENABLED, config={"policy": b"x"})
    told = bucket_difference(changed, seen)
    assert [field.field for field in told.fields] == ["versioning", "config"]
    assert bucket_difference(changed, None).kind == "rows only"
    assert bucket_difference(None, seen).taken


class Rows:
    """A store of which a loader needs three methods."""

    def __init__(self, there=()):
        self.there, self.loaded, self.repairs = list(there), [], []

    async def fetch(self, kind, places):
        return [item for item in self.there if item.record.key in [place[1] for place in places]]

    async def load(self, items):
        self.loaded += items

    async def add_repairs(self, rows):
        self.repairs += rows


async def test_rows_are_never_written_over_and_lacking_fragments_are_noted_where_their_disk_answered():
    world = World(9)
    await world.write(b"k", 10)
    (write,) = world.writes([(meta, size) for meta, size in world.client.landed if meta.slot == 0]).values()
    slots = next(group.slots for group in world.view.map.groups if group.pg == write.lacking[0].pg)
    unheard = {slots[4]}
    store = Rows()
    loader = Loader(store, world.view.map, unheard)
    version = row_of(world, write.layout).version
    await loader.version(world.bucket.bucket_id, version, [write])
    await loader.flush()
    assert [item.record for item in store.loaded] == [version]
    assert [row.slots for row in store.repairs] == [(5,)]
    again = Rows(store.loaded)
    loader = Loader(again, world.view.map, unheard)
    await loader.version(world.bucket.bucket_id, msgspec.structs.replace(version, etag="other"), [])
    await loader.flush()
    assert again.loaded == []
