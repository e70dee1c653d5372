"""The examples that AWS publishes, with its keys, dates and signatures.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import hashlib
from datetime import UTC, datetime

import pytest

from dolmen.gateway.auth.chunk_signature import ChunkSigner
from dolmen.gateway.auth.sigv4 import SignedRequest, claim_request, signing_key, verify

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW_US = int(datetime(2013, 5, 24, tzinfo=UTC).timestamp()) * 1_000_000
EMPTY = hashlib.sha256(b"").hexdigest()
DATE = ("x-amz-date", "20130524T000000Z")
HOST = ("host", "examplebucket.s3.amazonaws.com")
SCOPE = "20130524/us-east-1/s3/aws4_request"


def authenticated(request):
    return verify(request, claim_request(request, NOW_US, "us-east-1"), SECRET)


HEADER_EXAMPLES = {
    "get object": (
        "GET", "/test.txt", "", [HOST, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), DATE],
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put object": (
        "PUT", "/test%24file.text", "",
        [
            HOST,
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()),
        ],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "put object, path not encoded": (
        "PUT", "/test$file.text", "",
        [
            HOST,
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            DATE,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()),
        ],
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get lifecycle": (
        "GET", "/", "lifecycle", [HOST, ("x-amz-content-sha256", EMPTY), DATE],
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list objects": (
        "GET", "/", "max-keys=2&prefix=J", [HOST, ("x-amz-content-sha256", EMPTY), DATE],
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "streaming seed": (
        "PUT", "/examplebucket/chunkObject.txt", "",
        [
            ("host", "s3.amazonaws.com"), DATE, ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"), ("content-length", "66824"),
        ],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
    "streaming seed with trailer": (
        "PUT", "/examplebucket/chunkObject.txt", "",
        [
            ("host", "s3.amazonaws.com"), DATE, ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"), ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADER_EXAMPLES)
def test_header_examples(name):
    method, path, query, headers, signed_headers, signature = HEADER_EXAMPLES[name]
    authorization = f"AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE},SignedHeaders={signed_headers},Signature={signature}"
    raw = [(header.encode(), value.encode()) for header, value in headers]
    request = SignedRequest(method, path.encode(), query.encode(), {**dict(headers), "authorization": authorization}, raw)
    signed = authenticated(request)
    assert (signed.access_key_id, signed.region, signed.service) == (KEY, "us-east-1", "s3")
    assert (signed.signature, signed.scope, signed.timestamp, signed.presigned) == (signature, SCOPE, DATE[1], False)
    assert signed.signed_headers == tuple(signed_headers.split(";"))
    assert signed.payload_hash == dict(headers)["x-amz-content-sha256"]


def test_presigned_example():
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = SignedRequest("GET", b"/test.txt", query.encode(), dict([HOST]), [(b"host", HOST[1].encode())])
    signed = authenticated(request)
    assert (signed.presigned, signed.payload_hash, signed.access_key_id) == (True, "UNSIGNED-PAYLOAD", KEY)


def _signer(seed):
    return ChunkSigner(signing_key(SECRET, "20130524", "us-east-1", "s3"), DATE[1], SCOPE, seed)


def test_chunk_example():
    signer = _signer("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
    for size, signature in (
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ):
        signer.check_chunk(hashlib.sha256(b"a" * size).hexdigest(), signature)


def test_trailer_example():
    signer = _signer("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
    for size, signature in (
        (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ):
        signer.check_chunk(hashlib.sha256(b"a" * size).hexdigest(), signature)
    signer.check_trailer(
        {"x-amz-checksum-crc32c": "sOO8/Q=="}, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    )
