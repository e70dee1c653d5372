"""The coding aws-chunked: pieces of any size, every truncation, every changed signature."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.gateway.auth.chunk_signature import ChunkSigner
from dolmen.gateway.auth.sigv4 import Signed, signing_key
from dolmen.gateway.s3.chunked import (
    CHUNK_BYTES_MAX,
    CHUNK_LINE_BYTES_MAX,
    SIGNED_CHUNK_BYTES_MIN,
    TRAILER_BYTES_MAX,
    ChunkDecoder,
    body_decoder,
    declared_trailers,
)
from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=120, deadline=None)
CRC32 = "x-amz-checksum-crc32"
KEY = signing_key("secret", "20261124", "us-east-1", "s3")
TIMESTAMP, SCOPE, SEED = "20261124T065557Z", "20261124/us-east-1/s3/aws4_request", "5" * 64
EMPTY = hashlib.sha256().hexdigest()
MODES = st.sampled_from(["signed", "signed trailer", "unsigned trailer"])


def hmac_hex(text):
    import hmac

    return hmac.new(KEY, text.encode(), "sha256").hexdigest()


def checksum(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def encode(chunks, mode, *, line_end="\r\n", between="", trailers=None):
    """The body as a client writes it; written from AWS's pages, apart from the code under test."""
    previous, out = SEED, b""
    for chunk in [*chunks, b""]:
        extension = ""
        if mode.startswith("signed"):
            digest = hashlib.sha256(chunk).hexdigest()
            previous = hmac_hex(f"AWS4-HMAC-SHA256-PAYLOAD\n{TIMESTAMP}\n{SCOPE}\n{previous}\n{EMPTY}\n{digest}")
            extension = f";chunk-signature={previous}"
        out += f"{len(chunk):x}{extension}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if mode.endswith("trailer"):
        trailers = {CRC32: checksum(b"".join(chunks))} if trailers is None else trailers
        out += "".join(f"{name}:{value}{line_end}" for name, value in trailers.items()).encode()
        if mode == "signed trailer":
            text = "".join(f"{name.strip().lower()}:{value.strip()}\n" for name, value in sorted(trailers.items()))
            digest = hashlib.sha256(text.encode()).hexdigest()
            signature = hmac_hex(f"AWS4-HMAC-SHA256-TRAILER\n{TIMESTAMP}\n{SCOPE}\n{previous}\n{digest}")
            out += f"{between}x-amz-trailer-signature:{signature}\r\n".encode()
    return out + b"\r\n"


def decoder(mode, decoded_bytes, trailers=(CRC32,)):
    return ChunkDecoder(
        decoded_bytes=decoded_bytes,
        signer=ChunkSigner(KEY, TIMESTAMP, SCOPE, SEED) if mode.startswith("signed") else None,
        trailers=trailers if mode.endswith("trailer") else (),
        trailer_signed=mode == "signed trailer",
    )


def run(decode, pieces):
    found = [bytes(part) for piece in pieces for part in decode.feed(piece)]
    return b"".join(found), decode.finish()


