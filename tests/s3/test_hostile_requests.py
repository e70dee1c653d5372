"""Requests made to break something: refused as S3 refuses, never a 500, never a traceback (see ``surprises``)."""

import random

import pytest
from raw_s3 import UNSIGNED

XML_OPERATIONS = [
    ("POST", "", "delete", "Delete"),
    ("PUT", "", "versioning", "VersioningConfiguration"),
    ("PUT", "/k", "tagging", "Tagging"),
    ("PUT", "", "", "CreateBucketConfiguration"),
    ("PUT", "", "cors", "CORSConfiguration"),
]
_ENTITIES = [b'<!ENTITY %c "%s">' % (98 + number, b"&%c;" % (97 + number) * 10) for number in range(9)]
BOMB = b'<!DOCTYPE lolz [<!ENTITY a "ha">%s]>' % b"".join(_ENTITIES)
DOCUMENTS = {
    "deep": lambda root: b"<%s>" % root + b"<a>" * 5000 + b"</a>" * 5000 + b"</%s>" % root,
    "a bomb of entities": lambda root: BOMB + b"<%s>&j;</%s>" % (root, root),
    "an external entity": lambda root: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><%s>&e;</%s>' % (root, root),
    "an external DTD": lambda root: b'<!DOCTYPE %s SYSTEM "http://127.0.0.1:1/x.dtd"><%s/>' % (root, root),
    "one attribute twice": lambda root: b'<%s a="x" a="y"/>' % root,
    "a long name": lambda root: b"<%s><%s/></%s>" % (root, b"n" * 200_000, root),
    "NUL": lambda root: b"<%s>\0</%s>" % (root, root),
    "no UTF-8": lambda root: b"<%s>\xc3\x28</%s>" % (root, root),
    "UTF-7": lambda root: b'<?xml version="1.0" encoding="UTF-7"?>+ADw-%s+AD4-' % root,
    "UTF-16": lambda root: f'<?xml version="1.0" encoding="UTF-16"?><{root.decode()}/>'.encode("utf-16"),
    "nothing but a declaration": lambda root: b'<?xml version="1.0"?>',
    "a processing instruction": lambda root: b"<?php evil ?><%s" % root,
    "two roots": lambda root: b"<%s/><%s/>" % (root, root),
    "random bytes": lambda root: random.Random(1).randbytes(5000),
}


@pytest.mark.parametrize("name", list(DOCUMENTS))
@pytest.mark.parametrize(("method", "path", "query", "root"), XML_OPERATIONS, ids=[one[3] for one in XML_OPERATIONS])
def test_documents(raw, s3, bucket, new_name, method, path, query, root, name):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    target = f"/{bucket}{path}" if query else f"/{new_name()}"
    answer = raw.request(method, target, query, body=DOCUMENTS[name](root.encode()))
    assert (answer.status, answer.code) in ((400, "MalformedXML"), (501, "NotImplemented")), answer.body[:300]
    assert b"root:" not in answer.body
    s3.head_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("size", [70_000, 1 << 20])
