"""What boto3's client really puts on the wire is accepted: every operation here is caught just before it is sent."""

import io
from datetime import UTC, datetime

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from dolmen.gateway.auth.sigv4 import STREAMING_UNSIGNED_TRAILER, UNSIGNED_PAYLOAD
from dolmen.gateway.s3.chunked import body_decoder
from dolmen.gateway.s3.names import address

KEY = "dir //../a+b (c)@é%2F*'!~&=?#;:,$.txt"


@pytest.fixture
def client(signing, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    def make(endpoint, style="path", **config):
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=signing.REGION,
            aws_access_key_id=signing.ACCESS_KEY,
            aws_secret_access_key=signing.SECRET,
            config=Config(s3={"addressing_style": style}, signature_version="s3v4", retries={"max_attempts": 1}, **config),
        )

    return make


def _now_us():
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def _caught(signing, client, operation, **arguments):
    """(request as received, its body) of one call."""
    caught = []

    def send(request, **_):
        body = request.body
        caught.append((request, body.read() if hasattr(body, "read") else body or b""))
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send.s3", send)
    with pytest.raises(Exception):  # noqa: B017 - no answer is a good one here
        getattr(client, operation)(**arguments)
    request, body = caught[0]
    headers = [(name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in request.headers.items()]
    return signing.as_received(request.method, request.url, headers), body


CALLS = {
    "list_buckets": {},
    "create_bucket": {"Bucket": "bucket", "CreateBucketConfiguration": {"LocationConstraint": "eu-dolmen-1"}},
    "list_objects_v2": {"Bucket": "bucket", "Prefix": "a b/ü+", "Delimiter": "/", "StartAfter": KEY, "MaxKeys": 7},
    "list_object_versions": {"Bucket": "bucket", "KeyMarker": KEY, "VersionIdMarker": "null"},
    "put_object": {
        "Bucket": "bucket", "Key": KEY, "Body": b"abc", "Metadata": {"a": "x  y", "B": " z "}, "ContentType": "text/plain",
        "Tagging": "k=v&k2=v%202", "ACL": "private", "IfNoneMatch": "*",
    },
    "get_object": {"Bucket": "bucket", "Key": KEY, "Range": "bytes=0-1", "ResponseContentDisposition": 'a; filename="a b"'},
    "head_object": {"Bucket": "bucket", "Key": KEY, "VersionId": "a.b_c", "IfMatch": '"abc"'},
    "delete_objects": {"Bucket": "bucket", "Delete": {"Objects": [{"Key": KEY}]}},
    "copy_object": {"Bucket": "bucket", "Key": KEY, "CopySource": {"Bucket": "other", "Key": KEY, "VersionId": "v"}},
    "upload_part": {"Bucket": "bucket", "Key": KEY, "UploadId": "a+b/c=", "PartNumber": 3, "Body": b"part"},
    "get_bucket_lifecycle_configuration": {"Bucket": "bucket"},
}  # fmt: skip


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_calls(signing, client, operation, style):
    request, _ = _caught(signing, client("http://s3.example.com:9000", style), operation, **CALLS[operation])
    signed = signing.authenticate(request, _now_us(), signing.REGION)
    assert (signed.access_key_id, signed.region, signed.presigned) == (signing.ACCESS_KEY, signing.REGION, False)
    bucket, key = address(request.headers["host"], request.raw_path, frozenset({"s3.example.com"}))
    assert bucket == (None if operation == "list_buckets" else "bucket")
    assert key == (KEY.encode() if "Key" in CALLS[operation] else None)


@pytest.mark.parametrize("operation", ["put_object", "get_object", "upload_part", "head_object", "list_objects_v2"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_presigned_urls(signing, client, operation, style):
    arguments = {name: value for name, value in CALLS[operation].items() if name != "Body"}
    made = client("https://s3.example.com", style)
    url = made.generate_presigned_url(operation, Params=arguments, ExpiresIn=60)
    method = made.meta.service_model.operation_model(made.meta.method_to_api_mapping[operation]).http["method"]
    signed_headers = {"put_object": [("content-type", "text/plain"), ("if-none-match", "*")]}.get(operation, [])
    if operation == "put_object":
        signed_headers += [("x-amz-meta-a", "x  y"), ("x-amz-meta-B", " z ")]
        signed_headers += [("x-amz-tagging", "k=v&k2=v%202"), ("x-amz-acl", "private")]
    signed_headers += {"get_object": [("range", "bytes=0-1")], "head_object": [("if-match", '"abc"')]}.get(operation, [])
    wanted = url.partition("X-Amz-SignedHeaders=")[2].partition("&")[0].split("%3B")
    request = signing.as_received(method, url, [pair for pair in signed_headers if pair[0].lower() in wanted])
    signed = signing.authenticate(request, _now_us(), signing.REGION)
    assert (signed.presigned, signed.payload_hash) == (True, UNSIGNED_PAYLOAD)


@pytest.mark.parametrize("size", [0, 1, 70_000, 1 << 20 | 1])
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_bodies_with_trailers(signing, client, size, algorithm):
    data = bytes(index * 7 % 251 for index in range(size))
    request, body = _caught(
        signing, client("https://s3.example.com"), "put_object",
        Bucket="bucket", Key=KEY, Body=io.BytesIO(data), ChecksumAlgorithm=algorithm,
    )  # fmt: skip
    signed = signing.authenticate(request, _now_us(), signing.REGION)
    assert signed.payload_hash == STREAMING_UNSIGNED_TRAILER
    decoder = body_decoder(signed, request.headers)
    decoded = b"".join(bytes(piece) for start in range(0, len(body), 65536) for piece in decoder.feed(body[start : start + 65536]))
    trailers = decoder.finish()
    assert decoded == data
    assert list(trailers) == [f"x-amz-checksum-{algorithm.lower()}"]
