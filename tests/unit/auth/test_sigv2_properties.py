"""Whatever botocore signs with Version 2 is accepted; whatever was changed behind its back is not."""

import contextlib
import email.utils
from unittest import mock
from urllib.parse import unquote_to_bytes

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode, percent_encode_sequence
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = "aZ09-._~ +@()!*'/%&=?#;:,$[]{}<>^`|\\\"éß漢😀"
KEYS = st.text(st.sampled_from(ODD), min_size=1, max_size=20)
SIGNED = ["versionId", "uploadId", "partNumber", "acl", "tagging", "response-content-type", "response-expires", "uploads"]
UNSIGNED = ["prefix", "marker", "list-type", "attributes", "x-id", "päram"]
TEXTS = st.text(st.sampled_from(ODD), min_size=1, max_size=10)
VALUES = st.text(st.sampled_from("ab,;=\"'(){}/+%~"), min_size=1, max_size=12)
HEADERS = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "X-Amz-Meta-B", "x-amz-acl", "Content-Type", "Content-MD5", "Range", "x-amz-copy-source"]),
    VALUES,
    max_size=5,
)
METHODS = st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"])


def queries(names):
    return st.dictionaries(st.sampled_from(names), TEXTS, max_size=3)


def url_of(signing, key, query):
    path = percent_encode(key, safe="/~")
    return f"http://{signing.HOST}/bucket/{path}" + (f"?{percent_encode_sequence(query)}" if query else "")


def signed(signing, method, url, headers, *, presigned=False, secret=None):
    """The request as it arrives, signed by botocore."""
    credentials = Credentials(signing.ACCESS_KEY, secret or signing.SECRET)
    date = email.utils.format_datetime(signing.NOW, usegmt=True)
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    with mock.patch("botocore.auth.formatdate", return_value=date), mock.patch("time.time", return_value=signing.NOW.timestamp()):
        if presigned:
            botocore.auth.HmacV1QueryAuth(credentials, expires=60).add_auth(request)
            return signing.as_received(method, request.url, list(headers.items()))
        botocore.auth.HmacV1Auth(credentials).add_auth(request)
    return signing.as_received(method, request.url, list(request.headers.items()))


@EXAMPLES
@given(method=METHODS, key=KEYS, query=queries(SIGNED + UNSIGNED), headers=HEADERS)
def test_signed_by_header(signing, method, key, query, headers):
    request = signed(signing, method, url_of(signing, key, query), headers)
    found = signing.authenticate(request, sigv2=True)
    assert (found.access_key_id, found.auth_type, found.signature_age_us) == (signing.ACCESS_KEY, "REST-HEADER", 0)
    with pytest.raises(S3Fault, match="not supported"):
        signing.authenticate(request)


@EXAMPLES
@given(method=METHODS, key=KEYS, query=queries(SIGNED), headers=HEADERS)
def test_signed_by_query(signing, method, key, query, headers):
    request = signed(signing, method, url_of(signing, key, query), headers, presigned=True)
    last_us = signing.NOW_US + 60_000_000
    for now_us in (signing.NOW_US, last_us):
        assert signing.authenticate(request, now_us, sigv2=True).auth_type == "REST-QUERY-STRING"
    with pytest.raises(S3Fault, match="expired"):
        signing.authenticate(request, last_us + 1, sigv2=True)


@EXAMPLES
@given(name=st.sampled_from(UNSIGNED) | st.text(st.sampled_from("abcXYZ-"), min_size=1, max_size=8), value=TEXTS)
def test_a_url_carries_nothing_unsigned(signing, name, value):
    assume(name not in SIGNED and name.lower() not in ("x-id", "acl", "cors", "delete") and not name.lower().startswith("x-amz-"))
    request = signed(signing, "GET", url_of(signing, "k", {}), {}, presigned=True)
    request.raw_query += b"&" + percent_encode_sequence({name: value}).encode()
    with pytest.raises(S3Fault):
        signing.authenticate(request, sigv2=True)


def meaning(query):
    return sorted(unquote_to_bytes(pair.replace(b"+", b" ")) for pair in query.split(b"&"))


def changed(raw, position, by):
    position %= len(raw)
    return raw[:position] + bytes([raw[position] ^ by]) + raw[position + 1 :]


@settings(parent=EXAMPLES, max_examples=400)
@given(
    key=KEYS,
    query=queries(SIGNED),
    headers=HEADERS,
    presigned=st.booleans(),
    part=st.sampled_from(["path", "query", "header", "signature"]),
    position=st.integers(0, 10_000),
    by=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_any_change_is_refused(signing, key, query, headers, presigned, part, position, by):
    request = signed(signing, "GET", url_of(signing, key, query), headers, presigned=presigned)
    assert signing.authenticate(request, sigv2=True)
    if part == "path":
        before, request.raw_path = request.raw_path, b"/" + changed(request.raw_path[1:], position, by)
        assume(unquote_to_bytes(request.raw_path) != unquote_to_bytes(before))
    elif part == "query":
        before = request.raw_query
        assume(before)
        request.raw_query = changed(before, position, by)
        assume(meaning(request.raw_query) != meaning(before))
        assume(presigned)  # else a parameter may become one that is not signed
        assume(not headers)  # the URL repeats them: there they say nothing when they come as headers too
        assume(before.count(signing.ACCESS_KEY.encode()) == request.raw_query.count(signing.ACCESS_KEY.encode()))
    elif part == "header":
        covered = (b"content-type", b"content-md5", b"date")
        names = [index for index, (name, _) in enumerate(request.raw_headers) if name in covered or name.startswith(b"x-amz-")]
        assume(names)
        index = names[position % len(names)]
        name, value = request.raw_headers[index]
        assume(changed(value, position // 7, by).strip() != value.strip())
        request.raw_headers[index] = (name, changed(value, position // 7, by))
    elif presigned:
        head, mark, rest = request.raw_query.partition(b"Signature=")
        value, end, tail = rest.partition(b"&")
        request.raw_query = head + mark + changed(value, position, by) + end + tail
        assume(meaning(request.raw_query) != meaning(head + mark + rest))
    else:
        text = request.headers["authorization"]
        start = text.index(":") + 1
        request.headers["authorization"] = text[:start] + changed(text[start:].encode(), position, by).decode("latin-1")
    found = None  # or it is not signed at all, and so anonymous
    with contextlib.suppress(S3Fault):
        found = signing.authenticate(request, sigv2=True)
    assert found is None


@EXAMPLES
@given(query=queries(SIGNED), headers=HEADERS, presigned=st.booleans(), method=st.sampled_from(["PUT", "get", "", "DELETE"]))
def test_the_method_is_signed(signing, query, headers, presigned, method):
    request = signed(signing, "GET", url_of(signing, "k", query), headers, presigned=presigned)
    request.method = method
    with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
        signing.authenticate(request, sigv2=True)


@EXAMPLES
@given(text=st.text(max_size=60), query=st.binary(max_size=60))
def test_nothing_crashes(signing, text, query):
    queries = (b"Signature=x&" + query, query + b"&Signature=&Expires=9")
    for authorization, raw_query in ((f"AWS {text}", b""), *((None, one) for one in queries)):
        request = signing.as_received("GET", f"http://{signing.HOST}/b/k", [("Date", "x")])
        request.raw_query = raw_query
        if authorization is not None:
            request.headers["authorization"] = authorization
        with pytest.raises(S3Fault):
            signing.authenticate(request, sigv2=True)