@pytest.mark.parametrize("where", ["header", "path", "query", "many headers"])
def test_a_head_too_large(raw, bucket, where, size):
    sent, _ = raw.headers_for("GET", f"/{bucket}/k")
    target = f"/{bucket}/k"
    match where:
        case "header":
            sent["x-filler"] = "x" * size
        case "path":
            target += "x" * size
        case "query":
            target += "?" + "x" * size
        case "many headers":
            sent |= {f"x-filler-{number}": "y" * 50 for number in range(size // 70)}
    with raw.connect() as wire:
        try:
            wire.head("GET", target, sent)
            answer = wire.answer()
        except ConnectionError:
            assert size > 500_000  # closed while we were still sending: told to nobody, but ended
            return
    assert 400 <= answer.status < 500
    assert answer.xml.tag == "Error"


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA: "])
def test_a_head_without_an_end(raw, beginning):
    with raw.connect() as wire:
        try:
            wire.send(beginning + b"x" * (2 << 20))
            answer = wire.answer()
        except ConnectionError:
            return  # closed while we were still sending
    assert answer.told in ((400, "RequestHeaderSectionTooLarge"), (400, "BadRequest"))


def test_many_query_parameters(raw, bucket):
    answer = raw.request("GET", f"/{bucket}", "&".join(f"p{number}=1" for number in range(2000)))
    assert answer.told == (400, "InvalidRequest")


@pytest.mark.parametrize(
    "query", ["%", "%zz", "a=%", "prefix=%FF", "=x", "&&&&", "list-type=2&list-type=1", "a=b=c", "?", "list-type=3"]
)
def test_odd_queries(raw, bucket, query):
    assert raw.request("GET", f"/{bucket}", query).status in (200, 400, 403)


@pytest.mark.parametrize("path", ["/%", "/%zz", "/a%", "/%00", "/%2e%2e/%2e%2e/etc/passwd", "/a/%", "/\\", "/a\\b/c", "/%C0%AF"])
def test_odd_paths(raw, path):
    answer = raw.request("GET", path)
    assert answer.status in (400, 403, 404)
    assert b"<Error>" in answer.body


RAW_REQUESTS = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100,
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in the path": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "two lengths": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a chunk size that is none": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "an unknown transfer coding": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nxyz",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute address": b"GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade": b"GET /b/k HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/2 upgrade": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", list(RAW_REQUESTS))
def test_odd_http(raw, name):
    with raw.connect() as wire:
        wire.send(RAW_REQUESTS[name])
        wire.finish_sending()
        answer = wire.answer()
    assert 400 <= answer.status < 500, answer
    assert answer.xml.tag == "Error"


def test_who_has_said_all_still_gets_the_answer(raw, server, s3, bucket):
    """A client may close its half of the connection behind the request: the bytes are still on their way from the disks."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 300_000)
    signing = server.client(signature_version="s3v4")
    address = signing.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    target = address.split(str(raw.port), 1)[1]
    with raw.connect() as wire:
        wire.send(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{raw.port}\r\n\r\n".encode())
        wire.finish_sending()
        answer = wire.answer()
    assert (answer.status, len(answer.body)) == (200, 300_000)


def test_a_name_in_every_header(raw, bucket):
    """Values that no header of S3 has, in all of those that are parsed."""
    names = [
        *("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "content-md5", "expires"),
        *("x-amz-checksum-mode", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "x-amz-tagging", "x-amz-acl"),
        *("x-amz-copy-source", "x-amz-copy-source-range", "x-amz-metadata-directive", "x-amz-storage-class"),
        *("x-amz-mp-object-size", "content-encoding", "x-amz-request-payer", "x-amz-mfa"),
        *("x-amz-if-match-size", "x-amz-if-match-last-modified-time", "x-amz-decoded-content-length", "x-amz-trailer"),
        *("x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker", "x-amz-expected-bucket-owner"),
        *("x-amz-bypass-governance-retention", "x-amz-object-lock-retain-until-date"),
    ]
    values = ["", "-1", "9" * 40, "ä", "\x7f", "a,b;c=d", '"', "*", "null", "%00%0d%0a", "NaN", "true", "Thu, 99 Foo 2026"]
    for name in names:
        for number, value in enumerate(values):
            method = ("GET", "PUT", "HEAD", "DELETE")[number % 4]
            query = "attributes" if name in ("x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker") else ""
            answer = raw.request(method if not query else "GET", f"/{bucket}/k", query, {name: value}, payload=UNSIGNED)
            assert answer.status < 500 or answer.status == 501, (method, name, value, answer)


def test_every_number_in_the_query(raw, bucket):
    names = ["max-keys", "max-parts", "max-uploads", "part-number-marker", "partNumber", "versionId", "uploadId", "max-buckets"]
    for name in names:
        for value in ("", "-1", "9" * 40, "1e9", "0x1", "٣", "\0", "null", "1;2", "NaN", " 1", "1.0"):
            for path, more in ((f"/{bucket}", []), (f"/{bucket}", [("uploads", "")]), (f"/{bucket}/k", []), ("/", [])):
                for method in ("GET", "DELETE") if "/k" in path else ("GET",):
                    answer = raw.request(method, path, [(name, value), *more])
                    assert answer.status < 500, (method, path, name, value, answer)
