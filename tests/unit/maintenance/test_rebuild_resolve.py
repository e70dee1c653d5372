"""Writes that no row knows: which become versions, which uploads, which nothing, and why."""

import asyncio

import msgspec
import pytest
from rebuild_model import World

from dolmen.gateway.maintenance.rebuild.resolve import Held, plain_size, resolve
from dolmen.gateway.metadata.records import NULL_VERSION, Encryption, MutablePart, Versioning
from dolmen.gateway.metadata.versions import seq_of_version_id
from dolmen.gateway.objects.description import UploadFacts, VersionFacts
from dolmen.gateway.objects.joined_parts import PART_BYTES_MIN
from dolmen.gateway.objects.sealing import DataKeys

UPLOAD = UploadFacts("u1", 5, "1" * 12, "CRC32", "COMPOSITE")


async def bodies(world, *wanted):
    """Writes in the order of ``wanted`` (arguments of ``World.write``)."""
    ids = [(await world.write(b"k", **arguments))[0] for arguments in wanted]
    found = world.writes()
    return [found[write_id] for write_id in ids]


def reasons(plan):
    return {refused.write.write_id: refused.reason for refused in plan.refused}


async def test_without_versioning_only_the_newest_write_lives():
    old, new = await bodies(World(1), {"length": 5}, {"length": 6})
    plan = resolve([new, old])
    assert [(one.record.version_id, one.record.size) for one in plan.versions] == [(NULL_VERSION, 6)]
    assert reasons(plan) == {old.write_id: "a newer write took its place"}


async def test_every_write_of_a_versioned_bucket_lives_beside_the_null_version():
    world = World(2)
    enabled = {"length": 7, "versioning": Versioning.ENABLED}
    suspended = {"length": 8, "versioning": Versioning.SUSPENDED}
    before, first, second, after = await bodies(world, {"length": 5}, enabled, enabled, suspended)
    plan = resolve([second, after, first, before])
    assert [one.bodies[0].write_id for one in plan.versions] == [first.write_id, second.write_id, after.write_id]
    assert plan.versions[-1].record.version_id == NULL_VERSION
    assert [seq_of_version_id(one.record.version_id) for one in plan.versions[:2]] == [first.time_us, second.time_us]
    assert reasons(plan) == {before.write_id: "a newer write took its place"}
    again = resolve([before, after, first, second])
    assert [one.record for one in again.versions] == [one.record for one in plan.versions], "the same whenever it is done"


async def test_rows_that_are_there_are_neither_replaced_nor_doubled():
    null, version = await bodies(World(3), {"length": 5}, {"length": 6, "versioning": Versioning.ENABLED})
    plan = resolve([null, version], Held(seqs=frozenset({version.time_us}), has_null=True))
    assert [one.record.seq for one in plan.versions] == [version.time_us + 1]
    assert reasons(plan) == {null.write_id: "the key has a null version already"}


def part(number, **more):
    return {"length": more.pop("length", 10), "part_number": number, "upload": UPLOAD, **more}


async def test_parts_are_an_upload_in_progress_and_of_each_number_the_newest_counts():
    second, old, new = await bodies(World(4), part(2), part(1), part(1, length=11))
    plan = resolve([second, old, new])
    assert [[one.write_id for one in planned.parts] for planned in plan.uploads] == [[new.write_id, second.write_id]]
    upload = plan.uploads[0].upload
    assert (upload.upload_id, upload.initiated_us, upload.checksum_type) == ("u1", 5, "COMPOSITE")
    assert reasons(plan) == {old.write_id: "a newer part of the same number took its place"}
    held = resolve([second, new], Held(parts=frozenset({("u1", 1)})))
    assert [one.part_number for planned in held.uploads for one in planned.parts] == [2]


def large(write):
    """The same with the least length of a part, which nobody wants to encode in a test."""
    segments = write.layout.segments
    return msgspec.structs.replace(
        write, layout=msgspec.structs.replace(write.layout, segments=(msgspec.structs.replace(segments[0], length=PART_BYTES_MIN),))
    )


