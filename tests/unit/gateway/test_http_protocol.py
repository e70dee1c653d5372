"""Requests on one connection, read in pieces of any size: each body whole, each request answered, in order."""

import asyncio
import hashlib
import random
import re

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from dolmen.gateway.http.protocol import DIRECT_BUFFER_BYTES, DIRECT_BYTES_MIN, S3Link
from dolmen.gateway.http.request import Request

SIZES = (0, 1, 5_000, DIRECT_BYTES_MIN - 1, DIRECT_BYTES_MIN, DIRECT_BYTES_MIN + 5_000, DIRECT_BUFFER_BYTES + 1, 700_001)


class Transport(asyncio.Transport):
    """Collects what is written; can tell whether reading is paused."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.paused = False
        self.closed = False

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.written += bytes(data)

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    abort = close

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


async def application(scope, receive, send):
    """Answers with the digest of the body."""
    request = Request(scope, receive)
    digest = hashlib.sha256()
    while (pieces := await request.receive_pieces()) is not None:
        for piece in pieces:
            digest.update(piece)
    text = digest.hexdigest().encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
    await send({"type": "http.response.body", "body": text})


async def converse(stream, cuts):
    """Feed ``stream`` to a connection, at most ``next(cuts)`` bytes a read; returns the transport."""
    config = uvicorn.Config(application, http=S3Link, ws="none", loop="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    link = S3Link(config=config, server_state=state, app_state={})
    transport = Transport()
    link.connection_made(transport)
    at = 0
    while at < len(stream) and not transport.closed:
        if transport.paused:
            await asyncio.sleep(0)
            continue
        buffer = link.get_buffer(-1)
        size = min(len(buffer), len(stream) - at, next(cuts))
        buffer[:size] = stream[at : at + size]
        link.buffer_updated(size)
        at += size
    while state.tasks:
        await asyncio.sleep(0)
    link.connection_lost(None)
    return transport


def request_of(body, chunked):
    if not chunked:
        return b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % framed


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.tuples(st.sampled_from(SIZES), st.booleans()), min_size=1, max_size=4),
    seed=st.integers(0, 1 << 32),
    largest=st.sampled_from((700, 20_000, 300_000)),
)
def test_every_body_arrives_whole_whatever_the_reads(sizes, seed, largest):
    rng = random.Random(seed)
    bodies = [rng.randbytes(size) for size, _ in sizes]
    stream = b"".join(request_of(body, chunked) for body, (_, chunked) in zip(bodies, sizes, strict=True))
    cuts = iter(lambda: rng.randrange(1, largest), None)
    transport = asyncio.run(converse(stream, cuts))
    answers = re.findall(rb"HTTP/1.1 200 OK\r\n.*?\r\n\r\n([0-9a-f]{64})", transport.written, re.DOTALL)
    assert [answer.decode() for answer in answers] == [hashlib.sha256(body).hexdigest() for body in bodies]


@pytest.mark.parametrize("after", [10, DIRECT_BYTES_MIN + 10])
def test_bytes_behind_a_body_are_the_next_request(after):
    body = bytes(after)
    stream = request_of(body, False) + b"no http at all\r\n\r\n"
    transport = asyncio.run(converse(stream, iter(lambda: 1 << 20, None)))
    assert transport.written.count(b"HTTP/1.1 200 OK") == 1
    assert transport.written.count(b"HTTP/1.1 400 Bad Request") == 1
    assert transport.closed
