"""The local key service over a store in memory: sealing, rotation, disabling, the keyring's rotation, several processes."""

import msgspec
import pytest

from dolmen.core.errors import Corruption
from dolmen.gateway.kms.keyring import KeyringFile, KeyringLacksKey, new_keyring, read_keyring, rotated
from dolmen.gateway.kms.local import KIND, SPACE, KeyRecord, LocalKeys
from dolmen.gateway.kms.service import (
    KmsKeyDisabled,
    KmsKeyExists,
    NoSuchKmsKey,
    SealedKeyBroken,
    ensure_keys,
)
from dolmen.gateway.metadata.records import DocumentChange

CONTEXT = b'{"aws:s3:arn":"arn:aws:s3:::b"}'


async def test_a_data_key_comes_back_under_its_key_and_context_only(local):
    await ensure_keys(local, ("alpha", "beta"))
    await ensure_keys(local, ("alpha", "beta"))
    key = await local.generate("alpha", CONTEXT)
    other = await local.generate("alpha", CONTEXT)
    assert len(key.plaintext) == 32
    assert key.plaintext != other.plaintext
    assert key.plaintext not in key.sealed
    assert repr(key.plaintext) not in repr(key)
    assert local.owns(key.sealed)
    assert not local.owns(b"vault:v1:xxxx")
    assert await local.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
    for name, context in (("alpha", b""), ("alpha", CONTEXT + b" "), ("beta", CONTEXT)):
        with pytest.raises(SealedKeyBroken):
            await local.unseal(name, key.sealed, context)
    for at in range(len(key.sealed)):
        spoiled = bytearray(key.sealed)
        spoiled[at] ^= 1
        with pytest.raises(SealedKeyBroken):
            await local.unseal("alpha", bytes(spoiled), CONTEXT)


async def test_keys_that_are_not_there(local):
    for call in (local.generate("none", b""), local.describe("none"), local.rotate("none"), local.is_current("none", b"\x01abcd")):
        with pytest.raises(NoSuchKmsKey):
            await call
    with pytest.raises(NoSuchKmsKey):
        await local.create("not/ours")
    with pytest.raises(NoSuchKmsKey):
        await local.generate("not/ours", b"")
    await local.create("alpha")
    with pytest.raises(KmsKeyExists):
        await local.create("alpha")


async def test_the_store_s_own_keys_come_into_being(local):
    first = await local.generate("dolmen/s3", b"")
    assert await local.unseal("dolmen/s3", first.sealed, b"") == first.plaintext
    await local.generate("aws/s3", b"")
    assert [info.name for info in await local.list_keys("", 10)] == ["aws/s3", "dolmen/s3"]
    assert [info.name for info in await local.list_keys("aws/s3", 10)] == ["dolmen/s3"]


async def test_rotation_seals_with_the_new_version_and_opens_with_all(local, clock):
    await local.create("alpha")
    versions = []
    for number in range(1, 5):
        key = await local.generate("alpha", CONTEXT)
        assert key.version == number
        versions.append(key)
        assert await local.rotate("alpha") == number + 1
    assert (await local.describe("alpha")).version == 5
    for key in versions:
        assert await local.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
        assert not await local.is_current("alpha", key.sealed)
        again = await local.reseal("alpha", key.sealed, CONTEXT)
        assert again.version == 5
        assert await local.is_current("alpha", again.sealed)
        assert await local.unseal("alpha", again.sealed, CONTEXT) == key.plaintext


async def test_another_process_sees_rotations_at_once_and_disabling_soon(local, store, keyring_file, clock):
    other = LocalKeys(store, KeyringFile(keyring_file), clock)
    await local.create("alpha")
    old = await other.generate("alpha", CONTEXT)
    await local.rotate("alpha")
    new = await local.generate("alpha", CONTEXT)
    assert await other.unseal("alpha", new.sealed, CONTEXT) == new.plaintext, "an unknown version makes it look"
    await local.set_enabled("alpha", enabled=False)
    with pytest.raises(KmsKeyDisabled):
        await local.generate("alpha", CONTEXT)
    with pytest.raises(KmsKeyDisabled):
        await local.unseal("alpha", old.sealed, CONTEXT)
    clock.seconds += 5.1
    with pytest.raises(KmsKeyDisabled):
        await other.unseal("alpha", old.sealed, CONTEXT)
    assert not (await other.describe("alpha")).enabled
    await local.set_enabled("alpha", enabled=True)
    clock.seconds += 5.1
    assert await other.unseal("alpha", old.sealed, CONTEXT) == old.plaintext


async def test_what_is_stored_has_no_key_in_it_and_opens_only_with_the_keyring(local, store, keyring_file, clock):
    await local.create("alpha")
    key = await local.generate("alpha", CONTEXT)
    document = await store.get_document(SPACE, KIND, "alpha")
    record = msgspec.msgpack.decode(document.raw, type=KeyRecord)
    material = read_keyring(keyring_file).unwrap(record.newest.wrapped, b"dolmen/kms/alpha/1")
    assert len(material) == 32
    assert material not in document.raw
    keyring_file.write_text(new_keyring().replace("key-1", "key-9"))
    with pytest.raises(KeyringLacksKey):
        await LocalKeys(store, KeyringFile(keyring_file), clock).unseal("alpha", key.sealed, CONTEXT)


async def test_a_version_that_was_moved_to_another_key_does_not_open(local, store, keyring_file, clock):
    await ensure_keys(local, ("alpha", "beta"))
    document = await store.get_document(SPACE, KIND, "alpha")
    await store.write_documents(SPACE, [DocumentChange(kind=KIND, name="beta", raw=document.raw)])
    with pytest.raises(Corruption):
        await LocalKeys(store, KeyringFile(keyring_file), clock).generate("beta", b"")


async def test_rotation_of_the_keyring(local, store, keyring_file, clock):
    await ensure_keys(local, ("alpha", "beta"))
    await local.rotate("alpha")
    key = await local.generate("alpha", CONTEXT)
    old_line = keyring_file.read_text()
    keyring_file.write_text(rotated(old_line))
    assert await local.rewrap() == 3
    assert await local.rewrap() == 0
    keyring_file.write_text(keyring_file.read_text().splitlines()[0])
    fresh = LocalKeys(store, KeyringFile(keyring_file), clock)
    assert await fresh.unseal("alpha", key.sealed, CONTEXT) == key.plaintext, "the old line is needed no more"
    assert (await fresh.describe("alpha")).version == 2


async def test_races_of_rotations_lose_none(local, store, keyring_file, clock):
    import asyncio

    await local.create("alpha")
    others = [LocalKeys(store, KeyringFile(keyring_file), clock) for _ in range(4)]
    assert sorted(await asyncio.gather(*(one.rotate("alpha") for one in others))) == [2, 3, 4, 5]
