"""load.c against a small server that answers in every way the format allows."""

import asyncio
import re
import struct
import subprocess

import pytest
from bench.build import FLAGS, HERE, NoCompiler, compiled, find_compiler
from bench.generator import Generator
from bench.plan import Request, pattern, pattern_body, write_plan

BODY_BYTES = 3_000_001


class Answers:
    """Reads whole requests and answers by path."""

    def __init__(self):
        self.requests = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        served = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split()[1].decode()
                length = re.search(rb"(?i)content-length: (\d+)", head)
                if path == "/early":
                    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
                    await writer.drain()
                    while await reader.read(1 << 16):  # what was sent before the client saw the answer
                        pass
                    return
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append((path, body))
                served += 1
                if path == "/once" and served == 2:
                    return  # closes a kept-alive connection instead of answering
                await self.answer(path, writer)
                if path == "/close":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path, writer):
        if path == "/chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"5;name=value\r\nhel", b"lo\r\n1", b"0\r\n0123456789abcdef\r", b"\n0\r\nx-trailer: 1\r\n\r", b"\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        elif path == "/head":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        elif path == "/none":
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif path == "/continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        elif path == "/close":
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
        elif path == "/slow-down":
            writer.write(b'HTTP/1.1 503 Slow Down\r\nContent-Length: 8\r\n\r\n<"busy">')
        elif path == "/nonsense":
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()


@pytest.fixture
async def answers():
    told = Answers()
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    yield told
    server.close()


def get(path, method="GET", **more):
    return Request(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), **more)


def put(path, **more):
    size = len(more.get("body", b"")) or more["pattern_bytes"]
    return Request(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode(), **more)


async def run(answers, requests, connections=2, **more):
    return await asyncio.to_thread(Generator(answers.port).run, requests, connections=connections, **more)


def test_the_c_programs_compile_without_a_warning(tmp_path):
    for name in ("load", "stub"):
        command = [find_compiler(), *FLAGS, "-Werror", "-Wshadow", str(HERE / f"{name}.c"), "-o", str(tmp_path / name)]
        assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_a_missing_compiler_is_one_line_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompiler, match=r"^no C compiler .* apt-get install gcc libc6-dev$"):
        compiled("load", cache=tmp_path)


def test_the_pattern_is_the_same_in_both_languages():
    assert subprocess.run([compiled("load"), "--pattern"], capture_output=True, check=True).stdout == pattern()


async def test_bodies_arrive_as_planned(answers):
    planned = [put("/a", pattern_bytes=BODY_BYTES), put("/b", body=b"<xml/>"), get("/c")]
    outcome = await run(answers, planned)
    assert (outcome.requests, outcome.errors) == (3, {})
    assert dict(answers.requests) == {"/a": pattern_body(BODY_BYTES), "/b": b"<xml/>", "/c": b""}
    assert outcome.bytes_out == sum(len(each.head) + len(each.body) + each.pattern_bytes for each in planned)


@pytest.mark.parametrize(
    ("request_", "body_bytes"),
    [
        (get("/chunked"), 21),
        (get("/head", method="HEAD"), 0),
        (get("/none"), 0),
        (get("/continue"), 2),
        (get("/close"), 13),
    ],
)
async def test_every_framing_is_understood_and_the_connection_goes_on(answers, request_, body_bytes):
    expected = Request(request_.head, expected_bytes=body_bytes)
    outcome = await run(answers, [expected], connections=1, count=3)
    assert (outcome.requests, outcome.errors, outcome.first_error) == (3, {}, "")
    assert answers.connections == (3 if b"/close" in request_.head else 1)


async def test_another_length_than_expected_is_an_error(answers):
    outcome = await run(answers, [get("/hello", expected_bytes=6)])
    assert (outcome.requests, outcome.errors) == (0, {"length": 1})


async def test_failures_are_counted_by_status_and_the_first_is_shown(answers):
    outcome = await run(answers, [get("/slow-down"), get("/hello")], connections=1, count=4)
    assert (outcome.requests, outcome.errors) == (2, {"503": 2})
    assert outcome.first_error.endswith('<"busy">')


async def test_an_answer_before_the_body_was_read_is_seen(answers):
    outcome = await run(answers, [put("/early", pattern_bytes=64 << 20), get("/hello")], connections=1)
    assert (outcome.requests, outcome.errors) == (1, {"403": 1})


async def test_what_is_no_http_is_an_error(answers):
    outcome = await run(answers, [get("/nonsense"), get("/hello")], connections=1)
    assert (outcome.requests, outcome.errors) == (1, {"protocol": 1})


async def test_a_connection_closed_between_requests_is_opened_again(answers):
    outcome = await run(answers, [get("/once")], connections=1, count=3)
    assert (outcome.requests, outcome.errors, outcome.reconnects) == (3, {}, 2)


async def test_answers_can_be_captured(answers):
    generator = Generator(answers.port)
    planned = [get("/hello"), get("/slow-down"), get("/chunked")]
    outcome, captured = await asyncio.to_thread(generator.run_once_captured, planned, connections=2)
    assert outcome.error_count == 1
    assert {index: (status, raw.partition(b"\r\n\r\n")[2]) for index, (status, raw) in captured.items()} == {
        0: (200, b"hello"),
        1: (503, b'<"busy">'),
        2: (200, b"hello0123456789abcdef"),
    }


async def test_time_limit_starts_nothing_new_and_the_plan_is_repeated(answers):
    outcome = await run(answers, [get("/hello")], seconds=0.1)
    assert outcome.requests == len(answers.requests) > 1
    assert outcome.rounds == outcome.requests


async def test_percentiles_are_the_nearest_rank(answers, tmp_path):
    write_plan(tmp_path / "plan", [get("/hello")])
    command = [str(compiled("load")), "--port", str(answers.port), "--plan", str(tmp_path / "plan"), "--count", "333"]
    command += ["--latencies", str(tmp_path / "ns")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    told = (await process.communicate())[0].decode()
    raw = (tmp_path / "ns").read_bytes()
    sorted_ns = sorted(struct.unpack(f"<{len(raw) // 8}Q", raw))
    assert len(sorted_ns) == 333
    for share in (50, 90, 99):
        rank = next(rank for rank in range(1, 334) if rank * 100 >= 333 * share)
        assert f'"p{share}_ns":{sorted_ns[rank - 1]},' in told
    assert f'"max_ns":{sorted_ns[-1]},' in told


async def test_the_stub_server_answers_streams_and_swallows():
    process = await asyncio.create_subprocess_exec(str(compiled("stub")), stdout=subprocess.PIPE)
    try:
        generator = Generator(int(await process.stdout.readline()))
        planned = [get(f"/bytes/{BODY_BYTES}", expected_bytes=BODY_BYTES), put("/x", pattern_bytes=BODY_BYTES, expected_bytes=5)]
        outcome = await asyncio.to_thread(generator.run, planned, connections=3, count=12)
    finally:
        process.kill()
        await process.wait()
    assert (outcome.requests, outcome.errors) == (12, {})
