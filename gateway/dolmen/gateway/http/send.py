"""Writing an answer to the ASGI server: the request id on each, the body in as few messages as it comes in."""

from __future__ import annotations

import base64
import os

from dolmen.gateway.handlers.call import Headers, Streamed
from dolmen.gateway.http import metrics
from dolmen.gateway.http.request import Request, Send
from dolmen.gateway.s3.render import Response

HOST_ID = base64.b64encode(os.urandom(48)).decode()  # x-amz-id-2: which process answered
_HOST_ID_HEADER = (b"x-amz-id-2", HOST_ID.encode())
_SERVER_HEADER = (b"server", b"Dolmen")
_BODYLESS = frozenset({204, 304})


async def send_response(send: Send, request: Request, response: Response) -> None:
    """A whole answer; closes the connection when the request's body was left unread."""
    headers = await _common(request, response.headers)
    has_length = any(name == b"content-length" for name, _ in headers)
    if not has_length and response.status not in _BODYLESS:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if request.method == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})


async def send_stream(send: Send, request: Request, answer: Streamed) -> None:
    """A body as it is read. An error on the way leaves the answer short: the server then breaks the connection."""
    headers = await _common(request, answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    left = answer.length
    async for pieces in answer.chunks:
        for piece in pieces:
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
    metrics.BYTES_OUT.inc(answer.length - left)


async def _common(request: Request, headers: Headers) -> Headers:
    common: Headers = [
        (b"x-amz-request-id", request.request_id.encode()),
        _HOST_ID_HEADER,
        _SERVER_HEADER,
    ]
    if not request.body_done and not await request.drain():
        common.append((b"connection", b"close"))
    return common + headers
