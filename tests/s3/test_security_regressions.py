"""Attacks that other stores have fallen to: none of them may do, tell or store anything here."""

import hashlib
import time
from urllib.parse import quote

import pytest
from dev_server import ALICE, DOMAIN, ROOT
from raw_s3 import STREAMING, STREAMING_TRAILER, UNSIGNED_TRAILER, RawS3, chunked, encoded, timestamp

from dolmen.gateway.s3.operations import OPERATIONS

PATIENCE_SECONDS = 20.0  # a truncated body is refused at once; an endless loop would take the minute of the socket
UNSIGNED_HEADERS = {
    "x-amz-copy-source": "/{bucket}/secret",
    "x-amz-acl": "public-read",
    "x-amz-grant-full-control": "uri=http://acs.amazonaws.com/groups/global/AllUsers",
    "x-amz-tagging": "project=x",
    "x-amz-meta-owner": "mallory",
    "x-amz-storage-class": "GLACIER",
    "x-amz-website-redirect-location": "http://evil.example/",
    "x-amz-server-side-encryption": "AES256",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-bypass-governance-retention": "true",
    "x-amz-security-token": "stolen",
    "x-amz-mfa": "serial 123456",
    "x-amz-checksum-crc32": "AAAAAA==",
    "x-amz-expected-bucket-owner": "1",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "x-amz-future": "anything",
}


@pytest.fixture
def secret(s3, bucket):
    s3.put_object(Bucket=bucket, Key="secret", Body=b"the secret bytes")
    return bucket


