"""One of three nodes is away: everything works. Two are: everything is refused in time, and works again when they are back."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cassandra_cluster import VARIABLE

TESTS = Path(__file__).parents[2]
CONTRACT_SECONDS = 1200.0
# A change: 8 s of repeating it, and the statement that was begun last; what comes before it: one statement.
DEADLINE_SECONDS = 8.0 + 2 * 3.0 + 3.0
RECOVERY_SECONDS = 30.0
CLIENTS = 6

pytestmark = pytest.mark.cassandra_cluster


def test_the_whole_contract_holds_while_one_of_three_nodes_is_dead(nodes):
    nodes.kill(3)
    environment = {**os.environ, VARIABLE: ",".join(nodes.contact_points)}
    command = [sys.executable, "-m", "pytest", "-q", "-k", "cassandra", str(TESTS / "contract" / "metadata")]
    ended = subprocess.run(
        command, env=environment, cwd=TESTS.parent, capture_output=True, text=True, timeout=CONTRACT_SECONDS, check=False
    )
    print(ended.stdout[-3000:])
    assert ended.returncode == 0
    assert " passed" in ended.stdout


async def writes_and_reads(gateways, key):
    """Of a client that tries everything once: (outcomes, longest)."""
    body = os.urandom(16)
    etag = hashlib.md5(body).hexdigest()
    outcomes, longest = [], 0.0
    put, rest = ("put", (key, body, etag, None, False)), (("get", (key,)), ("list", (b"", b"", 10)), ("delete", (key, None)))
    for name, arguments in (put, *rest):
        begun = time.monotonic()
        result, errors = await (await gateways.one()).ask(name, *arguments)
        longest = max(longest, time.monotonic() - begun)
        outcome = "unknown" if result is None else "ok" if name == "list" else result[0]
        outcomes.append((name, outcome, errors))
    return outcomes, longest


async def clients(gateways, label):
    found = await asyncio.gather(*(writes_and_reads(gateways, b"%s-%d" % (label, number)) for number in range(CLIENTS)))
    return [one for outcomes, _ in found for one in outcomes], max(longest for _, longest in found)


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_without_a_quorum_everything_is_refused_in_time_and_then_works_again(nodes, gateways, bucket, how):
    outcomes, _ = await clients(gateways, b"before")
    assert {outcome for _, outcome, _ in outcomes} == {"ok"}, outcomes
    for node in (2, 3):
        if how == "stopped":
            nodes.pause(node)
        else:
            nodes.kill(node)
    for round_number in range(3):  # at once, and when the driver knows
        outcomes, longest = await clients(gateways, b"without")
        told = sorted({(name, outcome, *errors) for name, outcome, errors in outcomes})
        print(f"round {round_number}: longest {longest:.1f} s; {told[:6]}")
        assert {outcome for _, outcome, _ in outcomes} <= {"unknown", "failed"}, outcomes
        assert all(errors for _, _, errors in outcomes)  # each is one that S3 answers with 503
        assert longest < DEADLINE_SECONDS
    for node in (2, 3):
        if how == "stopped":
            nodes.resume(node)
        else:
            await asyncio.to_thread(nodes.restart, node)
    begun = time.monotonic()
    while {outcome for _, outcome, _ in outcomes} != {"ok"}:
        assert time.monotonic() - begun < RECOVERY_SECONDS, outcomes
        await asyncio.sleep(0.5)
        outcomes, _ = await clients(gateways, b"after")
    print(f"everything works again {time.monotonic() - begun:.1f} s after the nodes run")
