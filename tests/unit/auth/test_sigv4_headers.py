"""Headers as SigV4 signs them: in any order, with any blanks, repeated or not; and no other x-amz- header rides along."""

import hashlib
import hmac

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dolmen.gateway.auth.sigv4 import SignedRequest
from dolmen.gateway.s3.fault import S3Fault

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TOKENS = st.text(st.sampled_from("abcz019-_!#$%&'*+.^`|~"), min_size=1, max_size=12)
VISIBLE = st.binary(min_size=1, max_size=6).map(lambda raw: bytes(33 + byte % 94 if byte < 128 else byte for byte in raw))
WORDS = st.lists(VISIBLE, max_size=4)
BLANKS = st.sampled_from([b" ", b"  ", b"\t", b" \t "])
SHA256_EMPTY = hashlib.sha256(b"").hexdigest()


def signature(signing, method, path, query, headers):
    """By AWS's page, apart from the code under test: ``headers`` are (name, canonical value) in order."""
    names = ";".join(name for name, _ in headers)
    lines = b"".join(name.encode() + b":" + value + b"\n" for name, value in headers)
    canonical = b"\n".join((method.encode(), path, query, lines, names.encode(), SHA256_EMPTY.encode()))
    scope = f"20261124/{signing.REGION}/s3/aws4_request"
    key = f"AWS4{signing.SECRET}".encode()
    for part in ("20261124", signing.REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n20261124T065557Z\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    value = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={signing.ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={value}"


def request_of(signing, raw_headers, authorization):
    headers = {}
    for name, value in raw_headers:
        text = value.decode("latin-1").strip()
        headers[name.decode()] = f"{headers[name.decode()]},{text}" if name.decode() in headers else text
    headers["authorization"] = authorization
    return SignedRequest("GET", b"/b/k", b"", headers, [*raw_headers, (b"authorization", authorization.encode())])


@st.composite
def header_sets(draw):
    """(headers as they are sent, in any order; the same by name with their canonical values)."""
    names = draw(st.lists(st.builds("{}{}".format, st.sampled_from(["x-", "x-amz-meta-"]), TOKENS), max_size=5, unique=True))
    sent = [
        ("host", [b"h"]),
        ("x-amz-content-sha256", [SHA256_EMPTY.encode()]),
        ("x-amz-date", [b"20261124T065557Z"]),
        *((name, words) for name in names for words in draw(st.lists(WORDS, min_size=1, max_size=3))),
    ]
    sent = draw(st.permutations(sent))
    values = {}
    for name, words in sent:
        values.setdefault(name, []).append(b" ".join(words))
    raw = [(name.encode(), b"".join(draw(BLANKS) + word for word in words) + draw(BLANKS)) for name, words in sent]
    return raw, [(name, b",".join(values[name])) for name in sorted(values)]


@EXAMPLES
@given(headers=header_sets())
def test_blanks_order_and_repetition(signing, headers):
    sent, canonical = headers
    request = request_of(signing, sent, signature(signing, "GET", b"/b/k", b"", canonical))
    assert signing.authenticate(request).signed_headers == tuple(name for name, _ in canonical)


@EXAMPLES
@given(headers=header_sets(), data=st.data())
def test_a_changed_or_lost_header_is_refused(signing, headers, data):
    sent, canonical = headers
    authorization = signature(signing, "GET", b"/b/k", b"", canonical)
    index = data.draw(st.integers(0, len(sent) - 1))
    name, value = sent[index]
    other = data.draw(st.binary(max_size=8).filter(lambda raw: raw.split() != value.split()))
    assume(name not in (b"x-amz-date", b"x-amz-content-sha256"))  # these are read before they are compared
    changed = [[*sent[:index], (name, other), *sent[index + 1 :]]]
    if value.split():  # an empty header and none are the same to SigV4
        changed.append([*sent[:index], *sent[index + 1 :]])
    for others in changed:
        with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
            signing.authenticate(request_of(signing, others, authorization))


@EXAMPLES
@given(headers=header_sets(), name=TOKENS, value=st.binary(max_size=8), place=st.integers(0, 20))
def test_an_unsigned_amz_header_is_refused(signing, headers, name, value, place):
    sent, canonical = headers
    name = f"x-amz-{name}"
    assume(name not in dict(canonical))
    sent.insert(place % (len(sent) + 1), (name.encode(), value))
    with pytest.raises(S3Fault) as caught:
        signing.authenticate(request_of(signing, sent, signature(signing, "GET", b"/b/k", b"", canonical)))
    assert (caught.value.code, caught.value.fields) == ("AccessDenied", (("HeadersNotSigned", name),))


@EXAMPLES
@given(headers=header_sets(), name=TOKENS.map(lambda text: f"y-{text}"), value=st.binary(max_size=8))
def test_other_unsigned_headers_ride_along(signing, headers, name, value):
    """Proxies add them."""
    sent, canonical = headers
    request = request_of(signing, [*sent, (name.encode(), value)], signature(signing, "GET", b"/b/k", b"", canonical))
    assert signing.authenticate(request)
