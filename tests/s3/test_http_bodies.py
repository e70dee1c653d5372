"""Bodies as HTTP carries them: 100-continue, missing and wrong lengths, and what becomes of the connection after a refusal."""

import time

import pytest
from raw_s3 import UNSIGNED

LARGE_BYTES = 8 << 20  # more than a refused request is drained of


def absent(s3, bucket):
    return "Contents" not in s3.list_objects_v2(Bucket=bucket)


def put_head(raw, wire, path, length, **headers):
    sent, _ = raw.headers_for("PUT", path, headers=headers, payload=UNSIGNED)
    wire.head("PUT", path, {**sent, "Content-Length": str(length)})


def test_continue_is_sent_when_the_body_is_wanted(raw, s3, bucket):
    with raw.connect() as wire:
        put_head(raw, wire, f"/{bucket}/k", 5, Expect="100-continue")
        assert wire.read_line() == b"HTTP/1.1 100 Continue\r\n"
        assert wire.read_line() == b"\r\n"
        wire.send(b"hello")
        assert wire.answer("PUT").status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_a_refusal_comes_before_the_body(raw, new_name):
    with raw.connect() as wire:
        put_head(raw, wire, f"/{new_name()}/k", LARGE_BYTES, Expect="100-continue")
        answer = wire.answer("PUT")
        assert answer.told == (404, "NoSuchBucket")
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()


