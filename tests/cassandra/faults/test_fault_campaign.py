"""Clients of three processes on three nodes, while nodes and processes are killed and stopped and ranges are split: one order explains it.

``DOLMEN_FAULT_OPERATIONS`` says how many; 100,000 and 1,000,000 are the long forms.
"""

import os
import time
from collections import Counter

import pytest
from fault_checks import garbage, read_everything, until_quiet, wrong_garbage, wrong_lists
from fault_disturbances import Disturbances
from history import check
from history_load import Clients, Load

OPERATIONS = int(os.environ.get("DOLMEN_FAULT_OPERATIONS", "10000"))
CLIENTS = 24
TROUBLES_SHARE_MAX = 0.05

pytestmark = pytest.mark.cassandra_cluster


async def test_no_answer_contradicts_another_whatever_is_killed_stopped_or_split(nodes, keyspace, url, gateways, bucket, seed):
    name, bucket_id = bucket
    load = Load(seed=seed, clients=CLIENTS, operations=OPERATIONS, conditional_delete_share=0.3)
    clients = Clients(gateways, load)
    begun = time.monotonic()
    async with Disturbances(gateways, nodes, seed, lambda draw: load.key(draw.randrange(load.keys))) as disturbances:
        history = await clients.run()
    seconds = time.monotonic() - begun
    tell(disturbances, gateways, history, seconds)
    await until_quiet(gateways, nodes.contact_points, keyspace, bucket_id)
    there = await read_everything(gateways, history, [load.key(number) for number in range(load.keys)])
    print(f"quiet after {time.monotonic() - begun - seconds:.1f} s more")
    begun = time.monotonic()
    assert [str(violation) for violation in check(history)] == []
    print(f"checked in {time.monotonic() - begun:.1f} s")
    assert await wrong_lists(url, name) == []
    assert wrong_garbage(history, there, garbage(nodes.contact_points, keyspace)) == []
    assert disturbances.unexplained(gateways.troubles) == []
    assert len(gateways.troubles) <= TROUBLES_SHARE_MAX * OPERATIONS


def tell(disturbances, gateways, history, seconds):
    outcomes = Counter(f"{operation.kind} {operation.outcome}" for operation in history.operations)
    print(f"{len(history.operations)} operations and {len(history.pages)} pages in {seconds:.1f} s: {dict(sorted(outcomes.items()))}")
    print(f"disturbances: {dict(sorted(disturbances.counts.items()))}")
    print("slowest:", {kind: round(slowest, 2) for kind, slowest in gateways.slowest_seconds.items()})
    print(f"{len(gateways.troubles)} requests without an answer:")
    for what, count in Counter(trouble.what for trouble in gateways.troubles).most_common(25):
        print(f"  {count} x {what}")
