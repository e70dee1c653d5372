"""Each way a signature can be wrong has AWS's code, text and fields."""

import datetime
import email.utils
import hashlib

import botocore.auth
import pytest

from dolmen.gateway.auth.sigv4 import QUERY_PAIRS_MAX, claim_request, verify
from dolmen.gateway.s3.fault import S3Fault

MINUTE_US = 60 * 1_000_000
NOT_SUPPORTED = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
ECDSA = "AWS4-ECDSA-P256-SHA256 is not implemented. Please use AWS4-HMAC-SHA256."
TOO_LONG = (
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
)
NO_CREDENTIAL = (
    "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)


@pytest.fixture
def url(signing):
    return f"http://{signing.HOST}/bucket/key"


def refused(signing, request, now_us=None, region=None):
    with pytest.raises(S3Fault) as caught:
        signing.authenticate(request, signing.NOW_US if now_us is None else now_us, region or signing.REGION)
    return caught.value


def with_authorization(signing, url, change):
    request = signing.sign("GET", url)
    request.headers["authorization"] = change(request.headers["authorization"])
    return request


def with_query(signing, url, name, value):
    """A presigned request whose parameter is another (None: without it)."""
    request = signing.presign("GET", url)
    pairs = [pair for pair in request.raw_query.split(b"&") if not pair.startswith(name.encode() + b"=")]
    if value is not None:
        pairs.append(f"{name}={value}".encode())
    request.raw_query = b"&".join(pairs)
    return request


def test_without_a_signature_it_is_anonymous(signing, url):
    request = signing.as_received("GET", url + "?prefix=a&X-Amz-Date=1", [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])
    assert signing.authenticate(request) is None


def test_the_key_that_is_claimed(signing, url):
    """Whose it is decides the front door; the signature does not cover the id, so the id is what was signed with its secret."""
    request = with_authorization(signing, url, lambda text: text.replace("AKIA", "BKIA"))
    assert claim_request(request, signing.NOW_US, signing.REGION).access_key_id == "BKIAIOSFODNN7EXAMPLE"


def test_wrong_secret_tells_what_was_computed(signing, url):
    request = signing.sign("GET", url + "?prefix=a b", secret="another")
    fault = refused(signing, request)
    fields = dict(fault.fields)
    assert (fault.code, fault.status) == ("SignatureDoesNotMatch", 403)
    assert list(fields) == [
        "AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes", "CanonicalRequest", "CanonicalRequestBytes",
    ]  # fmt: skip
    canonical = (
        f"GET\n/bucket/key\nprefix=a%20b\nhost:{signing.HOST}\nx-amz-content-sha256:{hashlib.sha256().hexdigest()}\n"
        f"x-amz-date:20261124T065557Z\n\nhost;x-amz-content-sha256;x-amz-date\n{hashlib.sha256().hexdigest()}"
    )
    assert fields["CanonicalRequest"] == canonical
    assert bytes.fromhex(fields["CanonicalRequestBytes"]).decode() == canonical
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert fields["StringToSign"] == f"AWS4-HMAC-SHA256\n20261124T065557Z\n20261124/eu-dolmen-1/s3/aws4_request\n{digest}"
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]
    assert request.headers["authorization"].endswith(fields["SignatureProvided"])
    assert "another" not in str(fields)
    assert signing.SECRET not in str(fields)


