"""The pass over all buckets after a rotation: once, late enough, resumable, and nothing without a rotation."""

import pytest

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms.duty import KIND, NAME, KeyDuty
from dolmen.gateway.kms.keyring import rotated
from dolmen.gateway.kms.local import SPACE
from dolmen.gateway.kms.sealed_keys import new_sealing, open_sealing
from dolmen.gateway.kms.service import KmsUnavailable, ensure_keys
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, MutablePart, NewVersion
from dolmen.gateway.metadata.store import DocumentChanged


@pytest.fixture
async def objects(store, local):
    """{(bucket name, key): data keys}: three buckets with four objects each."""
    await ensure_keys(local, ("alpha",))
    made = {}
    for number in range(3):
        bucket = BucketRecord(name=f"b{number}", bucket_id=bytes([number]) * 16, owner="1" * 12, region="r", created_us=1)
        await store.create_bucket(bucket)
        for key in (b"a", b"b", b"c", b"d"):
            encryption, keys = await new_sealing(local, bucket, "aws:kms", "alpha")
            version = NewVersion(
                size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout(),
                mutable=MutablePart(encryption=encryption),
            )
            await store.commit(await store.begin(bucket, key), version, NO_CONDITION)
            made[bucket.name, key] = keys
    return made


@pytest.fixture
def duty(store, local, clock):
    return KeyDuty(store, local, clock)


async def versions_of(store, local, objects):
    """Key versions in use; every object opens."""
    found = set()
    for (name, key), keys in objects.items():
        bucket = await store.get_bucket(name)
        record = await store.get_version(bucket.bucket_id, key)
        assert (await open_sealing(local, bucket, record.mutable.encryption)).layers == keys.layers
        found.add(record.mutable.encryption.key_version)
    return found


async def test_without_a_rotation_no_object_is_looked_at(duty, store, local, objects, clock):
    for _ in range(3):
        state = await duty.step()
        assert (state.done, state.seen) == (True, 0)
        clock.seconds += 60
    await local.create("beta")
    assert (await duty.step()).done
    clock.seconds += 60
    assert (await duty.step()).seen == 0


async def test_after_a_rotation_once_and_late_enough(duty, store, local, objects, clock):
    await duty.step()
    await local.rotate("alpha")
    assert not (await duty.step()).done, "other gateways may seal with the old version for some seconds"
    assert await versions_of(store, local, objects) == {1}
    clock.seconds += 11
    state = await duty.step()
    assert (state.done, state.seen, state.rewrapped, state.left) == (True, 12, 12, 0)
    assert await versions_of(store, local, objects) == {2}
    await local.create("beta")
    again = await KeyDuty(store, local, clock).step()
    assert again == state, "another process knows"


async def test_a_store_that_had_rotated_before_there_was_a_duty(duty, store, local, objects, clock):
    await local.rotate("alpha")
    assert not (await duty.step()).done
    clock.seconds += 11
    assert (await duty.step()).rewrapped == 12


async def test_a_pass_that_is_cut_short_goes_on_elsewhere(duty, store, local, objects, clock, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.kms.rewrap.PAGE_ROWS", 2)
    await duty.step()
    await local.rotate("alpha")
    await duty.step()
    clock.seconds += 11
    count = 0
    real = local.reseal

    async def failing(*arguments):
        nonlocal count
        count += 1
        if count == 8:
            raise KmsUnavailable("away")
        return await real(*arguments)

    monkeypatch.setattr(local, "reseal", failing)
    with pytest.raises(KmsUnavailable):
        await duty.step()
    state = await KeyDuty(store, local, clock).step()
    assert state.done
    assert count <= 8 + 12 - 6, "it began in the bucket where it was, behind the last page"
    assert await versions_of(store, local, objects) == {2}


async def test_a_bucket_that_is_deleted_in_the_middle(duty, store, local, objects, clock, monkeypatch):
    from dolmen.gateway.metadata.records import DeleteRequest

    monkeypatch.setattr("dolmen.gateway.kms.rewrap.PAGE_ROWS", 2)
    await local.rotate("alpha")
    await duty.step()
    clock.seconds += 11
    real = store.scan_versions

    async def scan(bucket_id, *rest):
        rows = await real(bucket_id, *rest)
        if bucket_id == bytes([1]) * 16 and rows:
            bucket = await store.get_bucket("b1")
            for key in (b"a", b"b", b"c", b"d"):
                await store.delete(bucket, DeleteRequest(key=key))
            await store.delete_bucket("b1", bucket_id)
            monkeypatch.setattr(store, "scan_versions", real)
        return rows

    monkeypatch.setattr(store, "scan_versions", scan)
    state = await duty.step()
    assert state.done
    left = {at: keys for at, keys in objects.items() if at[0] != "b1"}
    assert await versions_of(store, local, left) == {2}


async def test_another_key_service(store, local, objects, keyring_file, clock, tmp_path):
    from transit_server import TOKEN, TransitServer

    from dolmen.gateway.kms.choose import KmsSettings, key_service

    (tmp_path / "token").write_text(TOKEN)
    with TransitServer() as server:
        settings = KmsSettings(keyring_file=keyring_file, vault_url=server.url, vault_token_file=tmp_path / "token")
        both = key_service(settings, store, clock)
        await ensure_keys(both, ("alpha",))
        duty = KeyDuty(store, both, clock)
        assert not (await duty.step()).done
        clock.seconds += 11
        assert (await duty.step()).rewrapped == 12
        assert (await duty.step()).rewrapped == 12, "the same pass"
        bucket = await store.get_bucket("b0")
        record = await store.get_version(bucket.bucket_id, b"a")
        assert record.mutable.encryption.sealed_key.startswith(b"vault:v1:")
        assert await versions_of(store, both, objects) == {1}
        await both.close()


async def test_the_keyring_s_rotation(duty, store, local, objects, keyring_file):
    keyring_file.write_text(rotated(keyring_file.read_text()))
    await duty.step()
    keyring_file.write_text(keyring_file.read_text().splitlines()[0])
    assert await local.rewrap() == 0
    assert await versions_of(store, local, objects) == {1}


async def test_two_at_once_do_not_mix(duty, store, local, objects, clock):
    other = KeyDuty(store, local, clock)
    await duty.step()
    await other.step()
    await local.rotate("alpha")
    await duty.step()
    document = await store.get_document(SPACE, KIND, NAME)
    other._rev = document.rev - 1
    with pytest.raises(DocumentChanged):
        await other._save(await duty.step())