def test_a_false_condition_is_told_with_the_body_read(raw, s3, bucket):
    """Write conditions are decided at the commit point: the client is told after it has sent."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    with raw.connect() as wire:
        put_head(raw, wire, f"/{bucket}/k", 5, **{"If-None-Match": "*"})
        wire.send(b"hello")
        assert wire.answer("PUT").told == (412, "PreconditionFailed")
        sent, _ = raw.headers_for("GET", f"/{bucket}/k")
        wire.head("GET", f"/{bucket}/k", sent)
        assert wire.answer().body == b"old"


def test_after_an_early_refusal_of_a_small_body_the_connection_goes_on(raw, s3, bucket, new_name):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    with raw.connect() as wire:
        put_head(raw, wire, f"/{new_name()}/k", 100_000)
        wire.send(b"x" * 100_000)
        answer = wire.answer("PUT")
        assert answer.told == (404, "NoSuchBucket")
        assert "connection" not in answer.headers
        sent, _ = raw.headers_for("GET", f"/{bucket}/k")
        wire.head("GET", f"/{bucket}/k", sent)
        assert wire.answer().body == b"there"


def test_after_an_early_refusal_of_a_large_body_the_connection_is_closed(raw, new_name):
    with raw.connect() as wire:
        put_head(raw, wire, f"/{new_name()}/k", LARGE_BYTES)
        answer = wire.answer("PUT")
        assert answer.told == (404, "NoSuchBucket")
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()


def test_a_client_that_sends_all_first_still_reads_the_refusal(raw, bucket, new_name):
    """A connection closed with unread bytes is reset, and a reset would take the answer away."""
    body = b"x" * LARGE_BYTES
    assert raw.request("PUT", f"/{new_name()}/k", body=body).told == (404, "NoSuchBucket")
    assert raw.request("PUT", f"/{bucket}/k", body=body, unsigned={"x-amz-meta-a": "b"}).told == (403, "AccessDenied")
    query = "partNumber=1&uploadId=nonsense"
    assert raw.request("PUT", f"/{bucket}/k", query, body=body).told == (404, "NoSuchUpload")


def test_a_head_that_begins_where_a_body_ends(raw, s3, bucket):
    """Pipelined: the second head begins in the packet that ends the first body, and is not charged for it."""
    body = b"x" * 200_000
    heads = []
    for number in (1, 2):
        sent, _ = raw.headers_for("PUT", f"/{bucket}/{number}", payload=UNSIGNED)
        fields = [f"{name}: {value}" for name, value in {**sent, "Content-Length": str(len(body))}.items()]
        heads.append("\r\n".join([f"PUT /{bucket}/{number} HTTP/1.1", *fields, "", ""]).encode())
    with raw.connect() as wire:
        wire.send(heads[0] + body + heads[1][:50])
        assert wire.answer("PUT").status == 200
        wire.send(heads[1][50:] + body)
        assert wire.answer("PUT").status == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_without_a_length(raw, s3, bucket):
    with raw.connect() as wire:
        sent, _ = raw.headers_for("PUT", f"/{bucket}/k", payload=UNSIGNED)
        wire.head("PUT", f"/{bucket}/k", sent)
        assert wire.answer("PUT").told == (411, "MissingContentLength")
    with raw.connect() as wire:
        wire.head("PUT", f"/{bucket}/k", {**sent, "Transfer-Encoding": "chunked"})
        wire.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert wire.answer("PUT").told == (411, "MissingContentLength")
    assert absent(s3, bucket)


def upload_of(s3, bucket):
    return s3.create_multipart_upload(Bucket=bucket, Key="part")["UploadId"]


@pytest.mark.parametrize("sent_bytes", [0, 1, 200_000, 1_500_000])
def test_a_client_that_goes_away_leaves_nothing(raw, s3, bucket, sent_bytes):
    upload = upload_of(s3, bucket)
    query = f"?partNumber=1&uploadId={upload}"
    for path, more in ((f"/{bucket}/k", ""), (f"/{bucket}/part", query)):
        with raw.connect() as wire:
            sent, _ = raw.headers_for("PUT", path, more[1:], payload=UNSIGNED)
            wire.head("PUT", path + more, {**sent, "Content-Length": "2000000"})
            wire.send(b"x" * sent_bytes)
    # Another request through the same processes: whatever the broken ones did, they did before.
    s3.put_object(Bucket=bucket, Key="after", Body=b"x")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["after"]
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="part", UploadId=upload)


def test_a_body_behind_its_length_is_another_request(raw, s3, bucket):
    with raw.connect() as wire:
        put_head(raw, wire, f"/{bucket}/k", 5)
        wire.send(b"hello")
        assert wire.answer("PUT").status == 200
        wire.send(b" and more\r\n\r\n")
        assert wire.answer().told == (400, "BadRequest")
        assert wire.is_closed()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


@pytest.mark.parametrize("length", ["-1", "", "abc", "1e3", "5, 6"])
def test_lengths_that_are_none(raw, s3, bucket, length):
    with raw.connect() as wire:
        sent, _ = raw.headers_for("PUT", f"/{bucket}/k", payload=UNSIGNED)
        wire.head("PUT", f"/{bucket}/k", {**sent, "Content-Length": length})
        assert wire.answer("PUT").told == (400, "BadRequest")
        assert wire.is_closed()
    assert absent(s3, bucket)


def test_length_and_chunks_together_are_refused(raw, s3, bucket):
    """Two lengths are two readings: the beginning of request smuggling."""
    with raw.connect() as wire:
        sent, _ = raw.headers_for("PUT", f"/{bucket}/k", payload=UNSIGNED)
        wire.head("PUT", f"/{bucket}/k", {**sent, "Content-Length": "5", "Transfer-Encoding": "chunked"})
        wire.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert wire.answer("PUT").status == 400
        assert wire.is_closed()
    assert absent(s3, bucket)


def test_more_than_one_put_can_hold(raw, s3, bucket):
    with raw.connect() as wire:
        put_head(raw, wire, f"/{bucket}/k", 5 * 1024**3 + 1, Expect="100-continue")
        answer = wire.answer("PUT")
        assert answer.told == (400, "EntityTooLarge")
        assert answer.error["MaxSizeAllowed"] == str(5 * 1024**3)
    assert absent(s3, bucket)


def test_a_body_in_drops(raw, s3, bucket):
    body = bytes(range(200))
    with raw.connect() as wire:
        put_head(raw, wire, f"/{bucket}/k", len(body))
        for start in range(0, len(body), 7):
            wire.send(body[start : start + 7])
            time.sleep(0)
        assert wire.answer("PUT").status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_many_requests_on_one_connection(raw, bucket):
    with raw.connect() as wire:
        for number in range(20):
            body = b"%d" % number * number
            put_head(raw, wire, f"/{bucket}/k", len(body))
            wire.send(body)
            assert wire.answer("PUT").status == 200
            sent, _ = raw.headers_for("GET", f"/{bucket}/k")
            wire.head("GET", f"/{bucket}/k", sent)
            assert wire.answer().body == body


def test_pipelined_requests_are_answered_in_order(raw, s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"%d" % number)
    with raw.connect() as wire:
        for number in range(5):
            sent, _ = raw.headers_for("GET", f"/{bucket}/k{number}")
            wire.head("GET", f"/{bucket}/k{number}", sent)
        stream = wire.socket.makefile("rb")
        bodies = []
        for _ in range(5):
            length = 0
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            bodies.append(stream.read(length))
        assert bodies == [b"0", b"1", b"2", b"3", b"4"]
