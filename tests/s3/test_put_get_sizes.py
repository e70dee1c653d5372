"""PutObject, GetObject and HeadObject of every size at which the layout of the data changes."""

import hashlib
import random

import pytest

NARROW_BYTES = 128 << 10  # up to here an object has one data fragment
STRIPE_BYTES = 2 << 20
EDGES = sorted(
    {0, 1, 2, 4095, 4096, 4097}
    | {edge + delta for edge in (k * NARROW_BYTES for k in (1, 2, 3, 4, 7)) for delta in (-1, 0, 1)}
    | {edge + delta for edge in (k * STRIPE_BYTES for k in (1, 2, 5)) for delta in (-1, 0, 1)}
)


def content(size):
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", EDGES)
def test_bytes_come_back(s3, bucket, size):
    body = content(size)
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"] == etag
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (size, etag)
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert answer["Body"].read() == body
    assert (answer["ContentLength"], answer["ETag"], answer["AcceptRanges"]) == (size, etag, "bytes")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == size
    # A range over each inner edge.
    for edge in range(NARROW_BYTES, size, NARROW_BYTES):
        if edge % STRIPE_BYTES == 0 or edge == NARROW_BYTES or size - edge < NARROW_BYTES:
            part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={edge - 2}-{edge + 1}")["Body"].read()
            assert part == body[edge - 2 : edge + 2]


def test_an_overwrite_replaces_all(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=content(300_000), Metadata={"a": "b"}, ContentType="text/plain")
    s3.put_object(Bucket=bucket, Key="k", Body=b"short")
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert answer["Body"].read() == b"short"
    assert (answer["Metadata"], answer["ContentType"]) == ({}, "binary/octet-stream")


def test_missing_keys(s3, raw, bucket, refused):
    assert refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="none")["Key"] == "none"
    refused("404", 404, s3.head_object, Bucket=bucket, Key="none")
    answer = raw.request("HEAD", f"/{bucket}/none")
    assert (answer.status, answer.body) == (404, b"")
