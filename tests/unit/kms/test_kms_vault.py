"""Keys in Vault or OpenBao, against a stand-in that speaks their API over HTTP."""

import asyncio

import pytest
from transit_server import TOKEN, TransitKey, TransitServer

from dolmen.core.errors import ConfigError
from dolmen.gateway.kms.choose import KmsSettings, key_service
from dolmen.gateway.kms.migrating import MigratingKeys
from dolmen.gateway.kms.rewrap import rewrap_bucket
from dolmen.gateway.kms.sealed_keys import new_sealing, open_sealing
from dolmen.gateway.kms.service import (
    KmsKeyDisabled,
    KmsKeyExists,
    KmsNotSupported,
    KmsUnavailable,
    NoSuchKmsKey,
    SealedKeyBroken,
    ensure_keys,
)
from dolmen.gateway.kms.vault import VaultAddress, VaultKeys
from dolmen.gateway.outbound import Outbound

CONTEXT = b'{"aws:s3:arn":"arn:aws:s3:::b"}'


@pytest.fixture
def transit():
    with TransitServer() as server:
        yield server


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


@pytest.fixture
async def vault(transit, token_file, clock):
    made = VaultKeys(VaultAddress(transit.url, token_file), Outbound(), clock)
    yield made
    await made.close()


async def test_data_keys(vault, transit):
    await ensure_keys(vault, ("alpha", "beta"))
    await ensure_keys(vault, ("alpha", "beta"))
    assert transit.keys["alpha"].derived
    key = await vault.generate("alpha", CONTEXT)
    assert (len(key.plaintext), key.version) == (32, 1)
    assert key.sealed.startswith(b"vault:v1:")
    assert vault.owns(key.sealed)
    assert repr(key.plaintext) not in repr(key)
    assert await vault.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
    for name, context in (("alpha", b"other"), ("beta", CONTEXT)):
        with pytest.raises(SealedKeyBroken):
            await vault.unseal(name, key.sealed, context)
    with pytest.raises(SealedKeyBroken):
        await vault.is_current("alpha", b"vault:what")
    sealed = await vault.seal("alpha", b"d" * 32, CONTEXT)
    assert await vault.unseal("alpha", sealed.sealed, CONTEXT) == b"d" * 32