@pytest.mark.parametrize("signature", ["", "0", "é" * 64, "A" * 64, "0" * 65])
def test_signatures_of_another_shape(signing, url, signature):
    request = with_authorization(signing, url, lambda text: text[:-64] + signature)
    expected = "SignatureDoesNotMatch" if signature else "AuthorizationHeaderMalformed"
    assert refused(signing, request).code == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("Credential=", "Credentials="), "missing Credential."),
        (lambda text: text.replace("Signature=", "Signed="), "missing Signature."),
        (lambda text: text.replace("SignedHeaders=", "Headers="), "missing SignedHeaders."),
        (
            lambda text: "AWS4-HMAC-SHA256 a=b",
            "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        ),
        (lambda text: "AWS4-HMAC-SHA256 junk", 'the authorization component "junk" is malformed.'),
        (
            lambda text: text.replace("/s3/", "/"),
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        ),
        (
            lambda text: text.replace("/20261124/", "/2026112x/"),
            'incorrect date format "2026112x". This date in the credential must be in the format "yyyyMMdd".',
        ),
        (
            lambda text: text.replace("aws4_request", "aws5_request"),
            'incorrect terminal "aws5_request". This endpoint uses "aws4_request".',
        ),
        (lambda text: text.replace("/s3/", "/sts/"), 'incorrect service "sts". This endpoint belongs to "s3".'),
        (
            lambda text: text.replace("/20261124/", "/20261123/"),
            'Invalid credential date "20261123". This date is not the same as X-Amz-Date: "20261124".',
        ),
    ],
)  # fmt: skip
def test_malformed_header(signing, url, change, message):
    fault = refused(signing, with_authorization(signing, url, change))
    assert (fault.code, fault.status) == ("AuthorizationHeaderMalformed", 400)
    assert fault.message == f"The authorization header is malformed; {message}"


def test_components_in_another_order_and_without_blanks(signing, url):
    def turned(text):
        kind, _, rest = text.partition(" ")
        return kind + " " + ",".join(reversed(rest.split(", ")))

    request = with_authorization(signing, url, turned)
    assert signing.authenticate(request).access_key_id == signing.ACCESS_KEY


@pytest.mark.parametrize("presigned", [False, True])
def test_wrong_region_names_the_right_one(signing, url, presigned):
    request = (signing.presign if presigned else signing.sign)("GET", url, region="ap-south-1")
    fault = refused(signing, request)
    assert fault.message.endswith("the region 'ap-south-1' is wrong; expecting 'eu-dolmen-1'")
    assert fault.fields == (("Region", "eu-dolmen-1"),)
    assert fault.code == ("AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed")
    assert signing.authenticate(request, signing.NOW_US, "ap-south-1").region == "ap-south-1"


