"""Clients of three processes on three nodes, while nodes and processes are killed and stopped and ranges are split.

One order explains whatever they are told. ``DOLMEN_FAULT_OPERATIONS`` says how many they do; 100,000 and 1,000,000 are the long
forms. ``DOLMEN_FAULT_S3_OPERATIONS``: the same through S3.
"""

import asyncio
import os
import time
from collections import Counter

import pytest
from fault_checks import garbage, read_everything, until_quiet, wrong_garbage, wrong_lists
from fault_disturbances import AFTERMATH_SECONDS, Disturbances
from fault_gateways import REQUEST_SECONDS, Gateways
from fault_s3 import NotedS3, S3Workers
from fault_worker import Job
from history import check
from history_load import Clients, Load

OPERATIONS_S3 = int(os.environ.get("DOLMEN_FAULT_S3_OPERATIONS", "2000"))
OPERATIONS = int(os.environ.get("DOLMEN_FAULT_OPERATIONS", "10000"))
SECONDS = float("inf") if "DOLMEN_FAULT_OPERATIONS" in os.environ else 240.0  # a slow machine does fewer, unless it is told to
CLIENTS = 24
GATEWAYS = 3
TROUBLES_SHARE_MAX = 0.05
DOCUMENTED = {("0", ""), ("-1", ""), ("503", "ServiceUnavailable"), ("503", "SlowDown"), ("503", "")}  # the last one: of HEAD

pytestmark = pytest.mark.cassandra_cluster


async def test_no_answer_contradicts_another_whatever_is_killed_stopped_or_split(
    nodes, keyspace, url, gateways, bucket, seed, tmp_path
):
    name, bucket_id = bucket
    load = Load(seed=seed, clients=CLIENTS, operations=OPERATIONS, seconds=SECONDS, conditional_delete_share=0.3)
    clients = Clients(gateways, load)
    begun = time.monotonic()
    async with Disturbances(gateways.all, gateways, nodes, seed, lambda draw: load.key(draw.randrange(load.keys))) as disturbances:
        history = await clients.run()
    seconds = time.monotonic() - begun
    tell(disturbances, gateways, history, seconds)
    await until_quiet(gateways, nodes.contact_points, keyspace, bucket_id)
    there = await read_everything(gateways, history, [load.key(number) for number in range(load.keys)])
    print(f"quiet after {time.monotonic() - begun - seconds:.1f} s more")
    begun = time.monotonic()
    history.save(tmp_path / "history.msgpack")
    assert_explained(history)
    print(f"checked in {time.monotonic() - begun:.1f} s")
    assert await wrong_lists(url, name) == []
    assert wrong_garbage(history, there, garbage(nodes.contact_points, keyspace)) == []
    assert disturbances.unexplained(gateways.troubles) == []
    assert len(gateways.troubles) <= TROUBLES_SHARE_MAX * len(history.operations)


async def test_no_answer_of_s3_contradicts_another_whatever_is_killed_stopped_or_split(nodes, s3_url, s3_store, seed, tmp_path):
    """Through ``dolmen dev`` with three gateway processes; a fourth process splits the bucket's ranges."""
    name = f"faults-{seed}"
    s3_store.client().create_bucket(Bucket=name)
    load = Load(seed=seed, clients=CLIENTS, operations=OPERATIONS_S3)
    splitters = Gateways(Job(s3_url, dead_seconds=60.0), 1, tmp_path / "log", seed)
    begun = time.monotonic()
    async with NotedS3(s3_store, name, REQUEST_SECONDS) as store, splitters as splitter:
        await splitter.use_bucket(name)
        broken = S3Workers(s3_store, GATEWAYS).all
        async with Disturbances(broken, splitter, nodes, seed, lambda draw: load.key(draw.randrange(load.keys))) as disturbances:
            history = await Clients(store, load).run()
        tell(disturbances, store, history, time.monotonic() - begun)
        await asyncio.sleep(AFTERMATH_SECONDS)
        quiet = Load(seed=seed + 1, clients=4, operations=load.keys, mix={"get": 10, "list": 5})
        await Clients(store, quiet, history).run()
    history.save(tmp_path / "history.msgpack")
    assert_explained(history)
    assert disturbances.unexplained(store.troubles) == []
    # Broken connections of processes that were killed, and what the documentation tells clients to repeat.
    assert {(trouble.outcome, trouble.text) for trouble in store.troubles} <= DOCUMENTED
    assert await wrong_lists(s3_url, name) == []


def assert_explained(history):
    violations = list(map(str, check(history)))
    print("\n".join(violations))  # in full
    assert not violations


def tell(disturbances, gateways, history, seconds):
    outcomes = Counter(f"{operation.kind} {operation.outcome}" for operation in history.operations)
    print(f"{len(history.operations)} operations and {len(history.pages)} pages in {seconds:.1f} s:")
    print(dict(sorted(outcomes.items())))
    print(f"disturbances: {dict(sorted(disturbances.counts.items()))}")
    print("slowest:", {kind: round(slowest, 2) for kind, slowest in gateways.slowest_seconds.items()})
    print(f"{len(gateways.troubles)} requests without an answer:")
    for what, count in Counter(trouble.what for trouble in gateways.troubles).most_common(25):
        print(f"  {count} x {what}")
