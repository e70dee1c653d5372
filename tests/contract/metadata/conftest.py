"""Every backend of the metadata port; one joins by adding a fixture parameter."""

import pytest
from cassandra_store import empty, store_of, worker_url
from metadata_builders import SettableClock

from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.memory import MemoryStore


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture(params=["embedded", "memory", pytest.param("cassandra", marks=pytest.mark.cassandra)])
async def store(request, tmp_path, clock):
    if request.param == "embedded":
        made = EmbeddedStore(str(tmp_path / "metadata.db"), clock, garbage_grace_seconds=0)
    elif request.param == "memory":
        made = MemoryStore(clock, garbage_grace_seconds=0)
    else:
        made = store_of(worker_url(request.getfixturevalue("cassandra")), clock)
    await made.open()
    if request.param == "cassandra":
        await empty(made)
    yield made
    await made.close()