def test_a_signature_is_bound_to_its_region_and_day(signing, url):
    request = with_authorization(signing, url, lambda text: text.replace("eu-dolmen-1", "us-east-1"))
    assert refused(signing, request).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_clock_skew(signing, url, minutes):
    request = signing.sign("GET", url)
    fault = refused(signing, request, signing.NOW_US + minutes * MINUTE_US)
    assert (fault.code, fault.status) == ("RequestTimeTooSkewed", 403)
    server = (signing.NOW + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert fault.fields == (
        ("RequestTime", "20261124T065557Z"),
        ("ServerTime", server),
        ("MaxAllowedSkewMilliseconds", "900000"),
    )
    limit_us = signing.NOW_US + (15 if minutes > 0 else -15) * MINUTE_US
    assert signing.authenticate(request, limit_us, signing.REGION) is not None


@pytest.mark.parametrize("value", ["", "now", "20261124T065557", "20261324T065557Z", "20260230T065557Z", "20261124T246060Z"])
def test_dates_that_are_none(signing, url, value):
    request = signing.sign("GET", url)
    request.headers["x-amz-date"] = value
    fault = refused(signing, request)
    assert (fault.code, fault.message) == ("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


def test_the_date_header_serves_when_there_is_no_other(signing, url):
    request = signing.sign("GET", url, [("Date", email.utils.format_datetime(signing.NOW, usegmt=True))])
    assert "x-amz-date" not in request.headers
    assert signing.authenticate(request).timestamp == "20261124T065557Z"
    del request.headers["date"]
    assert refused(signing, request).code == "AccessDenied"


@pytest.mark.parametrize("presigned", [False, True])
def test_x_amz_headers_must_be_signed(signing, url, presigned):
    request = (signing.presign if presigned else signing.sign)("PUT", url, [("x-amz-meta-a", "1")])
    request.raw_headers += [
        (b"x-amz-copy-source", b"bucket/secret"), (b"x-amz-acl", b"public-read"), (b"x-amzn-trace-id", b"1"), (b"accept", b"*/*"),
    ]  # fmt: skip
    fault = refused(signing, request)
    assert (fault.code, fault.status) == ("AccessDenied", 403)
    assert fault.message == "There were headers present in the request which were not signed"
    assert fault.fields == (("HeadersNotSigned", "x-amz-copy-source, x-amz-acl"),)
    request.raw_headers = [pair for pair in request.raw_headers if pair[0] not in (b"x-amz-copy-source", b"x-amz-acl")]
    assert signing.authenticate(request) is not None


def test_host_must_be_signed(signing, url):
    request = with_authorization(signing, url, lambda text: text.replace("=host;", "="))
    fault = refused(signing, request)
    assert (fault.code, fault.fields) == ("AccessDenied", (("HeadersNotSigned", "host"),))
    request = with_query(signing, url, "X-Amz-SignedHeaders", "range")
    assert refused(signing, request).fields == (("HeadersNotSigned", "host"),)


def test_a_signed_header_that_did_not_come(signing, url):
    request = signing.sign("GET", url, [("range", "bytes=0-1")])
    request.raw_headers = [pair for pair in request.raw_headers if pair[0] != b"range"]
    assert refused(signing, request).code == "SignatureDoesNotMatch"


def test_repeated_headers_are_joined(signing, url):
    request = signing.sign("GET", url, [("x-amz-meta-a", "1,2")])
    request.raw_headers = [pair for pair in request.raw_headers if pair[0] != b"x-amz-meta-a"]
    request.raw_headers += [(b"x-amz-meta-a", b"1 "), (b"x-amz-meta-a", b"\t2")]
    assert signing.authenticate(request) is not None


def test_payload_hash_is_required_and_judged(signing, url):
    request = signing.sign("GET", url, auth=botocore.auth.SigV4Auth)
    fault = refused(signing, request)
    assert (fault.code, fault.message) == ("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    for value in ("abc", "unsigned-payload", "g" * 64, "STREAMING-AWS4-HMAC-SHA256"):
        request = signing.sign("GET", url)
        request.headers["x-amz-content-sha256"] = value
        fault = refused(signing, request)
        assert (fault.code, fault.status) == ("InvalidArgument", 400)
        assert fault.message.startswith("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, ")
        assert fault.fields == (("ArgumentName", "x-amz-content-sha256"), ("ArgumentValue", value))
    for value in ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"):
        request.headers["x-amz-content-sha256"] = value
        assert (refused(signing, request).code, refused(signing, request).status) == ("NotImplemented", 501)


@pytest.mark.parametrize("extra", ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Signature=00", "Signature=x", "X%2DAmz-Signature=1"])
def test_only_one_mechanism(signing, url, extra):
    fault = refused(signing, signing.sign("GET", f"{url}?{extra}"))
    assert fault.code == "InvalidArgument"
    assert fault.message == (
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified"
    )
    assert dict(fault.fields)["ArgumentName"] == "Authorization"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("AWS AK:c2ln", "InvalidRequest", NOT_SUPPORTED),
        ("Bearer x", "InvalidArgument", "Unsupported Authorization Type"),
        ("Basic", "InvalidArgument", "Authorization header is invalid -- one and only one ' ' (space) required."),
        ("", "InvalidArgument", "Authorization header is invalid -- one and only one ' ' (space) required."),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "NotImplemented", ECDSA),
    ],
)  # fmt: skip
def test_other_mechanisms(signing, url, text, code, message):
    fault = refused(signing, with_authorization(signing, url, lambda _: text))
    assert (fault.code, fault.message) == (code, message)


def test_version_2_in_the_query(signing, url):
    fault = refused(signing, signing.as_received("GET", url + "?AWSAccessKeyId=AK&Expires=1&Signature=c2ln", []))
    assert fault.code == "InvalidRequest"
    assert "not supported. Please use AWS4-HMAC-SHA256" in fault.message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("X-Amz-Expires", "soon", "X-Amz-Expires should be a number"),
        ("X-Amz-Expires", "1_0", "X-Amz-Expires should be a number"),
        ("X-Amz-Expires", "-1", "X-Amz-Expires must be non-negative"),
        ("X-Amz-Expires", "0", "X-Amz-Expires must be non-negative"),
        (
            "X-Amz-Expires", "604801",
            TOO_LONG,
        ),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"'),
        (
            "X-Amz-Credential", "AK/20261124/s3/aws4_request",
            NO_CREDENTIAL,
        ),
        (
            "X-Amz-Credential", "AK/20261124/us-east-1/iam/aws4_request",
            'Error parsing the X-Amz-Credential parameter; incorrect service "iam". This endpoint belongs to "s3".',
        ),
        (
            "X-Amz-Date", "20261123T065557Z",
            'Invalid credential date "20261124". This date is not the same as X-Amz-Date: "20261123".',
        ),
        ("X-Amz-Date", "20261124", "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""),
    ],
)  # fmt: skip
def test_presigned_parameters(signing, url, name, value, message):
    fault = refused(signing, with_query(signing, url, name, value))
    assert (fault.code, fault.status, fault.message) == ("AuthorizationQueryParametersError", 400, message)


