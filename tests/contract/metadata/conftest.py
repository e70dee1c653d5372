"""Every backend of the metadata port; one joins by adding a fixture parameter."""

import pytest
from metadata_builders import SettableClock

from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.memory import MemoryStore


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture(params=["embedded", "memory"])
async def store(request, tmp_path, clock):
    if request.param == "embedded":
        made = EmbeddedStore(str(tmp_path / "metadata.db"), clock, garbage_grace_seconds=0)
    else:
        made = MemoryStore(clock, garbage_grace_seconds=0)
    await made.open()
    yield made
    await made.close()
