"""A load on a store that is right is accepted; on one that lies now and then, it is not."""

import random

import pytest
from history import History, check
from history_load import Clients, Load
from history_stores import PortStore
from metadata_builders import SettableClock, bucket_of

from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

SEED = random.randrange(1 << 32)
LOAD = Load(seed=SEED, clients=8, keys=40, prefixes=3, operations=1500, list_limit=7, conditional_delete_share=0.3)


class Unsure(PortStore):
    """Answers of commits get lost, some of them before the commit."""

    def __init__(self, *args):
        super().__init__(*args)
        self.draw = random.Random(SEED)

    async def _outcome(self, change):
        chance = self.draw.random()
        if chance < 0.1:
            change.close()
            return "unknown" if chance < 0.05 else "failed"
        outcome = await super()._outcome(change)
        return "unknown" if chance < 0.2 else outcome


async def store_of():
    store = MemoryStore(SettableClock(), garbage_grace_seconds=900)
    await store.open()
    return store, await bucket_of(store)


async def run(adapter):
    history = await Clients(adapter, LOAD).run()
    assert len(history.operations) + len(history.pages) == LOAD.operations
    assert {operation.outcome for operation in history.operations} >= {"ok", "refused", "missing"}
    return history


async def test_a_right_store_is_accepted(tmp_path):
    store, bucket = await store_of()
    history = await run(PortStore(store, bucket))
    assert list(map(str, check(history))) == [], SEED
    assert any(page.end is not None and len(page.rows) == LOAD.list_limit for page in history.pages)


async def test_lost_answers_are_no_lies():
    store, bucket = await store_of()
    history = await run(Unsure(store, bucket))
    assert any(operation.outcome == "unknown" for operation in history.operations)
    assert list(map(str, check(history))) == [], SEED


class Forgetful(PortStore):
    """Acknowledges a put now and then that it does not do."""

    async def put(self, key, body, etag, if_match, if_absent):
        if not if_match and not if_absent and int(etag, 16) % 40 == 0:
            return (await self.head(key))._replace(outcome="ok")
        return await super().put(key, body, etag, if_match, if_absent)


class Stale(PortStore):
    """Lists what was there a while ago."""

    last = None

    async def list(self, prefix, after, limit):
        before, self.last = self.last, (prefix, after, await super().list(prefix, after, limit))
        return before[2] if before is not None and before[:2] == (prefix, after) else self.last[2]


@pytest.mark.parametrize("liar", [Forgetful, Stale])
async def test_a_store_that_lies_is_found_out(liar):
    store, bucket = await store_of()
    history = await run(liar(store, bucket))
    assert check(history) != [], SEED


async def test_errors_of_the_port_become_outcomes(monkeypatch):
    store, bucket = await store_of()
    adapter = PortStore(store, bucket)

    async def unknown(*_args, **_kwargs):
        raise MetadataUnknown("no answer")

    async def unavailable(*_args, **_kwargs):
        raise MetadataUnavailable("nobody there")

    monkeypatch.setattr(store, "commit", unknown)
    monkeypatch.setattr(store, "delete", unavailable)
    monkeypatch.setattr(store, "get_version", unavailable)
    monkeypatch.setattr(store, "scan", unavailable)
    assert (await adapter.put(b"k", b"", "e", None, if_absent=False)).outcome == "unknown"
    assert (await adapter.delete(b"k", None)).outcome == "failed"
    assert (await adapter.get(b"k")).outcome == "unknown"
    assert await adapter.list(b"", b"", 10) is None
    monkeypatch.setattr(store, "begin", unavailable)
    assert (await adapter.put(b"k", b"", "e", None, if_absent=False)).outcome == "failed"


async def test_a_load_can_be_stopped_and_goes_on_in_the_same_history():
    store, bucket = await store_of()
    history = History([], [])
    clients = Clients(PortStore(store, bucket), LOAD, history)
    clients.stopping.set()
    assert (await clients.run()).operations == []
    await Clients(PortStore(store, bucket), LOAD, history).run()
    assert history.operations
