"""Two real processes on one metadata file: one winner for each race, and a killed process takes nothing with it."""

import json
import os
import subprocess
import sys

import pytest

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import BucketRecord

WORKER = os.path.join(os.path.dirname(__file__), "race_worker.py")
RACERS = 32  # in each process
PIPE_BYTES = 4096
FRESH_LINES = 1000  # more than a pipe and a read buffer (8 KiB) can have held: the last of them were written just now


class Worker:
    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, WORKER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pipesize=PIPE_BYTES
        )
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def line(self):
        return self.process.stdout.readline().strip()

    def kill(self):
        """What was told and not read yet; the last line may be half of one."""
        self.process.kill()
        rest = self.process.stdout.read()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        return rest.split("\n")[:-1]


@pytest.fixture
async def store(tmp_path):
    made = EmbeddedStore(str(tmp_path / "m.db"), SystemClock(), garbage_grace_seconds=0)
    await made.open()
    await made.create_bucket(
        BucketRecord(name="bucket", bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)
    )
    yield made
    await made.close()


@pytest.fixture
def workers(store, tmp_path):
    made = [Worker(str(tmp_path / "m.db")) for _ in range(2)]
    yield made
    for worker in made:  # those the test has not taken
        worker.kill()


def race(workers, kind, key):
    """The winner. The workers get their starting signal as close together as two pipes allow."""
    for worker in workers:
        worker.tell(kind, key, RACERS)
    outcomes = [json.loads(worker.line()) for worker in workers]
    winners = [winner for outcome in outcomes for winner in outcome["winners"]]
    assert [outcome["others"] for outcome in outcomes] == [[], []]
    assert len(winners) == 1
    assert sum(outcome["refused"] for outcome in outcomes) == 2 * RACERS - 1
    return winners[0]


@pytest.mark.parametrize(("kind", "rounds"), [("put", 50), ("complete", 20)])
async def test_64_racing_creators_of_a_key_have_one_winner(store, workers, kind, rounds):
    bucket = await store.get_bucket("bucket")
    for number in range(rounds):
        winner = race(workers, kind, f"{kind}-{number}")
        found = await store.get_version(bucket.bucket_id, f"{kind}-{number}".encode())
        assert found.etag == winner
    assert len(await store.scan_versions(bucket.bucket_id, b"", None, None, 1000)) == rounds


async def test_64_racing_creators_of_a_bucket_have_one_winner(store, workers):
    for number in range(20):
        winner = race(workers, "bucket", f"name-{number}")
        assert (await store.get_bucket(f"name-{number}")).bucket_id.hex() == winner


async def test_a_killed_process_loses_nothing_and_stops_nobody(store, workers, tmp_path):
    survivor = workers.pop()
    survivor.tell("stream", "survivor", 8)
    told = {survivor.line() for _ in range(100)}
    for number in range(3):
        victim = workers.pop() if workers else Worker(str(tmp_path / "m.db"))
        victim.tell("stream", f"victim{number}", 8)
        told.update(victim.line() for _ in range(100))
        told.update(victim.kill())
        told.update(survivor.line() for _ in range(FRESH_LINES))
    told.update(survivor.kill())
    await check_all_there(store, told)


async def check_all_there(store, told):
    """Everything acknowledged is listed, and the list and the truth agree."""
    bucket = await store.get_bucket("bucket")
    listed, at = {}, b""
    while rows := await store.scan(bucket.bucket_id, at, None, 1000):
        listed.update((row.key, row) for row in rows)
        at = rows[-1].key + b"\0"
    assert told <= {key.decode() for key in listed}
    for key, row in listed.items():
        found = await store.get_version(bucket.bucket_id, key)
        assert (found.etag, found.seq) == (row.etag, row.seq)


async def test_the_log_of_a_killed_process_is_read_by_the_next_one(store, tmp_path):
    path = tmp_path / "m.db"
    await store.close()
    for _ in range(3):
        worker = Worker(str(path))
        worker.tell("stream", "only", 8)
        told = {worker.line() for _ in range(200)}
        told.update(worker.kill())
        assert path.with_name("m.db-wal").stat().st_size > 0, "nobody has copied it back"
        await store.open()
        await check_all_there(store, told)
        await store.close()
    await store.open()
