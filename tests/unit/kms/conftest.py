"""A clock that the test moves, a store in memory, a keyring in a file."""

import pytest

from dolmen.gateway.kms.keyring import KeyringFile, new_keyring
from dolmen.gateway.kms.local import LocalKeys
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.records import BucketRecord


class MovedClock:
    def __init__(self):
        self.seconds = 1_700_000_000.0

    def now_us(self):
        return int(self.seconds * 1_000_000)

    def monotonic_seconds(self):
        return self.seconds


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
async def store(clock):
    made = MemoryStore(clock)
    await made.open()
    return made


@pytest.fixture
def keyring_file(tmp_path):
    path = tmp_path / "encryption.key"
    path.write_text(new_keyring())
    return path


@pytest.fixture
def local(store, keyring_file, clock):
    return LocalKeys(store, KeyringFile(keyring_file), clock)


@pytest.fixture
async def bucket(store):
    record = BucketRecord(name="blue:photos", bucket_id=bytes(range(16)), owner="1" * 12, region="r", created_us=1)
    await store.create_bucket(record)
    return record
