"""Declared targets: the settings that name them, the requests that reach them, and what no log may show."""

import asyncio
import threading

import pytest
from webhook import CUT, DIE, HANG, Webhook

from dolmen.core.errors import ConfigError, Unavailable
from dolmen.gateway.delivery.targets import TARGETS_MAX, Target, TokenUnreadable, named, named_url, targets_of
from dolmen.gateway.delivery.worker import ANSWER_BYTES_MAX, webhook
from dolmen.gateway.outbound import Outbound


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("hook=http://127.0.0.1:9/x", ("hook", "http://127.0.0.1:9/x")),
        ("a-b_C9=https://example.com", ("a-b_C9", "https://example.com")),
        ("h=http://[::1]:8080/?a=b", ("h", "http://[::1]:8080/?a=b")),
        ("h=https://user:pass@example.com/", ("h", "https://user:pass@example.com/")),
    ],
)
def test_urls(text, target):
    assert named_url(text) == target


@pytest.mark.parametrize(
    "text",
    [
        *("", "hook", "=http://a/", "hook=", "a:b=http://a/", "a b=http://a/", "x" * 65 + "=http://a/", "-a=http://a/"),
        *("h=ftp://a/", "h=a/b", "h=http://", "h=http:///x", "h=http://a:b/", "h=http://a:0/", "h=http://a:99999/"),
        *("h=http://a/ b", "h=http://[::1/", "h=http://a/" + "x" * 2048, "h=file:///etc/passwd"),
    ],
)
def test_urls_that_are_none(text):
    with pytest.raises(ConfigError) as caught:
        named_url(text)
    assert "\n" not in str(caught.value)


def test_a_wrong_url_is_not_repeated():
    """It may hold a password."""
    with pytest.raises(ConfigError) as caught:
        named_url("h=http://user:secret@a:b/")
    assert "secret" not in str(caught.value)


def test_targets_and_tokens(tmp_path):
    targets = targets_of([("a", "http://a/"), ("b", "http://b/")], [("b", str(tmp_path / "token"))])
    assert targets == {"a": Target("a", "http://a/"), "b": Target("b", "http://b/", tmp_path / "token")}
    assert targets_of([]) == {}


@pytest.mark.parametrize(
    ("urls", "tokens", "message"),
    [
        ([("a", "http://a/"), ("a", "http://b/")], [], "declared twice"),
        ([("a", "http://a/")], [("b", "f")], "no notification target b"),
        ([("a", "http://a/")], [("a", "f"), ("a", "g")], "two token files"),
        ([(f"t{number}", "http://a/") for number in range(TARGETS_MAX + 1)], [], "more than 64"),
    ],
)
def test_targets_that_do_not_fit_together(urls, tokens, message):
    with pytest.raises(ConfigError, match=message):
        targets_of(urls, tokens)


@pytest.mark.parametrize("text", ["", "x", "b=", "=f"])
def test_names_of_token_files(text):
    with pytest.raises(ConfigError):
        named(text)


def test_the_token_is_read_anew(tmp_path):
    file = tmp_path / "token"
    target = Target("a", "http://a/", file)
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        assert target.headers()["authorization"] == f"Bearer {token}"
    assert "authorization" not in Target("a", "http://a/").headers()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"two\nlines", b"bell\x07"])
def test_tokens_that_cannot_be_used(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TokenUnreadable) as caught:
        Target("a", "http://a/", file).headers()
    assert "lines" not in str(caught.value)
    assert isinstance(caught.value, Unavailable)


# -- requests ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook():
    with Webhook() as made:
        yield made


@pytest.fixture
async def post():
    outbound = Outbound()
    yield webhook(outbound, timeout_seconds=2.0)
    await outbound.close()


async def test_a_request(hook, post, tmp_path):
    (tmp_path / "token").write_text("secret-token")
    target = Target("a", hook.url, tmp_path / "token")
    assert await post(target, b'{"Event":"s3:TestEvent","Bucket":"b"}') == 200
    (one,) = hook.received("b", trials=True)
    assert one.headers["content-type"] == "application/json"
    assert one.headers["authorization"] == "Bearer secret-token"
    assert one.body == {"Event": "s3:TestEvent", "Bucket": "b"}


@pytest.mark.parametrize("status", [201, 204, 301, 404, 500, 503])
async def test_statuses_are_told(hook, post, status):
    hook.answer = status
    assert await post(Target("a", hook.url), b"{}") == status


@pytest.mark.parametrize("trouble", [DIE, CUT])
async def test_broken_connections(hook, post, trouble):
    hook.answer = trouble
    with pytest.raises(Unavailable):
        await post(Target("a", hook.url), b"{}")


async def test_nobody_listens(hook, post):
    hook.stop()
    with pytest.raises(Unavailable):
        await post(Target("a", hook.url), b"{}")


async def test_one_that_hangs(hook):
    outbound = Outbound()
    hook.answer = HANG
    with pytest.raises(Unavailable, match="no answer within"):
        async with asyncio.timeout(5):
            await webhook(outbound, timeout_seconds=0.2)(Target("a", hook.url), b"{}")
    hook.answer = 200
    await outbound.close()


async def test_one_that_talks_without_end(post):
    """An answer is bounded, and nobody reads it."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def talk():
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        try:
            while True:
                connection.sendall(bytes(ANSWER_BYTES_MAX))
        except OSError:
            connection.close()

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    with pytest.raises(Unavailable, match="longer than"):
        await post(Target("a", f"http://127.0.0.1:{listener.getsockname()[1]}/"), b"{}")
    await asyncio.to_thread(thread.join, 5)
    listener.close()
