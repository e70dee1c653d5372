"""aws-chunked bodies: signed and unsigned chunks, trailers, broken framings. Nothing broken is kept."""

import base64
import zlib

import pytest
from raw_s3 import STREAMING, STREAMING_TRAILER, UNSIGNED, UNSIGNED_TRAILER, chunked

BODY = bytes(range(256)) * 1024  # 256 KiB: four chunks of 64 KiB
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
TRAILER = {"x-amz-checksum-crc32": CRC32}
BODY_BYTES = len(BODY)
SIZES = [65536]


def put(raw, path, *, payload, make, headers=None, length=BODY_BYTES):
    """``make(signature)``: the encoded body."""
    trailing = {"x-amz-trailer": "x-amz-checksum-crc32"} if payload.endswith("TRAILER") else {}
    given = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(length),
        **trailing,
        **(headers or {}),
    }
    sent, signature = raw.headers_for("PUT", path, headers=given, payload=payload)
    return raw.send("PUT", path, "", sent, make(signature))


def absent(s3, bucket):
    return "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("sizes", [[65536], [8192], [8192, 65536, 10_000], [262144], [1 << 20]], ids=str)
def test_signed_chunks(raw, s3, bucket, sizes):
    answer = put(raw, f"/{bucket}/k", payload=STREAMING, make=lambda seed: chunked(BODY, sizes, seed))
    assert answer.status == 200, answer.body
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == BODY
    assert "ContentEncoding" not in got


def test_signed_chunks_and_a_signed_trailer(raw, s3, bucket):
    answer = put(raw, f"/{bucket}/k", payload=STREAMING_TRAILER, make=lambda seed: chunked(BODY, SIZES, seed, TRAILER))
    assert answer.status == 200, answer.body
    assert answer.headers["x-amz-checksum-crc32"] == CRC32
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


@pytest.mark.parametrize("sizes", [[65536], [1, 2, 3, 100_000], [262144]], ids=str)
def test_unsigned_chunks_and_a_trailer(raw, s3, bucket, sizes):
    answer = put(raw, f"/{bucket}/k", payload=UNSIGNED_TRAILER, make=lambda _: chunked(BODY, sizes, None, TRAILER))
    assert answer.status == 200, answer.body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_an_empty_body(raw, s3, bucket):
    crc = {"x-amz-checksum-crc32": "AAAAAA=="}
    for key, payload, trailers in (("a", STREAMING, None), ("b", STREAMING_TRAILER, crc), ("c", UNSIGNED_TRAILER, crc)):
        answer = put(
            raw,
            f"/{bucket}/{key}",
            payload=payload,
            make=lambda seed, payload=payload, trailers=trailers: chunked(
                b"", SIZES, None if payload == UNSIGNED_TRAILER else seed, trailers
            ),
            length=0,
        )
        assert answer.status == 200, answer.body
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == 0


def test_the_rest_of_the_encoding_is_kept(raw, bucket):
    headers = {"Content-Encoding": "aws-chunked,gzip"}
    put(raw, f"/{bucket}/k", payload=STREAMING, make=lambda seed: chunked(BODY, SIZES, seed), headers=headers)
    assert raw.request("HEAD", f"/{bucket}/k").headers["content-encoding"] == "gzip"


def test_over_http_chunks_without_a_content_length(raw, s3, bucket):
    """What botocore sends over TLS: aws-chunked inside of Transfer-Encoding: chunked."""
    body = chunked(BODY, SIZES, None, TRAILER)
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    answer = put(
        raw, f"/{bucket}/k", payload=UNSIGNED_TRAILER, make=lambda _: framed, headers={"Transfer-Encoding": "chunked"}
    )
    assert answer.status == 200, answer.body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_parts_take_them_too(raw, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32")["UploadId"]
    query = f"partNumber=1&uploadId={upload}"
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(BODY)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    sent, seed = raw.headers_for("PUT", f"/{bucket}/k", query, headers, payload=STREAMING_TRAILER)
    answer = raw.send("PUT", f"/{bucket}/k", query, sent, chunked(BODY, SIZES, seed, TRAILER))
    assert answer.status == 200, answer.body
    assert answer.headers["x-amz-checksum-crc32"] == CRC32


# -- what is wrong with it -----------------------------------------------------------------------------------------------


def swapped(body):
    """The first two chunks exchanged, each with its own signature."""
    size = len("10000;chunk-signature=") + 64 + 2 + 65536 + 2
    return body[size : 2 * size] + body[:size] + body[2 * size :]


def changed(body, position):
    return body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]


def forged_signature(body):
    at = body.index(b"chunk-signature=") + len(b"chunk-signature=")
    return body[:at] + (b"0" if body[at : at + 1] != b"0" else b"1") + body[at + 1 :]


