"""kill -9 of every process in the middle of a mixed load: what was acknowledged holds, nothing is half there.

DOLMEN_KILL_ROUNDS=20 is the campaign (`make campaign`). A killed process is no power loss: the page cache survives. That
acknowledgements wait for fdatasync is shown in test_acknowledged_is_synced.py.
"""

import os
import random
import time

import pytest
from dev_server import DevServer
from mixed_load import Client
from process_tree import kill_all

pytestmark = pytest.mark.long
ROUNDS = int(os.environ.get("DOLMEN_KILL_ROUNDS", "2"))
SEED = int(os.environ.get("DOLMEN_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
CLIENTS = 16
LOAD_SECONDS = (1.0, 4.0)


def listed(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 50})
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def run_round(server, clients, rng):
    for client in clients:
        client.start()
    time.sleep(rng.uniform(*LOAD_SECONDS))
    alive = [client for client in clients if client.is_alive()]
    assert len(alive) == len(clients)
    kill_all(server.pid)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive(), f"{client.name} hangs"


def test_acknowledged_operations_survive_kill_9(tmp_path):
    print(f"DOLMEN_SEED={SEED}")
    rng = random.Random(SEED)
    with DevServer(tmp_path, workers=2) as server:
        load_and_kill(server, rng)


def load_and_kill(server, rng):
    s3 = server.client(read_timeout=20, connect_timeout=5)
    s3.create_bucket(Bucket="load")
    clients = [Client(s3, "load", number, rng.getrandbits(64)) for number in range(CLIENTS)]
    operations = 0
    for _ in range(ROUNDS):
        run_round(server, clients, rng)
        server.start()
        entries = listed(s3, "load")
        wrong = [line for client in clients for line in (*client.wrong, *client.check(entries))]
        assert wrong == []
        assert set(entries) <= {name for client in clients for name in client.keys}
        operations += sum(client.operations for client in clients)
        again = [Client(s3, "load", client.number, rng.getrandbits(64)) for client in clients]
        for client, old in zip(again, clients, strict=True):
            client.keys = old.keys
        clients = again
    assert operations > 20 * ROUNDS, "the load did next to nothing"
