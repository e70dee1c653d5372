"""Processes are killed in the middle of writes: what they leave is brought to its end by those that live.

``DOLMEN_FAULT_KILLS`` says how often.
"""

import asyncio
import os
import random
import secrets

import pytest
from fault_checks import garbage, intents, read_everything, until_quiet, wrong_garbage, wrong_lists
from history import check
from history_load import Clients, Load

KILLS = int(os.environ.get("DOLMEN_FAULT_KILLS", "8"))
CLIENTS = 18
SECONDS_BETWEEN = (0.2, 3.0)  # kills: within a write, or some after the last one

pytestmark = pytest.mark.cassandra_cluster


@pytest.mark.parametrize("versioning", ["off", "enabled"])
async def test_what_killed_processes_left_is_finished_by_others(nodes, keyspace, url, gateways, seed, versioning):
    name = f"left-{versioning}-{secrets.token_hex(6)}"
    assert await gateways.all[0].call("create_bucket", name, versioning) == "ok"
    bucket_id = await gateways.use_bucket(name)
    # Without readers: as many writes as may be are in flight when a process dies.
    mix = {"put": 60, "create": 10, "match": 10, "delete": 20}
    load = Load(seed=seed, clients=CLIENTS, keys=60, prefixes=4, mix=mix)
    clients = Clients(gateways, load)
    running = asyncio.create_task(clients.run())
    draw = random.Random(seed)
    left = 0
    for _ in range(KILLS):
        await asyncio.sleep(draw.uniform(*SECONDS_BETWEEN))
        gateway = draw.choice(gateways.all)
        await gateway.kill()
        left += len(await asyncio.to_thread(intents, nodes.contact_points, keyspace, bucket_id))
        await gateway.start()
    clients.stopping.set()
    history = await running
    assert left > 0, "nobody was killed in the middle of anything"
    await until_quiet(gateways, nodes.contact_points, keyspace, bucket_id)
    there = await read_everything(gateways, history, [load.key(number) for number in range(load.keys)])
    print(f"{len(history.operations)} operations, {len(gateways.troubles)} without an answer, intents seen after kills: {left}")
    assert [str(violation) for violation in check(history)] == []
    assert await wrong_lists(url, name) == []
    notes = garbage(nodes.contact_points, keyspace)
    if versioning == "off":
        assert wrong_garbage(history, there, notes) == []
    else:
        kept = {operation.value for operation in history.operations if operation.kind == "put" and operation.outcome == "ok"}
        assert [etag for etag in kept if notes[etag]] == []
