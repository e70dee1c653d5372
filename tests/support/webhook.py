"""A webhook of notifications in the test's own process: it may refuse, hang, die in the middle, go away and come back."""

from __future__ import annotations

import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

WAIT_SECONDS = 30.0  # a loaded machine; events arrive within a second on a quiet one
POLL_SECONDS = 0.02

HANG = "hang"  # says nothing until the receiver is told to accept again
DIE = "die"  # resets the connection after the request was read
CUT = "cut"  # resets it in the middle of the answer


@dataclass(frozen=True)
class Received:
    """One request that was accepted."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at_seconds: float

    @property
    def record(self) -> dict[str, Any]:
        (one,) = self.body["Records"]
        return one

    @property
    def name(self) -> str:
        """``ObjectCreated:Put``, or ``s3:TestEvent``."""
        return self.body["Event"] if "Event" in self.body else self.record["eventName"]

    @property
    def object(self) -> dict[str, Any]:
        return self.record["s3"]["object"]

    @property
    def bucket(self) -> str:
        return self.body["Bucket"] if "Event" in self.body else self.record["s3"]["bucket"]["name"]


class Webhook:
    """Listens from the start; ``answer`` is a status, HANG, DIE or CUT."""

    def __init__(self) -> None:
        self.answer: int | str = 200
        self.attempts = 0
        self._received: list[Received] = []
        self._server: http.server.ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer = 200
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        """On the same port as before, if there was one."""
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                webhook._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                pass  # connections that we reset ourselves

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more; open connections stay open until their next request."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        self.attempts += 1
        answer = self.answer
        if self._server is None or answer == DIE:
            _reset(handler)
            return
        while self.answer == HANG:
            time.sleep(POLL_SECONDS)
        if answer == CUT:
            handler.wfile.write(b"HTTP/1.1 20")
            handler.wfile.flush()
            _reset(handler)
            return
        if answer == HANG:  # whoever asked has given up meanwhile
            _reset(handler)
            return
        if answer == 200:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self._received.append(Received(handler.path, headers, json.loads(raw), time.monotonic()))
        handler.send_response(int(answer))
        handler.send_header("content-length", "0")
        handler.end_headers()

    def received(self, bucket: str | None = None, *, trials: bool = False) -> list[Received]:
        """What was accepted so far, of one bucket; test events only if asked for."""
        return [
            one
            for one in list(self._received)
            if (bucket is None or one.bucket == bucket) and (trials or one.name != "s3:TestEvent")
        ]

    def wait(self, bucket: str, count: int = 1, *, trials: bool = False, seconds: float = WAIT_SECONDS) -> list[Received]:
        """``count`` notifications of a bucket, in the order of arrival; fails when more come than that."""
        found = self.wait_until(lambda: len(self.received(bucket, trials=trials)) >= count, seconds)
        got = self.received(bucket, trials=trials)
        assert found, f"{len(got)} of {count} notifications of {bucket}: {[one.name for one in got]}"
        assert len(got) == count, [(one.name, one.body) for one in got]
        return got

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(POLL_SECONDS)
        return condition()


def _reset(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
