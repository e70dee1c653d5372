"""Many clients of three processes want one thing: one of them gets it. ``DOLMEN_RACE_ROUNDS`` is 200 in the long form."""

import asyncio
import hashlib
import os
import secrets
from collections import Counter

import pytest

ROUNDS = int(os.environ.get("DOLMEN_RACE_ROUNDS", "5"))
RACERS = 64
CREATORS = 1000

pytestmark = pytest.mark.cassandra_cluster


def racers(gateways, count):
    """A gateway for each of them, by turns."""
    return [gateways.all[number % len(gateways.all)] for number in range(count)]


async def test_one_of_a_thousand_creators_makes_the_bucket(gateways):
    name = f"race-{secrets.token_hex(6)}"
    told = await asyncio.gather(*(gateway.call("create_bucket", name) for gateway in racers(gateways, CREATORS)))
    assert Counter(told) == {"ok": 1, "exists": CREATORS - 1}
    ids = {await gateway.call("bucket_id", name) for gateway in gateways.all}
    assert len(ids) == 1
    assert None not in ids


async def race(gateways, key, if_match, if_absent):
    """The ETag of the only one that was told that it wrote; all others were told that they did not."""
    bodies = [secrets.token_bytes(16) for _ in range(RACERS)]
    etags = [hashlib.md5(body).hexdigest() for body in bodies]
    told = await asyncio.gather(
        *(
            gateway.ask("put", key, body, etag, if_match, if_absent)
            for gateway, body, etag in zip(racers(gateways, RACERS), bodies, etags, strict=True)
        )
    )
    outcomes = Counter(result[0] for result, _ in told)
    assert outcomes == {"ok": 1, "refused": RACERS - 1}, [errors for _, errors in told if errors]
    return next(etag for (result, _), etag in zip(told, etags, strict=True) if result[0] == "ok")


async def test_one_of_64_writers_of_a_new_key_and_one_of_64_who_replace_it_wins_in_each_round(gateways, bucket):
    async def one_round(number):
        key = b"round-%06d" % number
        made = await race(gateways, key, None, True)
        replaced = await race(gateways, key, made, False)
        for gateway in gateways.all:
            assert await gateway.call("get", key) == ["ok", replaced]

    for number in range(ROUNDS):
        await one_round(number)
