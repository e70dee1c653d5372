"""Changes whose coordinator is stopped in the middle, and that may land half a minute later: nothing that was told changes.

``DOLMEN_FAULT_BURSTS`` says how often.
"""

import asyncio
import os
import time
from collections import Counter

import pytest
from fault_checks import garbage, read_everything, until_quiet, wrong_garbage, wrong_lists
from history import History, check
from history_load import Clients, Load

BURSTS = int(os.environ.get("DOLMEN_FAULT_BURSTS", "1"))
STOPPED_SECONDS = 22.0
CLIENTS = 40

pytestmark = pytest.mark.cassandra_cluster


@pytest.mark.parametrize("stopped", [(1,), (2, 3)], ids=["a quorum is left", "no quorum is left"])
async def test_a_change_that_lands_late_changes_nothing_that_was_told(nodes, keyspace, url, gateways, bucket, seed, stopped):
    name, bucket_id = bucket
    history = History([], [])
    keys = set()
    for number in range(BURSTS):
        load = Load(seed=seed + number, clients=CLIENTS, keys=40, prefixes=2, hot_share=0.1)
        keys |= {load.key(each) for each in range(load.keys)}
        clients = Clients(gateways, load, history)
        running = asyncio.create_task(clients.run())
        # All clients are in the middle of something when the nodes stop, at a moment that is another one each time.
        await asyncio.sleep(3.0 + (seed + number) % 7 / 10)
        begun = time.monotonic()
        for node in stopped:
            nodes.pause(node)
        await asyncio.sleep(STOPPED_SECONDS)
        for node in stopped:
            nodes.resume(node)
        back = time.monotonic()
        await asyncio.sleep(8.0)  # changes that hung land now, under clients who change the same keys
        clients.stopping.set()
        await running
    told = Counter(f"{trouble.kind} {trouble.outcome}" for trouble in gateways.troubles)
    print(f"{len(history.operations)} operations, stopped for {back - begun:.1f} s, without an answer: {dict(told)}")
    unknown = [operation for operation in history.operations if operation.outcome == "unknown" and operation.kind == "put"]
    assert unknown or len(stopped) == 1, "nothing hung"
    await until_quiet(gateways, nodes.contact_points, keyspace, bucket_id)
    there = await read_everything(gateways, history, sorted(keys))
    assert [str(violation) for violation in check(history)] == []
    assert await wrong_lists(url, name) == []
    notes = garbage(nodes.contact_points, keyspace)
    assert wrong_garbage(history, there, notes) == []
    # What is settled is either an object's (now, or once), or garbage.
    seen = {operation.value for operation in history.operations if operation.outcome == "ok"} | set(there.values())
    lost = [operation for operation in unknown if operation.value not in seen and not notes[operation.value]]
    print(f"{len(unknown)} unknown puts, {len(lost)} of them neither seen nor garbage")
