"""Writing an answer to the ASGI server: the request id on each, the body in as few messages as it comes in."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from dolmen.gateway.http import metrics
from dolmen.gateway.http.request import ClientGone, Headers, Request, Send
from dolmen.gateway.s3.render import Response

HOST_ID = base64.b64encode(os.urandom(48)).decode()  # x-amz-id-2: which process answered
_PROCESS_HEADERS: Headers = [(b"x-amz-id-2", HOST_ID.encode()), (b"server", b"Dolmen")]
_BODYLESS = frozenset({204, 304})


@dataclass(slots=True)
class Streamed:
    """An answer whose body comes as it is read. ``length`` bytes in all; a failure breaks the connection."""

    status: int
    headers: Headers
    chunks: AsyncGenerator[list[memoryview], None]
    length: int


async def send_response(send: Send, request: Request, response: Response) -> None:
    """A whole answer; closes the connection when the request's body was left unread."""
    headers = await _common(request, response.headers)
    body = response.body
    if response.status not in _BODYLESS and not any(name == b"content-length" for name, _ in response.headers):
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    left_unread = not request.body_done
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body, "more_body": left_unread})
    if left_unread:
        await request.linger()
        await send({"type": "http.response.body", "body": b""})


async def send_stream(send: Send, request: Request, answer: Streamed) -> None:
    """A body as it is read. An error on the way leaves the answer short: the server then breaks the connection.

    Raises ``ClientGone`` as soon as nobody listens: the rest is not read.
    """
    headers = await _common(request, answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    left = answer.length
    async with aclosing(answer.chunks) as chunks:
        async for pieces in chunks:
            for piece in pieces:
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
                metrics.BYTES_OUT.inc(len(piece))
            del pieces, piece  # the reader counts them as gone when it is asked for more
            if left and request.client_gone():
                raise ClientGone


async def _common(request: Request, headers: Headers) -> Headers:
    await request.continue_without_body()
    common = [(b"x-amz-request-id", request.request_id.encode()), *_PROCESS_HEADERS]
    if not request.body_done and not await request.drain():
        common.append((b"connection", b"close"))
    return common + headers
