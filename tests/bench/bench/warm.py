"""Requests before the first row, not counted: nodes compile what they run often, gateways connect and prepare their statements."""

from __future__ import annotations

from bench.objects import SIZES, puts
from bench.plan import Request
from bench.row import Bench

SECONDS = 4.0  # of each kind for each node; one that has only just started takes several times as long for a statement
CLIENTS = 16
KEYS_PER_SECOND = 500  # above what nodes reach that have only just started


def warm_up(bench: Bench, nodes: int) -> None:
    """PUT, GET, LIST and DELETE of small objects. What fails here is told by the rows."""
    bench.progress("warming up")
    seconds = SECONDS * max(1, nodes)  # they compile on the same cores
    keys = [f"warm/{bench.nonce}/{index:05d}" for index in range(int(seconds * KEYS_PER_SECOND))]
    generator, signer = bench.generator, bench.server.endpoint.signer()
    put = generator.run(puts(bench, keys, SIZES["4 KiB"]), connections=CLIENTS, seconds=seconds, count=len(keys))
    written = [f"/{bench.bucket}/{key}" for key in keys[: max(1, put.requests)]]
    page = Request(signer.head("GET", f"/{bench.bucket}", {"list-type": "2", "prefix": f"warm/{bench.nonce}/"}))
    for requests in ([Request(signer.head("GET", path)) for path in written], [page]):
        generator.run(requests, connections=CLIENTS, seconds=seconds)
    deletes = [Request(signer.head("DELETE", path)) for path in written]
    generator.run(deletes, connections=CLIENTS, seconds=seconds, count=len(deletes))
