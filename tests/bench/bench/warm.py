"""Requests before the first row, not counted: nodes compile what they run often, gateways connect and prepare their statements."""

from __future__ import annotations

from bench.objects import SIZES, puts
from bench.plan import Request
from bench.row import Bench

SECONDS = 4.0  # of each kind; a node that has only just started takes several times as long for a statement
CLIENTS = 16
KEYS = int(SECONDS * 1000)  # above what nodes reach that have only just started


def warm_up(bench: Bench) -> None:
    """PUT, GET, LIST and DELETE of small objects. What fails here is told by the rows."""
    bench.progress("warming up")
    keys = [f"warm/{bench.nonce}/{index:05d}" for index in range(KEYS)]
    generator, signer = bench.generator, bench.server.endpoint.signer()
    put = generator.run(puts(bench, keys, SIZES["4 KiB"]), connections=CLIENTS, seconds=SECONDS, count=KEYS)
    written = [f"/{bench.bucket}/{key}" for key in keys[: max(1, put.requests)]]
    page = Request(signer.head("GET", f"/{bench.bucket}", {"list-type": "2", "prefix": f"warm/{bench.nonce}/"}))
    for requests in ([Request(signer.head("GET", path)) for path in written], [page]):
        generator.run(requests, connections=CLIENTS, seconds=SECONDS)
    deletes = [Request(signer.head("DELETE", path)) for path in written]
    generator.run(deletes, connections=CLIENTS, seconds=SECONDS, count=len(deletes))
