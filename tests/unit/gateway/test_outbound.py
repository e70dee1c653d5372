"""Requests that the store sends, against small servers of asyncio: limits of time and size, no redirects, no secrets told."""

import asyncio
import subprocess

import pytest

from dolmen.core.errors import ConfigError
from dolmen.gateway.outbound import Outbound, OutboundFailed


class Server:
    """Answers every request with the bytes that the test set, and keeps what it got."""

    def __init__(self):
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.got = []
        self.hang = False

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
                length = int(lengths[0].split(b":")[1]) if lengths else 0
                self.got.append(head + await reader.readexactly(length))
                if self.hang:
                    await asyncio.sleep(30)
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server():
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()


@pytest.fixture
async def outbound():
    made = Outbound()
    yield made
    await made.close()


async def test_a_request_and_its_answer(server, outbound):
    server.answer = b"HTTP/1.1 418 No\r\nX-Thing: a\r\nContent-Length: 3\r\n\r\ntea"
    answer = await outbound.request("POST", f"{server.url}/v1/x?y=z", {"X-Token": "t"}, b"body")
    assert (answer.status, answer.headers["x-thing"], answer.body) == (418, "a", b"tea")
    (got,) = server.got
    assert got.startswith(b"POST /v1/x?y=z HTTP/1.1\r\n")
    assert b"x-token: t\r\n" in got.lower()
    assert got.endswith(b"\r\n\r\nbody")
    assert "tea" not in repr(answer)


async def test_redirects_are_answers(server, outbound):
    server.answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    answer = await outbound.request("GET", server.url)
    assert (answer.status, answer.headers["location"], len(server.got)) == (302, "/elsewhere", 1)


@pytest.mark.parametrize("framing", [b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, b"Connection: close\r\n\r\n" + b"x" * 5000])
async def test_an_answer_that_is_too_long(server, outbound, framing):
    server.answer = b"HTTP/1.1 200 OK\r\n" + framing
    with pytest.raises(OutboundFailed, match="longer than 4999 bytes"):
        await outbound.request("GET", server.url, bytes_max=4999)


async def test_a_packed_answer_stays_packed(server, outbound):
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nzip"
    assert (await outbound.request("GET", server.url)).body == b"zip"


async def test_the_total_time_is_limited_and_nothing_secret_is_told(server, outbound):
    server.hang = True
    address = server.url.removeprefix("http://")
    began = asyncio.get_running_loop().time()
    with pytest.raises(OutboundFailed) as caught:
        await outbound.request("GET", f"http://user:password@{address}/p?token=secret", {"X-Token": "hidden"}, timeout_seconds=0.2)
    assert asyncio.get_running_loop().time() - began < 5
    assert str(caught.value) == f"GET http://{address}/p: no answer within 0.2 s"


async def test_nobody_there(outbound, unused_tcp_port):
    with pytest.raises(OutboundFailed, match="ClientConnectorError"):
        await outbound.request("GET", f"http://127.0.0.1:{unused_tcp_port}/")
    with pytest.raises(OutboundFailed):
        await outbound.request("GET", "no-url-at-all")


def test_a_ca_file_that_is_none(tmp_path):
    with pytest.raises(ConfigError, match="CA file"):
        Outbound(tmp_path / "absent")
    (tmp_path / "ca").write_text("nothing")
    with pytest.raises(ConfigError, match="CA file"):
        Outbound(tmp_path / "ca")


async def test_certificates_are_checked(tmp_path, outbound):
    import ssl

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem",
         "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    with pytest.raises(OutboundFailed, match="Certificate"):
        await outbound.request("GET", url)
    trusting = Outbound(tmp_path / "cert.pem")
    assert (await trusting.request("GET", url)).body == b"ok"
    await trusting.close()
    listening.close()
