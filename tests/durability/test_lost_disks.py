"""Disks that go, rot, return or are replaced, seen through S3: right bytes or 503, and full redundancy afterwards.

DOLMEN_ALL_LOSSES=1 tries every pair of disks (`make campaign`); otherwise a few drawn by the seed.
"""

import itertools
import os
import random
import shutil
import time

import botocore.exceptions
import pytest
from dev_server import DevServer

pytestmark = pytest.mark.long
SEED = int(os.environ.get("DOLMEN_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
ALL = os.environ.get("DOLMEN_ALL_LOSSES") == "1"
DISKS = 6
NARROW = 128 * 1024
STRIPE = 2 << 20
WAIT_SECONDS = 90.0
BOUNDARIES = (16, 65_536, NARROW, 2 * NARROW, 3 * NARROW, 4 * NARROW, STRIPE, 2 * STRIPE, STRIPE + NARROW)
SIZES = sorted({0, 1, *(edge + step for edge in BOUNDARIES for step in (-1, 0, 1))})


def body(size):
    return random.Random(size).randbytes(size)


@pytest.fixture
def store(tmp_path):
    print(f"DOLMEN_SEED={SEED}")
    with DevServer(tmp_path) as made:
        made.client().create_bucket(Bucket="losses")
        yield made


def fill(s3, prefix="k"):
    for size in SIZES:
        s3.put_object(Bucket="losses", Key=f"{prefix}/{size}", Body=body(size))


def read_all(s3, prefix="k"):
    wrong = []
    for size in SIZES:
        found = s3.get_object(Bucket="losses", Key=f"{prefix}/{size}")["Body"].read()
        if found != body(size):
            wrong.append(size)
    assert wrong == []


def wait_for(what, condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)


def in_state(server, state):
    """Numbers of the disks of which their datanode says so."""
    found = server.status()["disks"]
    return {int(disk["location"].rpartition("/")[2]) for disk in found if disk["state"] == state}


def take_away(server, disks):
    for disk in disks:
        (server.data / "disks" / str(disk)).rename(server.data / f"away-{disk}")
    wait_for("the disks are missed", lambda: in_state(server, "missing") == set(disks))


def bring_back(server, disks):
    for disk in disks:
        (server.data / f"away-{disk}").rename(server.data / "disks" / str(disk))


def redundant(server):
    status = server.status()
    return in_state(server, "ready") == set(range(DISKS)) and status["under_replicated"] == {"stripes": 0, "exact": True}


def pairs():
    every = list(itertools.combinations(range(DISKS), 2))
    return every if ALL else random.Random(SEED).sample(every, 3)


def test_any_two_disks_gone_and_every_object_reads_right(store):
    s3 = store.client()
    fill(s3)
    for pair in pairs():
        take_away(store, pair)
        read_all(s3)
        bring_back(store, pair)
        wait_for("all is redundant again", lambda: redundant(store))


def test_three_gone_is_503_never_404_never_wrong_bytes(store):
    s3 = store.client()
    fill(s3)
    gone = random.Random(SEED).sample(range(DISKS), 3)
    take_away(store, gone)
    refused = 0
    for size in SIZES:
        try:
            assert s3.get_object(Bucket="losses", Key=f"k/{size}")["Body"].read() == body(size)
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 503:
                raise
            refused += 1
    assert refused > 0
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.put_object(Bucket="losses", Key="new", Body=body(STRIPE))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert s3.head_object(Bucket="losses", Key="k/1")["ContentLength"] == 1
    bring_back(store, gone)
    wait_for("all is redundant again", lambda: redundant(store))
    read_all(s3)


def test_one_gone_writes_go_on_and_its_return_makes_them_whole(store):
    s3 = store.client()
    fill(s3)
    lost = random.Random(SEED).randrange(DISKS)
    take_away(store, [lost])
    fill(s3, "degraded")
    assert store.status()["under_replicated"]["stripes"] > 0
    read_all(s3, "degraded")
    bring_back(store, [lost])
    wait_for("all is redundant again", lambda: redundant(store))
    others = random.Random(SEED).sample([disk for disk in range(DISKS) if disk != lost], 2)
    take_away(store, others)
    read_all(s3)
    read_all(s3, "degraded")
    bring_back(store, others)


@pytest.mark.parametrize("stopped", [True, False], ids=["while stopped", "while running"])
def test_a_replaced_disk_is_filled_again(store, stopped):
    s3 = store.client()
    fill(s3)
    lost = random.Random(SEED).randrange(DISKS)
    if stopped:
        store.stop()
        shutil.rmtree(store.data / "disks" / str(lost))
        store.start()
    else:
        take_away(store, [lost])
        fill(s3, "degraded")
        (store.data / "disks" / str(lost)).mkdir()
    wait_for("all is redundant again", lambda: redundant(store))
    others = random.Random(SEED).sample([disk for disk in range(DISKS) if disk != lost], 2)
    take_away(store, others)
    read_all(s3)
    if not stopped:
        read_all(s3, "degraded")
    bring_back(store, others)


def volumes(server, disk):
    return sorted((server.data / "disks" / str(disk)).rglob("volume-*"))


def flip(path, rng):
    """One byte of each 512, anywhere."""
    raw = bytearray(path.read_bytes())
    for at in range(0, len(raw), 512):
        raw[min(at + rng.randrange(512), len(raw) - 1)] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)


def zero(path, rng):
    path.write_bytes(bytes(path.stat().st_size))


def truncate(path, rng):
    os.truncate(path, rng.randrange(path.stat().st_size))


@pytest.mark.parametrize("damage", [flip, zero, truncate])
def test_any_two_disks_rotten_and_every_object_reads_right(store, damage):
    s3 = store.client()
    fill(s3)
    store.stop()
    rng = random.Random(SEED)
    for disk in rng.sample(range(DISKS), 2):
        for path in volumes(store, disk):
            damage(path, rng)
    store.start()
    read_all(s3)


def test_two_disks_with_swapped_volumes_read_right(store):
    s3 = store.client()
    fill(s3)
    store.stop()
    first, second = random.Random(SEED).sample(range(DISKS), 2)
    for one, other in zip(volumes(store, first), volumes(store, second), strict=False):
        scratch = one.with_suffix(".swap")
        one.rename(scratch)
        other.rename(one)
        scratch.rename(other)
    store.start()
    read_all(s3)