@pytest.mark.parametrize(
    "name", ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_presigned_needs_six_parameters(signing, url, name, value):
    fault = refused(signing, with_query(signing, url, name, value))
    assert fault.code == "AuthorizationQueryParametersError"
    assert fault.message.startswith("Query-string authentication version 4 requires the X-Amz-Algorithm, ")


def test_presigned_expired_and_not_yet_valid(signing, url):
    request = signing.presign("GET", url, expires=60)
    fault = refused(signing, request, signing.NOW_US + 61 * 1_000_000)
    assert (fault.code, fault.status, fault.message) == ("AccessDenied", 403, "Request has expired")
    assert fault.fields == (
        ("X-Amz-Expires", "60"), ("Expires", "2026-11-24T06:56:57Z"), ("ServerTime", "2026-11-24T06:56:58Z"),
    )  # fmt: skip
    assert signing.authenticate(request, signing.NOW_US - 15 * MINUTE_US, signing.REGION) is not None
    fault = refused(signing, request, signing.NOW_US - 15 * MINUTE_US - 1)
    assert (fault.code, fault.message) == ("AccessDenied", "Request is not valid yet")


def test_the_lifetime_is_signed(signing, url):
    assert refused(signing, with_query(signing, url, "X-Amz-Expires", "604800")).code == "SignatureDoesNotMatch"


def test_a_plus_is_a_space_and_only_that(signing, url):
    """Else a URL signed for "a+b" would also be good for "a b", which the parser of the query reads."""
    request = signing.presign("GET", url + "?prefix=a%20b")
    request.raw_query = request.raw_query.replace(b"a%20b", b"a+b")
    assert signing.authenticate(request) is not None
    request = signing.presign("GET", url + "?prefix=a%2Bb")
    request.raw_query = request.raw_query.replace(b"a%2Bb", b"a+b")
    assert refused(signing, request).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("presigned", [False, True])
def test_session_tokens_are_told_and_signed(signing, url, presigned):
    request = (signing.presign if presigned else signing.sign)("GET", url, token="some/token")
    claimed = claim_request(request, signing.NOW_US, signing.REGION)
    assert claimed.security_token == "some/token"
    assert verify(request, claimed, signing.SECRET).access_key_id == signing.ACCESS_KEY
    if presigned:
        request.raw_query = request.raw_query.replace(b"token", b"other")
    else:
        request.raw_headers = [(name, value.replace(b"some/token", b"some/other")) for name, value in request.raw_headers]
    assert refused(signing, request).code == "SignatureDoesNotMatch"


def test_a_token_must_be_signed(signing, url):
    for request in (signing.sign("GET", url), signing.presign("GET", url)):
        request.raw_headers.append((b"x-amz-security-token", b"stolen"))
        request.headers["x-amz-security-token"] = "stolen"
        assert refused(signing, request).fields == (("HeadersNotSigned", "x-amz-security-token"),)


@pytest.mark.parametrize("service", ["iam", "sts"])
@pytest.mark.parametrize("presigned", [False, True])
def test_other_services_sign_the_digest_of_the_body(signing, url, service, presigned):
    auth = botocore.auth.SigV4QueryAuth if presigned else botocore.auth.SigV4Auth
    body = b"" if presigned else b"Action=GetCallerIdentity&Version=2011-06-15"
    options = {"auth": auth, "service": service, "region": "us-east-1", "data": body} | ({"expires": 60} if presigned else {})
    request = signing.sign("GET" if presigned else "POST", f"http://{signing.HOST}/", **options)
    claimed = claim_request(request, signing.NOW_US, signing.REGION)
    assert (claimed.service, claimed.region, claimed.payload_hash, claimed.presigned) == (service, "us-east-1", "", presigned)
    digest = hashlib.sha256(body).hexdigest()
    assert verify(request, claimed, signing.SECRET, digest).payload_hash == digest
    for wrong in ("", "UNSIGNED-PAYLOAD", hashlib.sha256(b"other").hexdigest()):
        with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
            verify(request, claimed, signing.SECRET, wrong)


def test_a_header_does_not_replace_the_digest_of_the_body_of_other_services(signing, url):
    request = signing.sign("POST", f"http://{signing.HOST}/", service="sts")  # writes and signs x-amz-content-sha256
    claimed = claim_request(request, signing.NOW_US, signing.REGION)
    with pytest.raises(S3Fault, match="SignatureDoesNotMatch"):
        verify(request, claimed, signing.SECRET, hashlib.sha256(b"Action=CreateUser").hexdigest())


def test_a_scope_of_another_service_is_told(signing, url):
    request = signing.sign("GET", url, service="ec2")
    with pytest.raises(S3Fault, match="AuthorizationHeaderMalformed") as caught:
        claim_request(request, signing.NOW_US, signing.REGION)
    assert 'incorrect service "ec2". This endpoint belongs to "s3 or iam or sts".' in caught.value.message


def test_signatures_are_compared_in_constant_time(signing, url, monkeypatch):
    compared = []

    def compare(left, right):
        compared.append((left, right))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    request = signing.sign("GET", url)
    assert signing.authenticate(request)
    assert [len(side) for side in compared[0]] == [64, 64]
    compared.clear()
    assert refused(signing, with_authorization(signing, url, lambda text: text[:-1] + "x")).code == "SignatureDoesNotMatch"
    assert compared


def test_presigned_payload_hash_from_the_signed_header(signing, url):
    digest = hashlib.sha256(b"body").hexdigest()
    request = signing.presign("PUT", url, [("x-amz-content-sha256", digest)])
    assert signing.authenticate(request).payload_hash == digest


def test_too_many_parameters(signing, url):
    query = "&".join(["a=1"] * (QUERY_PAIRS_MAX + 1))
    assert refused(signing, signing.sign("GET", f"{url}?{query}")).code == "InvalidRequest"


def test_secrets_are_not_shown(signing, url):
    signed = signing.authenticate(signing.sign("GET", url), signing.NOW_US, signing.REGION)
    assert signed.signature not in repr(signed)
    assert repr(signed.signing_key) not in repr(signed)
    claimed = claim_request(signing.presign("GET", url, token="a/token"), signing.NOW_US, signing.REGION)
    assert claimed.security_token == "a/token"
    assert claimed.claim.signature not in repr(claimed)
    assert "a/token" not in repr(claimed)
    assert claimed.claim.signature not in repr(claimed.claim)
