"""Whatever botocore signs is accepted; whatever was changed behind its back is not."""

from urllib.parse import unquote_to_bytes

import pytest
from botocore.utils import percent_encode, percent_encode_sequence
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dolmen.gateway.auth.sigv4 import UNSIGNED_PAYLOAD, canonical_path
from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = "aZ09-._~ +@()!*'/%&=?#;:,$[]{}<>^`|\\\"éß漢😀\x7f"
KEYS = st.text(st.sampled_from(ODD), min_size=1, max_size=30).map(lambda key: key.replace("%", "%2F") if len(key) % 5 == 0 else key)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["prefix", "marker", "delimiter", "versionId", "x-id", "response-content-type", "päram"]),
        st.text(st.sampled_from(ODD), max_size=12),
    ),
    max_size=5,
)
# Printable ASCII with runs of blanks; botocore sends no other bytes.
VALUES = st.text(st.sampled_from("ab  ,;=\"'(){}/+%é".replace("é", "~")), min_size=1, max_size=16)
HEADERS = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "X-Amz-Meta-B", "x-amz-acl", "Content-Type", "Range", "x-amz-copy-source", "Cache-Control"]),
    VALUES,
    max_size=5,
)
METHODS = st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"])
CHANGED_PARTS = ("signature", "path", "query", "header")


def _url(signing, key, query):
    path = percent_encode(key, safe="/~")
    return f"http://{signing.HOST}/bucket/{path}" + (f"?{percent_encode_sequence(query)}" if query else "")


@EXAMPLES
@given(method=METHODS, key=KEYS, query=QUERIES, headers=HEADERS, region=st.sampled_from(["eu-dolmen-1", "", "us-east-1"]))
def test_signed_by_header(signing, method, key, query, headers, region):
    request = signing.sign(method, _url(signing, key, query), headers.items(), region=region)
    signed = signing.authenticate(request)
    assert (signed.access_key_id, signed.auth_type) == (signing.ACCESS_KEY, "REST-HEADER")
    assert signed.signature_version == "AWS4-HMAC-SHA256"
    assert signed.signature_age_us == 0
    assert (signed.region, signed.service, signed.presigned) == (region, "s3", False)
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed.signed_headers)


@EXAMPLES
@given(method=METHODS, key=KEYS, query=QUERIES, headers=HEADERS, expires=st.integers(1, 604800))
def test_signed_by_query(signing, method, key, query, headers, expires):
    # botocore keeps only the first of a repeated parameter
    request = signing.presign(method, _url(signing, key, dict(query).items()), headers.items(), expires=expires)
    last_us = signing.NOW_US + expires * 1_000_000
    for now_us in (signing.NOW_US, last_us):
        signed = signing.authenticate(request, now_us, signing.REGION)
        assert (signed.presigned, signed.payload_hash, signed.auth_type) == (True, UNSIGNED_PAYLOAD, "REST-QUERY-STRING")
        assert signed.signature_age_us == now_us - signing.NOW_US
    with pytest.raises(S3Fault) as caught:
        signing.authenticate(request, last_us + 1, signing.REGION)
    assert (caught.value.code, caught.value.message) == ("AccessDenied", "Request has expired")


@EXAMPLES
@given(key=st.text(st.sampled_from("aZ09-._~ @()!*'/&=;:,$"), min_size=1, max_size=20), presigned=st.booleans())
def test_path_signed_as_it_is_sent(signing, key, presigned):
    """Some signers take the path from the URL without encoding it: the bytes on the wire are what was signed."""
    url = f"http://{signing.HOST}/bucket/{key.replace(' ', '%20')}"
    request = (signing.presign if presigned else signing.sign)("GET", url)
    assert signing.authenticate(request).access_key_id == signing.ACCESS_KEY


@EXAMPLES
@given(key=KEYS)
def test_every_encoding_of_a_path_has_one_canonical_form(key):
    raw = key.encode()
    everything = b"".join(b"%%%02x" % byte for byte in raw)
    assert canonical_path(b"/" + everything) == canonical_path(b"/" + percent_encode(key, safe="/~").encode())
    assert unquote_to_bytes(canonical_path(b"/" + everything)) == b"/" + raw


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"", b"/"),
        (b"/", b"/"),
        (b"/a//b/../c/.", b"/a//b/../c/."),
        (b"/AZaz09-._~", b"/AZaz09-._~"),
        (b"/a b!\"#$&'()*+,", b"/a%20b%21%22%23%24%26%27%28%29%2A%2B%2C"),
        (b"/:;<=>?@[\\]^`{|}", b"/%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D"),
        (b"/%7e%41%2f%c3%a9", b"/~A/%C3%A9"),
        (b"/%252F", b"/%252F"),
        (b"/100%", b"/100%25"),
        (b"/%zz", b"/%25zz"),
        (b"/\xff", b"/%FF"),
    ],
)
def test_canonical_paths(raw, canonical):
    assert canonical_path(raw) == canonical