async def test_reads_ask_once_a_minute_and_the_cache_is_bounded(vault, transit, clock, monkeypatch):
    await vault.create("alpha")
    key = await vault.generate("alpha", CONTEXT)
    for _ in range(10):
        assert await vault.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
    assert transit.count("decrypt") == 0, "it was made here"
    clock.seconds += 61
    for _ in range(10):
        assert await vault.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
    assert transit.count("decrypt") == 1
    clock.seconds += 61
    together = await asyncio.gather(*(vault.unseal("alpha", key.sealed, CONTEXT) for _ in range(50)))
    assert set(together) == {key.plaintext}
    assert transit.count("decrypt") == 2, "a parallel download asks once"
    transit.requests.clear()
    monkeypatch.setattr("dolmen.gateway.kms.vault.CACHED_DATA_KEYS_MAX", 3)
    for _ in range(5):
        await vault.generate("alpha", CONTEXT)
    await vault.unseal("alpha", key.sealed, CONTEXT)
    assert transit.count("decrypt") == 1
    waiting = asyncio.ensure_future(vault.unseal("alpha", key.sealed, b"other"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for _ in range(3):
        with pytest.raises(SealedKeyBroken):
            await vault.unseal("alpha", key.sealed, b"other")


async def test_rotation_and_rewrapping(vault, transit, clock):
    await vault.create("alpha")
    key = await vault.generate("alpha", CONTEXT)
    assert await vault.is_current("alpha", key.sealed)
    assert await vault.rotate("alpha") == 2
    assert not await vault.is_current("alpha", key.sealed)
    again = await vault.reseal("alpha", key.sealed, CONTEXT)
    assert again.version == 2
    assert await vault.is_current("alpha", again.sealed)
    clock.seconds += 100
    assert await vault.unseal("alpha", key.sealed, CONTEXT) == await vault.unseal("alpha", again.sealed, CONTEXT)
    transit.keys["alpha"].oldest = 2
    clock.seconds += 100
    with pytest.raises(KmsKeyDisabled):
        await vault.unseal("alpha", key.sealed, CONTEXT)
    assert await vault.unseal("alpha", again.sealed, CONTEXT)


async def test_names(vault, transit):
    calls = (vault.generate("none", CONTEXT), vault.seal("none", bytes(32), CONTEXT), vault.describe("none"), vault.rotate("none"))
    for call in calls:
        with pytest.raises(NoSuchKmsKey):
            await call
    for name in ("a/b", "../sys/seal", ""):
        for call in (vault.generate(name, CONTEXT), vault.create(name)):
            with pytest.raises(NoSuchKmsKey):
                await call
    assert transit.keys == {}, "nothing was made on the way"
    assert await vault.list_keys("", 10) == []
    await vault.generate("dolmen/s3", CONTEXT)
    await vault.generate("aws/s3", CONTEXT)
    transit.keys["by-hand"] = TransitKey(derived=False)
    assert [info.name for info in await vault.list_keys("", 10)] == ["aws/s3", "by-hand", "dolmen/s3"]
    assert [info.name for info in await vault.list_keys("aws/s3", 1)] == ["by-hand"]
    assert {info.created_us for info in await vault.list_keys("", 10)} == {1767323045 * 1_000_000}
    with pytest.raises(KmsKeyExists):
        await vault.create("by-hand")
    key = await vault.generate("by-hand", CONTEXT)
    assert await vault.unseal("by-hand", key.sealed, CONTEXT) == key.plaintext
    with pytest.raises(KmsNotSupported):
        await vault.set_enabled("by-hand", enabled=False)


@pytest.mark.parametrize("status", [500, 503, 429, 412, 473, 302])
async def test_states_of_the_server(vault, transit, status):
    await vault.create("alpha")
    transit.status = status
    with pytest.raises(KmsUnavailable):
        await vault.generate("alpha", CONTEXT)
    transit.status = 0
    await vault.generate("alpha", CONTEXT)


async def test_a_server_that_goes_and_comes_back(token_file, clock):
    with TransitServer() as transit:
        vault = VaultKeys(VaultAddress(transit.url, token_file), Outbound(), clock)
        await vault.create("alpha")
        key = await vault.generate("alpha", CONTEXT)
    clock.seconds += 100
    with pytest.raises(KmsUnavailable):
        await vault.unseal("alpha", key.sealed, CONTEXT)
    with pytest.raises(KmsUnavailable):
        await vault.generate("alpha", CONTEXT)
    with TransitServer(transit.port) as again:
        again.keys = transit.keys
        assert await vault.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
    await vault.close()


async def test_a_store_that_starts_while_the_server_is_away(token_file, clock):
    with TransitServer() as transit:
        pass
    vault = VaultKeys(VaultAddress(transit.url, token_file), Outbound(), clock)
    await ensure_keys(vault, ("alpha",))
    with TransitServer(transit.port) as server:
        key = await vault.generate("alpha", CONTEXT)
        assert list(server.keys) == ["alpha"]
        assert await vault.unseal("alpha", key.sealed, CONTEXT) == key.plaintext
        with pytest.raises(NoSuchKmsKey):
            await vault.generate("beta", CONTEXT)
    await vault.close()


async def test_tokens_are_read_again_and_never_told(vault, transit, token_file, tmp_path, clock):
    await vault.create("alpha")
    token_file.write_text("s.expired-token")
    with pytest.raises(KmsUnavailable) as caught:
        await vault.generate("alpha", CONTEXT)
    assert "s.expired" not in str(caught.value)
    token_file.write_text(TOKEN)
    await vault.generate("alpha", CONTEXT)
    token_file.unlink()
    with pytest.raises(KmsUnavailable, match="No such file"):
        await vault.generate("alpha", CONTEXT)
    for content in ("", "two\nlines", "\xff"):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(ConfigError):
            VaultKeys(VaultAddress(transit.url, tmp_path / "bad"), Outbound(), clock)
    with pytest.raises(ConfigError):
        VaultKeys(VaultAddress("vault:8200", token_file), Outbound(), clock)


async def test_a_namespace_and_another_mount(transit, token_file, clock):
    elsewhere = VaultKeys(VaultAddress(transit.url, token_file, "other/mount", "team"), Outbound(), clock)
    with pytest.raises(NoSuchKmsKey):
        await elsewhere.describe("alpha")
    assert transit.requests[-1] == ("GET", "/v1/other/mount/keys/alpha")
    assert transit.namespaces == {"team"}
    await elsewhere.close()


async def test_many_at_once(vault, transit):
    await vault.create("alpha")
    keys = await asyncio.gather(*(vault.generate("alpha", CONTEXT) for _ in range(100)))
    assert len({key.plaintext for key in keys}) == 100


async def test_moving_a_store_to_a_key_server(vault, local, store, bucket, token_file, keyring_file, transit, clock):
    from dolmen.core.layout import ObjectLayout
    from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, MutablePart, NewVersion

    encryption, keys = await new_sealing(local, bucket, "aws:kms:dsse", "aws/s3")
    both = MigratingKeys(vault, local)
    assert (await open_sealing(both, bucket, encryption)).layers == keys.layers
    intent = await store.begin(bucket, b"k")
    version = NewVersion(
        size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout(), mutable=MutablePart(encryption=encryption)
    )
    await store.commit(intent, version, NO_CONDITION)
    await ensure_keys(both, ("alpha",))
    assert (await rewrap_bucket(store, both, bucket)).rewrapped == 1
    assert (await rewrap_bucket(store, both, bucket)).rewrapped == 0
    record = await store.get_version(bucket.bucket_id, b"k")
    found = await open_sealing(vault, bucket, record.mutable.encryption)
    assert found.layers == keys.layers, "the local service is needed no more"
    assert await both.list_keys("", 10) == await vault.list_keys("", 10)


def test_the_settings_choose(store, clock, keyring_file, token_file):
    assert key_service(KmsSettings(), store, clock) is None
    assert type(key_service(KmsSettings(keyring_file=keyring_file), store, clock)).__name__ == "LocalKeys"
    remote = KmsSettings(vault_url="https://127.0.0.1:1", vault_token_file=token_file)
    assert type(key_service(remote, store, clock)).__name__ == "VaultKeys"
    both = KmsSettings(keyring_file=keyring_file, vault_url="https://127.0.0.1:1", vault_token_file=token_file)
    assert type(key_service(both, store, clock)).__name__ == "MigratingKeys"
    with pytest.raises(ConfigError):
        key_service(KmsSettings(vault_url="https://127.0.0.1:1"), store, clock)