SIGNED_CASES = {
    "a changed byte": (lambda body: changed(body, 5000), "SignatureDoesNotMatch"),
    "a changed byte in the last chunk": (lambda body: changed(body, len(body) - 500), "SignatureDoesNotMatch"),
    "a forged signature": (forged_signature, "SignatureDoesNotMatch"),
    "chunks exchanged": (swapped, "SignatureDoesNotMatch"),
    "truncated in a chunk": (lambda body: body[:-100_000], "IncompleteBody"),
    "truncated before the last chunk": (lambda body: body[: body.rindex(b"0;chunk")], "IncompleteBody"),
    "a size that is none": (lambda body: b"xyz" + body[5:], "IncompleteBody"),
    "no framing at all": (lambda body: BODY, "IncompleteBody"),
}


@pytest.mark.parametrize("name", list(SIGNED_CASES))
def test_broken_signed_chunks(raw, s3, bucket, name):
    breaker, code = SIGNED_CASES[name]
    answer = put(raw, f"/{bucket}/k", payload=STREAMING, make=lambda seed: breaker(chunked(BODY, SIZES, seed)))
    assert answer.code == code
    assert answer.status == (403 if code == "SignatureDoesNotMatch" else 400)
    assert absent(s3, bucket)


def test_small_signed_chunks(raw, s3, bucket):
    answer = put(raw, f"/{bucket}/k", payload=STREAMING, make=lambda seed: chunked(BODY, [4096], seed))
    assert answer.told == (403, "InvalidChunkSizeError")
    assert absent(s3, bucket)


def test_a_forged_trailer_signature(raw, s3, bucket):
    def make(seed):
        body = chunked(BODY, SIZES, seed, TRAILER)
        at = body.index(b"x-amz-trailer-signature:") + 24
        return body[:at] + b"0" * 64 + body[at + 64 :]

    answer = put(raw, f"/{bucket}/k", payload=STREAMING_TRAILER, make=make)
    assert answer.told == (403, "SignatureDoesNotMatch")
    assert absent(s3, bucket)


@pytest.mark.parametrize(
    ("trailers", "code"),
    [
        ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
        ({"x-amz-checksum-crc32": "x"}, "InvalidRequest"),
        ({"x-amz-checksum-sha1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "MalformedTrailerError"),
        ({}, "MalformedTrailerError"),
        ({**TRAILER, "x-amz-meta-a": "b"}, "MalformedTrailerError"),
    ],
    ids=str,
)
def test_broken_trailers(raw, s3, bucket, trailers, code):
    answer = put(raw, f"/{bucket}/k", payload=UNSIGNED_TRAILER, make=lambda _: chunked(BODY, SIZES, None, trailers))
    assert answer.told == (400, code)
    assert absent(s3, bucket)


@pytest.mark.parametrize("delta", [-1, 1, -65536, 65536])
@pytest.mark.parametrize("payload", [STREAMING, UNSIGNED_TRAILER])
def test_another_length_than_declared(raw, s3, bucket, payload, delta):
    answer = put(
        raw,
        f"/{bucket}/k",
        payload=payload,
        make=lambda seed: chunked(BODY, SIZES, seed if payload == STREAMING else None, None if payload == STREAMING else TRAILER),
        length=len(BODY) + delta,
    )
    assert answer.told == (400, "IncompleteBody")
    assert absent(s3, bucket)


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [(None, 411, "MissingContentLength"), *((text, 400, "InvalidArgument") for text in ("x", "-1", "", "9" * 30))],
)
def test_the_decoded_length_is_needed(raw, bucket, length, status, code):
    headers = {} if length is None else {"x-amz-decoded-content-length": length}
    sent, seed = raw.headers_for("PUT", f"/{bucket}/k", headers=headers, payload=STREAMING)
    assert raw.send("PUT", f"/{bucket}/k", "", sent, chunked(BODY, SIZES, seed)).told == (status, code)


def test_a_chunk_too_large_to_be_true(raw, s3, bucket):
    answer = put(raw, f"/{bucket}/k", payload=UNSIGNED_TRAILER, make=lambda _: b"ffffffffffff\r\nabc")
    assert answer.told == (400, "EntityTooLarge")
    assert absent(s3, bucket)


def test_ecdsa_is_refused_by_name(raw, bucket):
    answer = put(raw, f"/{bucket}/k", payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", make=lambda _: BODY)
    assert answer.told == (501, "NotImplemented")


def test_framing_that_is_not_announced_is_refused(raw, s3, bucket):
    """Stored as it is, the framing would become the object."""
    headers = {"Content-Encoding": "aws-chunked"}
    answer = raw.request("PUT", f"/{bucket}/k", headers=headers, body=chunked(BODY, SIZES, None), payload=UNSIGNED)
    assert answer.told == (400, "InvalidArgument")
    assert absent(s3, bucket)