def _changed(raw, position, by):
    position %= len(raw)
    return raw[:position] + bytes([raw[position] ^ by]) + raw[position + 1 :]


def _meaning(query):
    return sorted(unquote_to_bytes(pair.replace(b"+", b" ")) for pair in query.split(b"&"))


def _tampered(request, part, position, by):
    """One bit of one signed thing is another; the request must mean something else."""
    if part == "signature":
        if b"X-Amz-Signature=" in request.raw_query:
            head, mark, signature = request.raw_query.partition(b"X-Amz-Signature=")
            request.raw_query = head + mark + _changed(signature, position, by)
        else:
            head, mark, signature = request.headers["authorization"].partition("Signature=")
            request.headers["authorization"] = head + mark + _changed(signature.encode(), position, by).decode("latin-1")
    elif part == "path":
        before = request.raw_path
        request.raw_path = b"/" + _changed(before[1:], position, by)
        assume(unquote_to_bytes(request.raw_path) != unquote_to_bytes(before))
    elif part == "query":
        before = request.raw_query
        assume(before)
        request.raw_query = _changed(before, position, by)
        assume(_meaning(request.raw_query) != _meaning(before))
    else:
        index = position % len(request.raw_headers)
        name, value = request.raw_headers[index]
        assume(name != b"authorization" and value.strip())
        changed = _changed(value, position // 7, by)
        assume(changed.split() != value.split())
        request.raw_headers[index] = (name, changed)
        request.headers[name.decode()] = changed.decode("latin-1")
    return request


@settings(parent=EXAMPLES, max_examples=400)
@given(
    key=KEYS,
    query=QUERIES,
    headers=HEADERS,
    presigned=st.booleans(),
    part=st.sampled_from(CHANGED_PARTS),
    position=st.integers(0, 10_000),
    by=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_any_change_is_refused(signing, key, query, headers, presigned, part, position, by):
    url = _url(signing, key, dict(query).items())
    request = (signing.presign if presigned else signing.sign)("GET", url, headers.items())
    assert signing.authenticate(request) is not None
    with pytest.raises(S3Fault):
        signing.authenticate(_tampered(request, part, position, by), signing.NOW_US, signing.REGION)


@EXAMPLES
@given(method=st.sampled_from(["PUT", "DELETE", "GETT", "get"]), presigned=st.booleans())
def test_the_method_is_signed(signing, method, presigned):
    request = (signing.presign if presigned else signing.sign)("GET", _url(signing, "k", []))
    request.method = method
    with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
        signing.authenticate(request)


@EXAMPLES
@given(
    text=st.one_of(
        st.text(max_size=80),
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "AWS ", "Bearer "]),
            st.sampled_from(["Credential=AK/20261124/r/s3/aws4_request,", "Credential=//,", "SignedHeaders=,", ""]),
            st.text(max_size=40),
        ),
    )
)
def test_no_authorization_header_crashes(signing, text):
    request = signing.sign("GET", _url(signing, "k", []))
    request.headers["authorization"] = text
    with pytest.raises(S3Fault):
        signing.authenticate(request)


@EXAMPLES
@given(
    query=st.lists(
        st.tuples(
            st.sampled_from(
                ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]
            ),
            st.sampled_from(["AWS4-HMAC-SHA256", "AK/20261124/eu-dolmen-1/s3/aws4_request", "20261124T065557Z", "60", "host", ""])
            | st.text(max_size=10),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_presigned_query_crashes(signing, query):
    request = signing.as_received("GET", _url(signing, "k", query), [])
    if not {"X-Amz-Algorithm", "X-Amz-Signature"} & dict(query).keys():
        assert signing.authenticate(request) is None
        return
    with pytest.raises(S3Fault) as caught:
        signing.authenticate(request)
    assert caught.value.status in (400, 403)