def split(data, cuts):
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@st.composite
def bodies(draw):
    """(mode, chunks): signed ones as AWS wants them, unsigned ones of any size."""
    mode = draw(MODES)
    sizes = draw(st.lists(st.integers(SIGNED_CHUNK_BYTES_MIN, SIGNED_CHUNK_BYTES_MIN + 300), max_size=2))
    if mode == "unsigned trailer":
        sizes = draw(st.lists(st.integers(1, 50), max_size=8))
    sizes += draw(st.lists(st.integers(1, 3000), max_size=1))
    seed = draw(st.binary(min_size=1, max_size=7))
    return mode, [(seed * (size // len(seed) + 1))[:size] for size in sizes]


@EXAMPLES
@given(body=bodies(), cuts=st.lists(st.integers(0, 40_000), max_size=12))
def test_any_division_gives_the_same_bytes(body, cuts):
    mode, chunks = body
    data = b"".join(chunks)
    encoded = encode(chunks, mode)
    decode = decoder(mode, len(data))
    found, trailers = run(decode, split(encoded, cuts))
    assert found == data
    assert trailers == ({CRC32: checksum(data)} if mode.endswith("trailer") else {})
    assert (decode.decoded_bytes, decode.done) == (len(data), True)


@EXAMPLES
@given(mode=MODES, size=st.integers(0, 40))
def test_byte_by_byte(mode, size):
    data = bytes(range(size))
    encoded = encode([data] if data else [], mode)
    found, _ = run(decoder(mode, size), [encoded[i : i + 1] for i in range(len(encoded))])
    assert found == data


@pytest.mark.parametrize("mode", ["signed", "signed trailer", "unsigned trailer"])
def test_every_truncation_is_an_error(mode):
    chunks = [b"a" * SIGNED_CHUNK_BYTES_MIN, b"b" * 100]
    encoded = encode(chunks, mode)
    framing = [*range(200), *range(SIGNED_CHUNK_BYTES_MIN, len(encoded))]
    for length in framing:
        decode = decoder(mode, sum(map(len, chunks)))
        with pytest.raises(S3Fault) as caught:
            run(decode, [encoded[:length]])
        assert (caught.value.code, caught.value.status) == ("IncompleteBody", 400), length


@pytest.mark.parametrize("mode", ["signed", "signed trailer"])
def test_every_changed_signature_byte_is_an_error(mode):
    chunks = [b"a" * SIGNED_CHUNK_BYTES_MIN, b"b" * 100]
    encoded = encode(chunks, mode)
    places, at = [], 0
    while (at := encoded.find(b"signature", at + 1)) > 0:
        places += range(at + len("signature="), at + len("signature=") + 64)
    assert len(places) == 64 * (3 if mode == "signed" else 4)
    for place in places:
        changed = bytearray(encoded)
        changed[place] = ord("0") if changed[place] != ord("0") else ord("1")
        with pytest.raises(S3Fault) as caught:
            run(decoder(mode, sum(map(len, chunks))), [bytes(changed)])
        assert (caught.value.code, caught.value.status) == ("SignatureDoesNotMatch", 403)
        assert dict(caught.value.fields)["StringToSign"].startswith("AWS4-HMAC-SHA256-")


@EXAMPLES
@given(body=bodies().filter(lambda body: body[0].startswith("signed")), place=st.integers(0, 1 << 20), by=st.integers(1, 255))
def test_any_changed_byte_of_a_signed_body_is_an_error(body, place, by):
    mode, chunks = body
    encoded = bytearray(encode(chunks, mode))
    place %= len(encoded) - 2  # behind the last signature there is only the line end
    before = bytes(encoded)
    encoded[place] ^= by
    same_size = before[place : place + 1].lower() == bytes(encoded[place : place + 1]).lower()  # "a0" and "A0" are one size
    trailer = place >= before.rfind(b"\r\n0;")
    if same_size or (trailer and bytes(encoded[place : place + 1]).isspace()):
        return
    with pytest.raises(S3Fault):
        run(decoder(mode, sum(map(len, chunks))), [bytes(encoded)])


@EXAMPLES
@given(noise=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5), mode=MODES)
def test_noise_is_an_error(noise, cuts, mode):
    with pytest.raises(S3Fault):
        run(decoder(mode, 10), split(noise, cuts))


def test_swapped_chunks_are_refused():
    one, two = b"1" * SIGNED_CHUNK_BYTES_MIN, b"2" * SIGNED_CHUNK_BYTES_MIN
    encoded = encode([one, two], "signed")
    length = (len(encoded) - len(b"0;chunk-signature=\r\n\r\n") - 64) // 2
    swapped = encoded[length : 2 * length] + encoded[:length] + encoded[2 * length :]
    with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
        run(decoder("signed", 2 * SIGNED_CHUNK_BYTES_MIN), [swapped])


def test_pieces_are_slices_of_the_input():
    data = encode([b"x" * 1000], "unsigned trailer")
    (piece,) = decoder("unsigned trailer", 1000).feed(data)
    assert piece.obj is data
    assert len(piece) == 1000


@pytest.mark.parametrize("mode", ["signed", "unsigned trailer"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_the_declared_length_counts(mode, difference):
    with pytest.raises(S3Fault, match="IncompleteBody"):
        run(decoder(mode, 100 + difference), [encode([b"x" * 100], mode)])


def test_without_a_declared_length_the_framing_decides():
    assert run(decoder("unsigned trailer", None), [encode([b"x" * 100, b"y"], "unsigned trailer")])[0] == b"x" * 100 + b"y"


def test_small_signed_chunks():
    chunks = [b"a" * SIGNED_CHUNK_BYTES_MIN, b"b" * (SIGNED_CHUNK_BYTES_MIN - 1), b"c"]
    with pytest.raises(S3Fault) as caught:
        run(decoder("signed", sum(map(len, chunks))), [encode(chunks, "signed")])
    assert (caught.value.code, caught.value.status) == ("InvalidChunkSizeError", 403)
    assert caught.value.message == "Only the last chunk is allowed to have a size less than 8192 bytes"
    assert caught.value.fields == (("Chunk", "3"), ("BadChunkSize", "8191"))
    assert run(decoder("unsigned trailer", sum(map(len, chunks))), [encode(chunks, "unsigned trailer")])[0] == b"".join(chunks)


@pytest.mark.parametrize(
    "line",
    [
        b"\r\n", b"g\r\n", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b" 1\r\n", b"1\n", b"1", b"1;chunk-signature=abc\r\n", b"1;\r\n",
        b"1" * 17 + b"\r\n",
    ],
)  # fmt: skip
def test_chunk_lines_that_are_none(line):
    with pytest.raises(S3Fault, match="IncompleteBody"):
        run(decoder("signed", 1), [line + b"x\r\n" + encode([], "signed")])


def test_a_signed_body_needs_its_signatures():
    with pytest.raises(S3Fault, match="IncompleteBody"):
        run(decoder("signed", 3), [b"3\r\nabc\r\n0\r\n\r\n"])


def test_unknown_extensions_of_unsigned_chunks_are_ignored():
    data = b"3;name=value\r\nabc\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n" + f"{CRC32}:{checksum(b'abc')}\r\n\r\n".encode()
    assert run(decoder("unsigned trailer", 3), [data]) == (b"abc", {CRC32: checksum(b"abc")})


def test_limits():
    with pytest.raises(S3Fault, match="IncompleteBody"):
        decoder("signed", None).feed(b"1" * CHUNK_LINE_BYTES_MAX)
    decode = decoder("unsigned trailer", None)
    decode.feed(b"1;" + b"x" * (CHUNK_LINE_BYTES_MAX - 4))
    with pytest.raises(S3Fault, match="IncompleteBody"):
        decode.feed(b"xxx")
    with pytest.raises(S3Fault, match="EntityTooLarge"):
        decoder("unsigned trailer", None).feed(b"%x\r\n" % (CHUNK_BYTES_MAX + 1))
    decoder("unsigned trailer", None).feed(b"%x\r\n" % CHUNK_BYTES_MAX)
    for trailer in (b"x" * (TRAILER_BYTES_MAX + 1), (CRC32 + ":" + "x" * TRAILER_BYTES_MAX + "\r\n").encode()):
        with pytest.raises(S3Fault, match="MalformedTrailerError"):
            decoder("unsigned trailer", None).feed(b"0\r\n" + trailer)
    with pytest.raises(S3Fault, match="MalformedTrailerError"):
        decoder("unsigned trailer", 0).feed(encode([], "unsigned trailer") + b"\r\n" * TRAILER_BYTES_MAX)


def test_more_than_declared_is_refused_before_it_is_read():
    with pytest.raises(S3Fault, match="IncompleteBody"):
        decoder("unsigned trailer", 5).feed(b"6\r\n")


@pytest.mark.parametrize(
    "trailers",
    [
        {},
        {"x-amz-checksum-sha256": "x"},
        {CRC32: "AAAAAA==", "x-amz-checksum-sha256": "x"},
        {CRC32: "AAAAAA==", CRC32.upper(): "AAAAAA=="},
        {"x-amz-checksum-crc32 bad": "x"},
        {"": "x"},
    ],
)
@pytest.mark.parametrize("mode", ["signed trailer", "unsigned trailer"])
def test_trailers_are_those_declared(mode, trailers):
    with pytest.raises(S3Fault) as caught:
        run(decoder(mode, 1), [encode([b"x"], mode, trailers=trailers)])
    assert (caught.value.code, caught.value.status) == ("MalformedTrailerError", 400)


def test_a_trailer_without_a_colon_or_in_no_utf8():
    for line in (b"x-amz-checksum-crc32=AAAAAA==\r\n\r\n", CRC32.encode() + b":\xff\r\n\r\n"):
        with pytest.raises(S3Fault, match="MalformedTrailerError"):
            run(decoder("unsigned trailer", 1), [b"1\r\nx\r\n0\r\n" + line])


def test_a_signed_body_without_trailers_has_none():
    encoded = encode([b"x"], "signed")[:-2] + f"{CRC32}:AAAAAA==\r\n\r\n".encode()
    with pytest.raises(S3Fault, match="MalformedTrailerError"):
        run(decoder("signed", 1), [encoded])


def test_a_trailer_signature_is_required_and_last():
    encoded = encode([b"x"], "signed trailer")
    start = encoded.find(b"x-amz-trailer-signature")
    with pytest.raises(S3Fault, match="IncompleteBody"):
        run(decoder("signed trailer", 1), [encoded[:start] + b"\r\n"])
    with pytest.raises(S3Fault, match="MalformedTrailerError"):
        run(decoder("signed trailer", 1), [encoded[:-2] + b"x-amz-checksum-sha1:x\r\n\r\n"])


def test_a_trailer_signature_comes_once():
    encoded = encode([b"x"], "signed trailer")
    line = encoded[encoded.find(b"x-amz-trailer-signature") : -2]
    with pytest.raises(S3Fault, match="MalformedTrailerError"):
        run(decoder("signed trailer", 1), [encoded[:-2] + line + b"\r\n"])


@pytest.mark.parametrize("mode", ["signed trailer", "unsigned trailer"])
def test_several_trailers_in_any_order(mode):
    trailers = {"x-amz-checksum-sha1": "b", CRC32: "a"}  # signed in the order of their names
    decode = decoder(mode, 1, (CRC32, "x-amz-checksum-sha1"))
    assert run(decode, [encode([b"x"], mode, trailers=trailers)])[1] == trailers


@pytest.mark.parametrize("end", [b"", b"\n", b"y\r\n", b"\r\n\r\n", b" \r\n"])
def test_a_chunk_ends_where_it_says(end):
    good = b"1\r\nx\r\n" + encode([], "unsigned trailer", trailers={})
    assert run(decoder("unsigned trailer", 1, ()), [good])[0] == b"x"
    with pytest.raises(S3Fault, match="IncompleteBody"):
        run(decoder("unsigned trailer", 1, ()), [good.replace(b"x\r\n", b"x" + end)])


def test_trailers_as_sdks_write_them():
    """Names in any case, blanks around values, a lone line feed, an empty line before the signature, two at the end."""
    value = checksum(b"x")
    spellings = {"X-Amz-Checksum-CRC32 ": f" {value}\t"}
    for mode in ("signed trailer", "unsigned trailer"):
        encoded = encode([b"x"], mode, trailers=spellings)
        assert run(decoder(mode, 1, ("X-Amz-Checksum-Crc32",)), [encoded])[1] == {CRC32: value}
        encoded = encode([b"x"], mode, line_end="\n", between="\r\n") + b"\r\n"
        assert run(decoder(mode, 1), [encoded])[1] == {CRC32: value}
        assert run(decoder(mode, 1), [encoded[:-4] + b"\n"])[1] == {CRC32: value}


def test_bytes_behind_the_end():
    for extra in (b"x", b"0\r\n\r\n", b"\r\nx"):
        with pytest.raises(S3Fault):
            run(decoder("signed", 1), [encode([b"x"], "signed") + extra])


def _signed(payload_hash):
    return Signed("AK", "us-east-1", "s3", SEED, KEY, TIMESTAMP, SCOPE, payload_hash, False, ("host",))


def test_body_decoder_of_each_kind():
    headers = {"x-amz-decoded-content-length": "1", "x-amz-trailer": f" {CRC32.upper()} ", "x-amz-content-sha256": "ignored"}
    for kind, mode in (
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "signed"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "signed trailer"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "unsigned trailer"),
    ):
        assert run(body_decoder(_signed(kind), headers), [encode([b"x"], mode)])[0] == b"x"
    for kind in ("UNSIGNED-PAYLOAD", EMPTY):
        assert body_decoder(_signed(kind), headers) is None
    assert body_decoder(None, {}) is None
    assert body_decoder(_signed(EMPTY), {"content-encoding": "aws-chunked"}) is None  # the digest covers what came


def test_body_decoder_refuses():
    signed = _signed("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    with pytest.raises(S3Fault, match="MissingContentLength"):
        body_decoder(signed, {})
    for text in ("", "-1", "x", "1 ", "９"):
        with pytest.raises(S3Fault, match="InvalidArgument"):
            body_decoder(signed, {"x-amz-decoded-content-length": text})
    with pytest.raises(S3Fault, match="aws-chunked encoding is not supported"):
        body_decoder(_signed("UNSIGNED-PAYLOAD"), {"content-encoding": "gzip, AWS-chunked"})
    headers = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "1"}
    with pytest.raises(S3Fault, match="InvalidRequest"):
        body_decoder(None, headers)
    with pytest.raises(S3Fault, match="NotImplemented"):
        body_decoder(None, {**headers, "x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"})


def test_an_anonymous_body_without_signatures_is_decoded():
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "1", "x-amz-trailer": CRC32,
    }  # fmt: skip
    assert run(body_decoder(None, headers), [encode([b"x"], "unsigned trailer")])[0] == b"x"


def test_declared_trailers():
    assert declared_trailers({}) == ()
    assert declared_trailers({"x-amz-trailer": "A, b,,"}) == ("a", "b")