def keys_in(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


def bare(raw, extra=None):
    return {"Host": raw.host_header, **(extra or {})}


# -- headers that nobody signed (CVE-2026-71191) -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNSIGNED_HEADERS)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE", "POST"])
def test_unsigned_headers(raw, s3, secret, name, method):
    value = UNSIGNED_HEADERS[name].format(bucket=secret)
    path = f"/{secret}/new" if method == "PUT" else f"/{secret}/secret"
    body = b"" if method in ("PUT", "POST") else None
    sent, _ = raw.headers_for(method, path)
    query = raw.presigned(method, path)
    for answer in (
        raw.send(method, path, "", {**sent, name: value}, body),
        raw.send(method, path, query, bare(raw, {name: value}), body),
        # In another case, and with blanks: the parser takes it for the same header.
        raw.send(method, path, query, bare(raw, {name.title(): f"  {value}  "}), body),
    ):
        assert answer.told == (403, "AccessDenied")
        assert answer.error["HeadersNotSigned"] == name
    assert keys_in(s3, secret) == ["secret"]


def test_a_header_that_only_a_comma_away_is_signed(raw, s3, secret):
    """A second value behind a signed header changes what was signed."""
    sent, _ = raw.headers_for("PUT", f"/{secret}/new", headers={"x-amz-meta-a": "1"})
    with raw.connect() as wire:
        lines = [f"PUT /{secret}/new HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        wire.send("\r\n".join([*lines, "x-amz-meta-a: 2", "Content-Length: 0", "", ""]).encode())
        assert wire.answer("PUT").told == (403, "SignatureDoesNotMatch")
    assert keys_in(s3, secret) == ["secret"]


@pytest.mark.parametrize("name", ["x_amz_copy_source", "x-amz_copy-source", "x-amz-copy_source", "X_AMZ_ACL", "content_type"])
def test_underscores_are_no_hyphens(raw, s3, secret, name):
    """Servers behind CGI read both as one name; here it is another header, which says nothing."""
    answer = raw.request("PUT", f"/{secret}/new", body=b"mine", unsigned={name: f"/{secret}/secret"})
    if name.lower().startswith("x-amz-"):
        assert answer.told == (403, "AccessDenied")
        return
    assert answer.status == 200
    found = s3.get_object(Bucket=secret, Key="new")
    assert (found["Body"].read(), found["ContentType"]) == (b"mine", "binary/octet-stream")


# -- one request that two parsers read as two --------------------------------------------------------------------------------

SMUGGLED = {
    "two lengths": "Content-Length: 5\r\nContent-Length: 6",
    "two lengths in one": "Content-Length: 5, 6",
    "equal lengths in one": "Content-Length: 5, 5",
    "a length with a sign": "Content-Length: +5",
    "a negative length": "Content-Length: -5",
    "a hexadecimal length": "Content-Length: 0x5",
    "a length with a blank": "Content-Length: 5 5",
    "length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "two codings": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "chunked is not the last": "Transfer-Encoding: chunked, gzip",
    "an unknown coding": "Transfer-Encoding: xchunked",
    "identity": "Transfer-Encoding: identity\r\nContent-Length: 5",
    "a blank before the colon": "Transfer-Encoding : chunked\r\nContent-Length: 5",
    "a vertical tab": "Transfer-Encoding: \x0bchunked\r\nContent-Length: 5",
    "a folded line": "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5",
    "a folded header": "X-A: b\r\n\tContent-Length: 99\r\nContent-Length: 5",
    "a bare line feed": "X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    "a bare carriage return": "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5",
    "a NUL": "X-A: b\0\r\nContent-Length: 5",
    "two hosts": "Host: other\r\nContent-Length: 5",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_ambiguous_framing(raw, s3, bucket, name):
    """Refused, or read in the one way that RFC 9112 has; the request that hides in the body is never answered."""
    sent, _ = raw.headers_for("PUT", f"/{bucket}/outer")
    hidden = f"GET /{bucket}/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    with raw.connect() as wire:
        lines = [f"PUT /{bucket}/outer HTTP/1.1", *(f"{one}: {value}" for one, value in sent.items()), SMUGGLED[name], "", ""]
        wire.send("\r\n".join(lines).encode() + b"0\r\n\r\n" + hidden.encode())
        wire.finish_sending()
        answer = wire.answer("PUT")
        assert 400 <= answer.status < 500, answer
        assert answer.xml.tag == "Error"
        assert b"hidden" not in answer.body
        assert wire.is_closed()
    assert keys_in(s3, bucket) == []


def test_a_second_host_is_refused(raw, s3, bucket):
    """Which bucket would it be for?"""
    sent, _ = raw.headers_for("GET", f"/{bucket}")
    with raw.connect() as wire:
        lines = [f"GET /{bucket} HTTP/1.1", f"Host: other.{DOMAIN}", *(f"{one}: {value}" for one, value in sent.items()), "", ""]
        wire.send("\r\n".join(lines).encode())
        answer = wire.answer()
        assert answer.status == 400
        assert wire.is_closed()


@pytest.mark.parametrize("size", ["-1", "+5", "0x5", "5 ", "ffffffffffffffffff", "", " ", "5;a=\n", "G"])
def test_chunk_sizes_that_are_none(raw, s3, bucket, size):
    sent, _ = raw.headers_for("PUT", f"/{bucket}/k", headers={"x-amz-decoded-content-length": "5"}, payload=UNSIGNED_TRAILER)
    with raw.connect() as wire:
        lines = [f"PUT /{bucket}/k HTTP/1.1", *(f"{one}: {value}" for one, value in sent.items())]
        lines += ["Transfer-Encoding: chunked", "", ""]
        wire.send("\r\n".join(lines).encode() + f"{size}\r\nhello\r\n0\r\n\r\n".encode())
        wire.finish_sending()
        answer = wire.answer("PUT")
    assert 400 <= answer.status < 500
    assert keys_in(s3, bucket) == []


# -- streaming bodies that end too early -------------------------------------------------------------------------------------

KINDS = {"signed": STREAMING, "signed trailer": STREAMING_TRAILER, "unsigned trailer": UNSIGNED_TRAILER}
DATA = b"x" * 20_000
PLACES = [
    *("nothing", "in a size", "behind a size", "in the data", "between chunks"),
    *("before the last chunk", "before the trailer", "in the trailer"),
]


def truncated(body, place):
    second = body.index(b"\r\n", body.index(b"\r\n") + 2 + 16_384 + 1) + 2  # begin of the second chunk's line
    last = body.rindex(b"\r\n0") + 2
    trailer = body.index(b"\r\n", last) + 2
    return body[
        : {
            "nothing": 0, "in a size": 2, "behind a size": body.index(b"\r\n") + 2, "in the data": 5000, "between chunks": second,
            "before the last chunk": last, "before the trailer": trailer, "in the trailer": max(trailer, len(body) - 10),
        }[place]
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("declared", ["as sent", "as promised"])
def test_truncated_bodies_end(raw, s3, bucket, kind, place, declared):
    """Whether the client says a shorter length or goes away: an error soon, no loop, nothing stored."""
    trailers = {} if kind == "signed" else {"x-amz-checksum-crc32": "AAAAAA=="}
    headers = {"x-amz-decoded-content-length": str(len(DATA)), "Content-Encoding": "aws-chunked"}
    if trailers:
        headers["x-amz-trailer"] = ",".join(trailers)
    sent, signature = raw.headers_for("PUT", f"/{bucket}/k", headers=headers, payload=KINDS[kind])
    body = chunked(DATA, [16_384], None if kind.startswith("unsigned") else signature, trailers)
    cut = truncated(body, place)
    length = len(cut) if declared == "as sent" else len(body)
    began = time.monotonic()
    with raw.connect() as wire:
        wire.socket.settimeout(PATIENCE_SECONDS)
        wire.head("PUT", f"/{bucket}/k", {**sent, "Content-Length": str(length)})
        wire.send(cut)
        if declared == "as sent":
            answer = wire.answer("PUT")
            assert 400 <= answer.status < 500, answer
        else:
            wire.finish_sending()
            while wire.socket.recv(65536):
                pass
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert keys_in(s3, bucket) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_declared_length_does_not_end_a_body(raw, s3, bucket, kind):
    """The last chunk ends it: without it the data that came is not an object."""
    headers = {"x-amz-decoded-content-length": "16384", "Content-Encoding": "aws-chunked"}
    sent, signature = raw.headers_for("PUT", f"/{bucket}/k", headers=headers, payload=KINDS[kind])
    body = chunked(b"x" * 16_384, [16_384], None if kind.startswith("unsigned") else signature)
    body = body[: body.rindex(b"\r\n0")]
    answer = raw.send("PUT", f"/{bucket}/k", "", sent, body)
    assert answer.told in ((400, "IncompleteBody"), (400, "MalformedTrailerError"))
    assert keys_in(s3, bucket) == []


# -- XML ---------------------------------------------------------------------------------------------------------------------

XML_OPERATIONS = sorted(name for name, one in OPERATIONS.items() if one.body == "xml" and one.routed and name != "PutBucketPolicy")
MARK = b"root:x:0:0"


def entity_bomb(root):
    entities = b"".join(b'<!ENTITY e%d "%s">' % (number, b"&e%d;" % (number - 1) * 10) for number in range(1, 12))
    return b'<!DOCTYPE %s [<!ENTITY e0 "ha">%s]><%s><a>&e11;</a></%s>' % (root, entities, root, root)


PASSWORDS = b'<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
DOCUMENTS = {
    "an external entity": lambda root: PASSWORDS + b"<%s><a>&x;</a></%s>" % (root, root),
    "a parameter entity": lambda root: b'<!DOCTYPE %s [<!ENTITY %% x SYSTEM "http://127.0.0.1:1/x">%%x;]><%s/>' % (root, root),
    "an external DTD": lambda root: b'<!DOCTYPE %s SYSTEM "http://127.0.0.1:1/x.dtd"><%s/>' % (root, root),
    "a bomb": entity_bomb,
    "one long entity": lambda root: b'<!DOCTYPE x [<!ENTITY x "%s">]><%s>%s</%s>' % (b"y" * 50_000, root, b"&x;" * 2000, root),
    "in UTF-16": lambda root: (PASSWORDS + b"<%s>&x;</%s>" % (root, root)).decode().encode("utf-16"),
    "XInclude": lambda root: b'<%s xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="/etc/passwd" parse="text"/>' % root,
    "depth": lambda root: b"<%s>%s%s</%s>" % (root, b"<a>" * 3000, b"</a>" * 3000, root),
    "breadth": lambda root: b"<%s>%s</%s>" % (root, b"<a/>" * 260_000, root),
}


def _query(operation, root):
    values = {"id": "x", "uploadId": "u", "select-type": "2"}
    pairs = [text.partition("=")[::2] for text in operation.query]
    return "&".join(f"{name}={value or values.get(name, '')}" for name, value in pairs)


@pytest.mark.parametrize("name", XML_OPERATIONS)
def test_documents(raw, secret, name):
    """No entity is expanded, no file read, no address asked, in no operation; and each is refused at once."""
    operation = OPERATIONS[name]
    root = (operation.body_root or operation.name).encode()
    path = f"/{secret}/secret" if operation.level == "object" else f"/{secret}"
    for what, document in DOCUMENTS.items():
        began = time.monotonic()
        answer = raw.request(operation.method, path, _query(operation, root), body=document(root))
        assert 400 <= answer.status < 500 or answer.status == 501, (what, answer)
        assert answer.xml.tag == "Error"
        assert MARK not in answer.body
        assert b"haha" not in answer.body
        assert time.monotonic() - began < PATIENCE_SECONDS, what


@pytest.mark.parametrize("name", [name for name in XML_OPERATIONS if name not in ("DeleteObjects", "CompleteMultipartUpload")])
def test_documents_that_are_too_long(raw, secret, name):
    operation = OPERATIONS[name]
    path = f"/{secret}/secret" if operation.level == "object" else f"/{secret}"
    body = b"<a>" + b" " * (9 << 20) + b"</a>"
    answer = raw.request(operation.method, path, _query(operation, b"a"), body=body)
    assert answer.status in (400, 404, 405, 501), answer
    assert len(answer.body) < 10_000


# -- line ends that would become headers -------------------------------------------------------------------------------------

SPLIT = "a\r\nX-Evil: 1\r\n\r\n<script>"


@pytest.mark.parametrize(
    "name",
    ["response-content-type", "response-content-disposition", "response-content-language", "response-cache-control",
     "response-expires", "response-content-encoding"],
)  # fmt: skip
@pytest.mark.parametrize("value", [SPLIT, "a\nX-Evil: 1", "a\rX-Evil: 1", "a\0b"])
def test_overrides_split_nothing(raw, secret, name, value):
    for answer in (
        raw.request("GET", f"/{secret}/secret", [(name, value)]),
        raw.send("GET", f"/{secret}/secret", raw.presigned("GET", f"/{secret}/secret", [(name, value)]), bare(raw), None),
    ):
        assert "x-evil" not in answer.headers
        assert answer.status in (200, 400)
        if answer.status == 200:
            assert answer.body == b"the secret bytes"


@pytest.mark.parametrize("name", ["x-amz-meta-a", "X-Amz-Meta-B", "x-amz-website-redirect-location", "x-amz-tagging"])
@pytest.mark.parametrize("value", [SPLIT, "a\nb", "a\0b", "a\x7fb"])
def test_metadata_of_a_presigned_url_splits_nothing(raw, s3, bucket, name, value):
    query = raw.presigned("PUT", f"/{bucket}/k", [(name, value)])
    answer = raw.send("PUT", f"/{bucket}/k", query, bare(raw), b"x")
    assert answer.told == (400, "InvalidArgument")
    assert keys_in(s3, bucket) == []


@pytest.mark.parametrize("what", ["key", "bucket", "query", "upload"])
def test_errors_split_nothing(raw, bucket, what):
    target = {
        "key": (f"/{bucket}/{quote(SPLIT)}", ""),
        "bucket": (f"/{quote(SPLIT)}", ""),
        "query": (f"/{bucket}", f"max-keys={encoded(SPLIT)}"),
        "upload": (f"/{bucket}/k", f"uploadId={encoded(SPLIT)}"),
    }[what]
    answer = raw.request("GET", *target)
    assert 400 <= answer.status < 500
    assert "x-evil" not in answer.headers
    assert b"<script>" not in answer.body


# -- paths -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/{b}/../{o}/secret", "/{b}/%2e%2e/{o}/secret", "/{b}/..%2f{o}%2fsecret", "/{b}//../{o}/secret", "/{b}%2f..%2f{o}/secret",
     "/./{o}/secret", "//{o}/secret", "/{b}/%00/../../{o}/secret", "/{b};/{o}/secret", "/{b}%00/secret", "/{b}/..%5c{o}%5csecret",
     "/{b}/..%252f{o}%252fsecret", "/%2e%2e/{o}/secret", "/{b}/.%2e/{o}/secret"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_paths_do_not_leave_their_bucket(server, s3, alice, new_name, path, method):
    """alice owns ``b``; whatever she writes behind it, ``o`` belongs to somebody else."""
    own, other = new_name(), new_name()
    alice.create_bucket(Bucket=own)
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="secret", Body=b"the secret bytes")
    answer = RawS3(server.port, ALICE).request(method, path.format(b=own, o=other), body=b"mine" if method == "PUT" else None)
    assert b"the secret bytes" not in answer.body
    assert keys_in(s3, other) == ["secret"]
    assert s3.get_object(Bucket=other, Key="secret")["Body"].read() == b"the secret bytes"
    if method == "PUT" and answer.status == 200:  # the dots are part of a key of her own
        assert len(keys_in(alice, own)) == 1


@pytest.mark.parametrize("key", ["..", ".", "../x", "a/../b", "a//b", "//", "%2e%2e", "a%2Fb", "a\\..\\b", "..%00"])
def test_dots_and_slashes_are_bytes_of_a_key(raw, s3, bucket, key):
    path = f"/{bucket}/{quote(key, safe='')}"
    assert raw.request("PUT", path, body=key.encode()).status == 200
    assert keys_in(s3, bucket) == [key]
    assert raw.request("GET", path).body == key.encode()


# -- presigned URLs for something else ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        *("method", "key", "bucket", "version", "host", "response", "expires"),
        *("date", "region", "signed headers", "acl", "range signed", "hash"),
    ],
)
def test_a_presigned_url_is_good_for_what_it_says(raw, s3, secret, new_name, what):
    path, method, host = f"/{secret}/secret", "GET", None
    headers = {"range": "bytes=0-2"} if what == "range signed" else {}
    query = raw.presigned(method, path, [("response-content-type", "text/plain")], headers)
    assert raw.send(method, path, query, bare(raw, headers), None).status in (200, 206)
    match what:
        case "method":
            method = "DELETE"
        case "key":
            path = f"/{secret}/other"
        case "bucket":
            other = new_name()
            s3.create_bucket(Bucket=other)
            s3.put_object(Bucket=other, Key="secret", Body=b"another secret")
            path = f"/{other}/secret"
        case "version":
            query += "&versionId=null"
        case "host":
            host, path = f"{secret}.{DOMAIN}", "/secret"
        case "response":
            query = query.replace("text%2Fplain", "text%2Fhtml")
        case "expires":
            query = query.replace("X-Amz-Expires=900", "X-Amz-Expires=604800")
        case "date":
            query = query.replace("X-Amz-Date=2", "X-Amz-Date=1")
        case "region":
            query = query.replace("us-east-1", "us-west-1")
        case "signed headers":
            query = query.replace("SignedHeaders=host", "SignedHeaders=host%3Brange")
        case "acl":
            query += "&acl"
        case "range signed":
            headers = {"range": "bytes=0-"}
        case "hash":
            query += "&X-Amz-Content-Sha256=" + hashlib.sha256(b"").hexdigest()
    sent = bare(raw, headers)
    answer = raw.send(method, path, query, {**sent, "Host": host} if host else sent, None)
    assert answer.status in (400, 403), answer
    assert answer.code in ("SignatureDoesNotMatch", "AuthorizationQueryParametersError")
    assert b"the secret bytes" not in answer.body
    assert keys_in(s3, secret) == ["secret"]


def test_a_presigned_put_is_good_for_its_headers(raw, s3, bucket):
    headers = {"content-type": "text/plain", "x-amz-meta-a": "b", "content-length": "4"}
    query = raw.presigned("PUT", f"/{bucket}/k", headers=headers)
    for changed in ({"content-type": "text/html"}, {"x-amz-meta-a": "c"}, {"content-length": "5"}):
        body = b"x" * int({**headers, **changed}["content-length"])
        answer = raw.send("PUT", f"/{bucket}/k", query, bare(raw, {**headers, **changed}), body)
        assert answer.told == (403, "SignatureDoesNotMatch")
    assert keys_in(s3, bucket) == []
    assert raw.send("PUT", f"/{bucket}/k", query, bare(raw, headers), b"data").status == 200


@pytest.mark.parametrize(
    ("offset", "message"),
    [(-1000, "Request has expired"), (-10_000, "Request has expired"), (1000, "Request is not valid yet")],
)
def test_at_another_time(raw, secret, offset, message):
    query = raw.presigned("GET", f"/{secret}/secret", when=timestamp(offset), expires_seconds=900)
    answer = raw.send("GET", f"/{secret}/secret", query, bare(raw), None)
    assert answer.told == (403, "AccessDenied")
    assert answer.error["Message"] == message
    assert b"the secret bytes" not in answer.body


def test_a_signature_of_another_secret_tells_no_secret(server, secret):
    answer = RawS3(server.port, (ROOT[0], "wrong-secret-of-the-tests")).request("GET", f"/{secret}/secret")
    assert answer.told == (403, "SignatureDoesNotMatch")
    for hidden in (ROOT[1], ALICE[1], "wrong-secret-of-the-tests"):
        assert hidden.encode() not in answer.body
    # What would have been right is not told either: only what was to be signed, and what was provided.
    assert {"SignatureProvided", "StringToSign"} <= answer.error.keys()
    assert "SignatureExpected" not in answer.error
