"""A store in memory whose clock stands still until a test moves it."""

import pytest

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.memory import MemoryStore

DAY = 86_400_000_000
START = 20_000 * DAY + 1_000_000


class StandingClock(SystemClock):
    now = START

    def now_us(self):
        return self.now

    def monotonic_seconds(self):
        return self.now / 1e6


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
async def store(clock):
    made = MemoryStore(clock, garbage_grace_seconds=0)
    await made.open()
    yield made
    await made.close()
