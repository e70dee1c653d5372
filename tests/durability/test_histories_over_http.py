"""Many clients at once, over two gateway processes: what they see has an order, key by key, lists included."""

import random

from dev_server import ROOT
from history import check
from history_load import Clients, Load
from history_stores import HttpStore

SEED = random.randrange(1 << 32)


async def test_a_mixed_load_has_an_order(server, bucket):
    load = Load(seed=SEED, clients=12, keys=60, prefixes=3, operations=400, list_limit=12, sizes=(40, 200_000))
    async with HttpStore([server.port], ROOT, bucket) as store:
        history = await Clients(store, load).run()
    assert list(map(str, check(history))) == [], SEED
    outcomes = {operation.outcome for operation in history.operations}
    assert outcomes == {"ok", "refused", "missing"}, "a store at rest leaves nothing unknown"
    assert any(page.rows for page in history.pages)
