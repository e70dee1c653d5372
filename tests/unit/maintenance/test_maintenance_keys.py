"""The leader wraps keys anew after a rotation, and says so."""

import asyncio

import pytest

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.kms import duty as duty_module
from dolmen.gateway.kms.keyring import KeyringFile, new_keyring, rotated
from dolmen.gateway.kms.local import LocalKeys
from dolmen.gateway.kms.sealed_keys import new_sealing, open_sealing
from dolmen.gateway.maintenance import duties as duties_module
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, MutablePart, NewVersion

PATIENCE_SECONDS = 20


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(duties_module, "KEYS_SECONDS", 0.02)
    monkeypatch.setattr(duties_module, "KEYS_SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(duty_module, "SETTLE_US", 0)


async def test_after_a_rotation_objects_and_keys_are_current(bare, quick, tmp_path):
    await bare.cluster.start_nodes()
    ring = tmp_path / "encryption.key"
    ring.write_text(new_keyring())
    store, bucket = bare.cluster.store, bare.cluster.bucket
    keys = LocalKeys(store, KeyringFile(ring), SystemClock())
    await keys.create("alpha")
    encryption, sealed = await new_sealing(keys, bucket, "aws:kms", "alpha")
    version = NewVersion(
        size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout(), mutable=MutablePart(encryption=encryption)
    )
    await store.commit(await store.begin(bucket, b"k"), version, NO_CONDITION)
    leader = bare.start("--encryption-key-file", str(ring))
    report = await bare.until(leader, lambda report: report.keys is not None)
    assert (report.keys.is_current, report.keys.seen) == (True, 0), "nothing was rotated: nothing is looked at"
    await keys.rotate("alpha")
    await bare.until(leader, lambda report: report.keys.is_current and report.keys.rewrapped == 1)
    record = await store.get_version(bucket.bucket_id, b"k")
    assert record.mutable.encryption.key_version == 2
    assert (await open_sealing(keys, bucket, record.mutable.encryption)).layers == sealed.layers

    ring.write_text(rotated(ring.read_text()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while set(await keys.wrapped_by()) != {"key-2"}:
            await asyncio.sleep(0.02)
    follower = bare.start("--encryption-key-file", str(ring))
    await bare.until(follower, lambda report: True)
    assert (await bare.report(follower)).keys is None, "only the process that acts tells"


async def test_without_keys_there_is_no_duty(running):
    assert (await running.report(running.leader)).keys is None


async def test_a_keyring_that_is_missing_is_told_at_the_start(bare, tmp_path):
    with pytest.raises(ConfigError, match="encryption key file"):
        bare.make("--encryption-key-file", str(tmp_path / "none"))
