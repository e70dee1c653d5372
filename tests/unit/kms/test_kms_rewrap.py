"""Sealed keys of objects: what they are tied to, moves to other keys, and a pass over a bucket after a rotation."""

import base64
import json

import msgspec
import pytest

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms.envelope import WrongKey
from dolmen.gateway.kms.keyring import KeyringFile
from dolmen.gateway.kms.rewrap import Position, replace_encryption, rewrap_bucket
from dolmen.gateway.kms.sealed_keys import (
    context_of,
    customer_sealing,
    moved,
    new_sealing,
    open_customer,
    open_sealing,
    parse_context,
    rewrapped,
)
from dolmen.gateway.kms.service import KmsKeyDisabled, KmsUnavailable, SealedKeyBroken, ensure_keys
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    Attributes,
    BucketRecord,
    DeleteRequest,
    MutablePart,
    NewVersion,
    Versioning,
)
from dolmen.gateway.metadata.store import ObjectChanged

GIVEN = base64.b64encode(json.dumps({"who": "me", "a": "ü"}).encode()).decode()


@pytest.fixture(autouse=True)
async def keys(local):
    await ensure_keys(local, ("alpha", "beta"))


async def put(store, bucket, key, encryption, rev=1):
    intent = await store.begin(bucket, key)
    version = NewVersion(
        size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout(),
        mutable=MutablePart(rev=rev, encryption=encryption, tags={"a": "b"}),
    )
    return await store.commit(intent, version, NO_CONDITION)


def test_contexts(bucket):
    assert json.loads(context_of(bucket, GIVEN)) == {
        "who": "me", "a": "ü", "aws:s3:arn": "arn:aws:s3::blue:photos", "dolmen:bucket-id": bytes(range(16)).hex(),
    }
    other_order = base64.b64encode(json.dumps({"a": "ü", "who": "me"}).encode()).decode()
    assert context_of(bucket, GIVEN) == context_of(bucket, other_order), "the order of members says nothing"
    for text in ("x", base64.b64encode(b"[]").decode(), base64.b64encode(b'{"a":1}').decode(), "A" * 9000,
                 base64.b64encode(b'{"aws:s3:arn":"x"}').decode()):
        with pytest.raises(ValueError):
            parse_context(text)


@pytest.mark.parametrize("algorithm", ["AES256", "aws:kms", "aws:kms:dsse"])
async def test_keys_open_in_their_bucket_only(local, bucket, algorithm):
    name = "dolmen/s3" if algorithm == "AES256" else "alpha"
    encryption, made = await new_sealing(local, bucket, algorithm, name, context=GIVEN, bucket_key=True)
    assert (await open_sealing(local, bucket, encryption)).layers == made.layers
    assert len(set(made.layers)) == (2 if algorithm == "aws:kms:dsse" else 1)
    assert (encryption.key_id, encryption.key_version, encryption.bucket_key) == (name, 1, True)
    for key in made.layers:
        assert key not in encryption.sealed_key
    namesake = msgspec.structs.replace(bucket, bucket_id=bytes(16))
    for other, given in ((namesake, encryption), (bucket, msgspec.structs.replace(encryption, context=""))):
        with pytest.raises(SealedKeyBroken):
            await open_sealing(local, other, given)


async def test_an_update_moves_the_same_data_key(local, bucket):
    encryption, made = await new_sealing(local, bucket, "AES256")
    changed = await moved(local, bucket, encryption, "beta", bucket_key=True)
    assert (changed.algorithm, changed.key_id, changed.bucket_key) == ("aws:kms", "beta", True)
    assert (await open_sealing(local, bucket, changed)).layers == made.layers


def test_a_client_s_key(bucket):
    encryption, made = customer_sealing(b"k" * 32, "md5", bucket)
    assert open_customer(b"k" * 32, bucket, encryption).layers == made.layers
    assert b"k" * 32 not in msgspec.msgpack.encode(encryption)
    for key, place in ((b"l" * 32, bucket), (b"k" * 32, msgspec.structs.replace(bucket, bucket_id=bytes(16)))):
        with pytest.raises(WrongKey):
            open_customer(key, place, encryption)


async def test_a_pass_after_a_rotation_changes_only_sealed_keys(local, store, bucket):
    bucket = await store.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    made = {}
    for number in range(12):
        kind = ("AES256", "aws:kms", "aws:kms:dsse", "SSE-C", "")[number % 5]
        key = b"key-%d" % (number % 7)
        if kind == "SSE-C":
            encryption, keys = customer_sealing(b"c" * 32, "md5", bucket)
        elif kind:
            encryption, keys = await new_sealing(local, bucket, kind, "dolmen/s3" if kind == "AES256" else "alpha", context=GIVEN)
        else:
            encryption, keys = None, None
        committed = await put(store, bucket, key, encryption)
        made[key, committed.version_id] = encryption, keys
    await store.delete(bucket, DeleteRequest(key=b"key-0"))
    before = {at: await store.get_version(bucket.bucket_id, *at) for at in made}
    unchanged = await rewrap_bucket(store, local, bucket)
    assert (unchanged.seen, unchanged.rewrapped, unchanged.done) == (13, 0, True)
    await local.rotate("alpha")
    await local.rotate("dolmen/s3")
    progress = await rewrap_bucket(store, local, bucket)
    sealed = [at for at, (encryption, _) in made.items() if encryption is not None and encryption.algorithm != "SSE-C"]
    assert (progress.seen, progress.rewrapped, progress.changed) == (13, len(sealed), 0)
    for at, (encryption, keys) in made.items():
        record = await store.get_version(bucket.bucket_id, *at)
        same = msgspec.structs.replace(record, mutable=before[at].mutable)
        assert same == before[at], "everything but the mutable part"
        assert record.mutable.tags == {"a": "b"}
        if at in sealed:
            assert record.mutable.encryption.key_version == 2
            assert record.mutable.encryption.sealed_key != encryption.sealed_key
            assert (await open_sealing(local, bucket, record.mutable.encryption)).layers == keys.layers
            assert (await open_sealing(local, bucket, encryption)).layers == keys.layers, "a reader with the old row still reads"
        else:
            assert record.mutable == before[at].mutable
    assert (await rewrap_bucket(store, local, bucket)).rewrapped == 0