async def test_an_upload_becomes_an_object_only_when_asked_and_when_it_may_have_been_completed():
    first, last = await bodies(World(5), part(1), part(2))
    whole = [large(first), last]
    assert resolve(whole).versions == []
    plan = resolve(whole, complete_uploads=True)
    (version,) = plan.versions
    assert (version.record.size, [body.part_number for body in version.bodies]) == (PART_BYTES_MIN + 10, [1, 2])
    assert version.upload.upload_id == "u1"
    assert plan.uploads == []
    for impossible in ([first, last], [last], [large(first), msgspec.structs.replace(last, part_number=3)]):
        plan = resolve(impossible, complete_uploads=True)
        assert (len(plan.versions), len(plan.uploads)) == (0, 1)


@pytest.mark.parametrize("versioning", [Versioning.OFF, Versioning.ENABLED])
async def test_a_newer_write_of_the_key_leaves_an_upload_in_progress_unless_both_are_versions(versioning):
    first, last, newer = await bodies(
        World(6), part(1, versioning=versioning), part(2, versioning=versioning), {"length": 3, "versioning": versioning}
    )
    plan = resolve([large(first), last, newer], complete_uploads=True)
    assert len(plan.versions) == (2 if versioning is Versioning.ENABLED else 1)
    assert len(plan.uploads) == (0 if versioning is Versioning.ENABLED else 1)


async def test_moved_bytes_bring_the_version_back_as_it_was_and_end_what_they_replaced():
    world = World(7)
    first_id, first = await world.write(b"k", 9)
    stripe_id = next(stripe.stripe_id for stripe in world.stripes() if stripe.write_id == first_id)
    told = VersionFacts("AZQUOEWAERD6EJ4JCTBTNQW6", 77, 78, 9, "etag", stripe_id)
    moved_id, moved = await world.write(b"k", 9, version=told)
    assert first.layout != moved.layout
    plan = resolve(list(world.writes().values()))
    (version,) = plan.versions
    assert version.settled
    assert (version.record.version_id, version.record.seq, version.record.mtime_us) == (told.version_id, 77, 78)
    assert (version.record.layout, version.record.etag) == (moved.layout, "etag")
    assert reasons(plan) == {first_id: "its version moved to another storage class"}
    held = resolve([world.writes()[moved_id]], Held(seqs=frozenset({77})))
    assert (held.versions, list(reasons(held).values())) == ([], ["the version has other bytes"])


async def test_an_object_whose_encryption_was_not_described_is_never_made():
    encryption = Encryption(algorithm="aws:kms", key_id="k", sealed_key=b"s" * 60, context="c" * 8000)
    (write,) = await bodies(World(8), {"length": 50, "mutable": MutablePart(encryption=encryption)})
    plan = resolve([write])
    assert plan.versions == []
    assert "encrypted" in reasons(plan)[write.write_id]


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 300_000])
def test_the_size_of_an_encrypted_body_is_known_without_its_key(size):
    for algorithm, layers in (("AES256", 1), ("SSE-C", 1), ("aws:kms:dsse", 2)):
        stored = DataKeys((b"",) * layers).sealed_length(size)
        assert plain_size(stored, Encryption(algorithm=algorithm)) == size
    assert plain_size(size, None) == size


def test_two_writes_at_the_same_instant_are_two_versions():
    async def twice():
        enabled = {"versioning": Versioning.ENABLED}
        return await bodies(World(9), {"length": 5, **enabled}, {"length": 6, **enabled})

    first, second = asyncio.run(twice())
    plan = resolve([first, msgspec.structs.replace(second, time_us=first.time_us)])
    seqs = [one.record.seq for one in plan.versions]
    assert seqs == [first.time_us, first.time_us + 1]
    assert len({one.record.version_id for one in plan.versions}) == 2