async def test_a_pass_that_is_cut_short_goes_on_where_it_was(local, store, bucket, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.kms.rewrap.PAGE_ROWS", 3)
    for number in range(10):
        await put(store, bucket, b"%03d" % number, (await new_sealing(local, bucket, "aws:kms", "alpha"))[0])
    await local.rotate("alpha")
    told = []

    async def tell(progress):
        told.append((progress.position, progress.rewrapped))
        if len(told) == 2:
            raise KmsUnavailable("gone")

    with pytest.raises(KmsUnavailable):
        await rewrap_bucket(store, local, bucket, told=tell)
    position, count = told[-1]
    assert (position.key, count) == (b"005", 6)
    rest = await rewrap_bucket(store, local, bucket, position)
    assert (rest.seen, rest.rewrapped, rest.done) == (4, 4, True)
    assert (await rewrap_bucket(store, local, bucket, Position())).rewrapped == 0


async def test_keys_that_cannot_be_used_do_not_stop_a_pass(local, store, bucket):
    for name in ("alpha", "beta"):
        await put(store, bucket, name.encode(), (await new_sealing(local, bucket, "aws:kms", name))[0])
        await local.rotate(name)
    good, _ = await new_sealing(local, bucket, "aws:kms", "beta")
    spoiled = good.sealed_key[:-1] + bytes([good.sealed_key[-1] ^ 1])
    await put(store, bucket, b"broken", msgspec.structs.replace(good, sealed_key=spoiled))
    await local.rotate("beta")
    await local.set_enabled("alpha", enabled=False)
    progress = await rewrap_bucket(store, local, bucket)
    assert (progress.rewrapped, progress.skipped, progress.broken) == (1, 1, 1)


async def test_the_sealed_key_of_a_version_never_lands_on_its_successor(local, store, bucket):
    """A null version is replaced between the read and the change."""
    from dolmen.gateway.handlers.encryption import first_revision

    old, _ = await new_sealing(local, bucket, "aws:kms", "alpha")
    await put(store, bucket, b"k", old, first_revision(old))
    record = await store.get_version(bucket.bucket_id, b"k")
    new, keys = await new_sealing(local, bucket, "aws:kms", "alpha")
    await put(store, bucket, b"k", new, first_revision(new))
    await local.rotate("alpha")
    with pytest.raises(ObjectChanged):
        await replace_encryption(store, bucket, record, await rewrapped(local, bucket, old))
    now = await store.get_version(bucket.bucket_id, b"k")
    assert (await open_sealing(local, bucket, now.mutable.encryption)).layers == keys.layers
    assert first_revision(None) == 1


async def test_a_service_without_its_keyring_key_is_unavailable(store, bucket, local, keyring_file, clock):
    from dolmen.core.errors import Unavailable
    from dolmen.gateway.kms.keyring import new_keyring
    from dolmen.gateway.kms.local import LocalKeys

    encryption, _ = await new_sealing(local, bucket, "aws:kms", "alpha")
    keyring_file.write_text(new_keyring().replace("key-1", "other"))
    stranger = LocalKeys(store, KeyringFile(keyring_file), clock)
    with pytest.raises(Unavailable):
        await open_sealing(stranger, bucket, encryption)
    await local.set_enabled("alpha", enabled=False)
    with pytest.raises(KmsKeyDisabled):
        await open_sealing(local, bucket, encryption)
    assert isinstance(bucket, BucketRecord)


@pytest.mark.parametrize(("races", "expected"), [(1, (1, 0)), (3, (1, 0)), (100, (0, 1))])
async def test_a_version_that_somebody_changes_meanwhile_is_tried_again(local, store, bucket, monkeypatch, races, expected):
    """Tags may change under a pass, and another pass may be at it; only what never holds still is left."""
    encryption, keys = await new_sealing(local, bucket, "aws:kms", "alpha")
    await put(store, bucket, b"k", encryption)
    await local.rotate("alpha")
    real, left = store.update_mutable, races

    async def raced(bucket_id, key, version_id, mutable, **more):
        nonlocal left
        if left:
            left -= 1
            record = await store.get_version(bucket_id, key)
            await real(bucket_id, key, version_id, msgspec.structs.replace(record.mutable, tags={"n": str(left)}), seq=record.seq)
        return await real(bucket_id, key, version_id, mutable, **more)

    monkeypatch.setattr(store, "update_mutable", raced)
    progress = await rewrap_bucket(store, local, bucket)
    assert (progress.rewrapped, progress.changed) == expected
    record = await store.get_version(bucket.bucket_id, b"k")
    assert set(record.mutable.tags) == {"n"}, "the change of the other one is kept"
    assert (await open_sealing(local, bucket, record.mutable.encryption)).layers == keys.layers
