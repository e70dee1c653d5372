"""Signature Version 2, signed by botocore and by AWS's own examples: what is accepted, and that nothing else is."""

import base64
import email.utils
import hmac
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dolmen.gateway.auth.sigv4 import SignedRequest
from dolmen.gateway.s3.fault import S3Fault

HEADERS = {"Content-Type": "text/x", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-meta-a": "b", "x-amz-acl": "private"}
SECOND_US = 1_000_000
NOT_SUPPORTED = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
HOST = "https://s3.example.com:9000"
URLS = [
    f"{HOST}/bucket/key",
    f"{HOST}/bucket/a%20b%2B%C3%BC/",
    f"{HOST}/bucket/key?versionId=a%2Bb&response-content-type=text%2Fx",
    f"{HOST}/bucket?acl",
    f"{HOST}/bucket?acl=",
    f"{HOST}/bucket/key?partNumber=3&uploadId=a%2Bb%2Fc",
]


@pytest.fixture
def presign(signing):
    """``presign(method, url, headers)``: the URL, valid for an hour."""

    def make(method, url, headers=(), secret=signing.SECRET, token=None):
        request = AWSRequest(method=method, url=url, headers=dict(headers))
        signer = botocore.auth.HmacV1QueryAuth(Credentials(signing.ACCESS_KEY, secret, token), expires=3600)
        with mock.patch("time.time", return_value=signing.NOW.timestamp()):
            signer.add_auth(request)
        return request.url

    return make


@pytest.fixture
def sign(signing):
    """``sign(method, url, headers)``: the headers with their signature."""

    def make(method, url, headers=(), secret=signing.SECRET, token=None):
        request = AWSRequest(method=method, url=url, headers={"Date": http_date(signing.NOW), **dict(headers)})
        with mock.patch("botocore.auth.formatdate", return_value=http_date(signing.NOW)):
            botocore.auth.HmacV1Auth(Credentials(signing.ACCESS_KEY, secret, token)).add_auth(request)
        return dict(request.headers.items())

    return make


def http_date(moment):
    return email.utils.format_datetime(moment, usegmt=True)


@pytest.fixture
def ask(signing):
    """``ask(method, url, headers)``: what the gateway makes of it."""

    def make(method, url, headers=(), *, later_us=0, domains=(), sigv2=True):
        request = signing.as_received(method, url, list(dict(headers).items()))
        asked = SignedRequest(
            request.method, request.raw_path, request.raw_query, request.headers, request.raw_headers, domains
        )
        return signing.authenticate(asked, signing.NOW_US + later_us, sigv2=sigv2)

    return make


def refused(ask, *arguments, **options):
    with pytest.raises(S3Fault) as caught:
        ask(*arguments, **options)
    return caught.value


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_botocores_urls(presign, ask, signing, url, method):
    signed = ask(method, presign(method, url))
    assert (signed.access_key_id, signed.presigned, signed.payload_hash) == (signing.ACCESS_KEY, True, "UNSIGNED-PAYLOAD")
    assert (signed.signature_version, signed.auth_type, signed.signature_age_us) == ("AWS", "REST-QUERY-STRING", None)


@pytest.mark.parametrize("url", [*URLS, f"{HOST}/bucket?list-type=2&prefix=a", f"{HOST}/", f"{HOST}/bucket/key?attributes"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_botocores_headers(sign, ask, signing, url, method):
    """In a header, which only its maker holds, parameters may come that the signature does not cover."""
    signed = ask(method, url, sign(method, url, HEADERS), later_us=7)
    assert (signed.access_key_id, signed.presigned, signed.payload_hash) == (signing.ACCESS_KEY, False, "UNSIGNED-PAYLOAD")
    assert (signed.signature_version, signed.auth_type, signed.signature_age_us) == ("AWS", "REST-HEADER", 7)


AWS_KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
# https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
AWS_EXAMPLES = {
    "get": ("GET", "http://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg",
            {"Date": "Tue, 27 Mar 2007 19:36:42 +0000"},
            "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/awsexamplebucket1/photos/puppy.jpg"),
    "put": ("PUT", "http://awsexamplebucket1.s3.us-west-1.amazonaws.com/photos/puppy.jpg",
            {"Content-Type": "image/jpeg", "Content-Length": "94328", "Date": "Tue, 27 Mar 2007 21:15:45 +0000"},
            "PUT\n\nimage/jpeg\nTue, 27 Mar 2007 21:15:45 +0000\n/awsexamplebucket1/photos/puppy.jpg"),
    "list": ("GET", "http://awsexamplebucket1.s3.us-west-1.amazonaws.com/?prefix=photos&max-keys=50&marker=puppy",
             {"Date": "Tue, 27 Mar 2007 19:42:41 +0000"},
             "GET\n\n\nTue, 27 Mar 2007 19:42:41 +0000\n/awsexamplebucket1/"),
    "acl": ("GET", "http://awsexamplebucket1.s3.us-west-1.amazonaws.com/?acl",
            {"Date": "Tue, 27 Mar 2007 19:44:46 +0000"},
            "GET\n\n\nTue, 27 Mar 2007 19:44:46 +0000\n/awsexamplebucket1/?acl"),
    "delete": ("DELETE", "http://s3.us-west-1.amazonaws.com/awsexamplebucket1/photos/puppy.jpg",
               {"Date": "Tue, 27 Mar 2007 21:20:27 +0000", "x-amz-date": "Tue, 27 Mar 2007 21:20:26 +0000"},
               "DELETE\n\n\n\nx-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n/awsexamplebucket1/photos/puppy.jpg"),
    "upload": ("PUT", "http://static.example.com:8080/db-backup.dat.gz",
               {"Date": "Tue, 27 Mar 2007 21:06:08 +0000", "x-amz-acl": "public-read",
                "content-type": "application/x-download", "Content-MD5": "4gJE4saaMU4BqNR0kLY+lw==",
                "X-Amz-Meta-ReviewedBy": "joe@example.com,jane@example.com", "X-Amz-Meta-FileChecksum": "0x02661779",
                "X-Amz-Meta-ChecksumAlgorithm": "crc32", "Content-Disposition": "attachment; filename=database.dat"},
               ("PUT\n4gJE4saaMU4BqNR0kLY+lw==\napplication/x-download\nTue, 27 Mar 2007 21:06:08 +0000\nx-amz-acl:public-read\n"
               "x-amz-meta-checksumalgorithm:crc32\nx-amz-meta-filechecksum:0x02661779\n"
               "x-amz-meta-reviewedby:joe@example.com,jane@example.com\n/static.example.com/db-backup.dat.gz")),
    "unicode": ("GET", "http://s3.us-west-1.amazonaws.com/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
                {"Date": "Wed, 28 Mar 2007 01:49:49 +0000"},
                "GET\n\n\nWed, 28 Mar 2007 01:49:49 +0000\n/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re"),
}  # fmt: skip
DOMAINS = ("us-west-1.s3.amazonaws.com", "s3.us-west-1.amazonaws.com")


@pytest.mark.parametrize("name", AWS_EXAMPLES)
def test_the_examples_of_aws(signing, name):
    method, url, headers, to_sign = AWS_EXAMPLES[name]
    signature = base64.b64encode(hmac.digest(AWS_KEYS[1].encode(), to_sign.encode(), "sha1")).decode()
    request = signing.as_received(method, url, [*headers.items(), ("Authorization", f"AWS {AWS_KEYS[0]}:{signature}")])
    request.domains = (*DOMAINS, "example.com")
    if name == "upload":  # the bucket's name is the host's
        request.raw_path = b"/static.example.com" + request.raw_path
        request.domains = ()
    date = email.utils.parsedate_to_datetime(headers.get("x-amz-date") or headers["Date"])
    signed = signing.authenticate(request, int(date.timestamp()) * SECOND_US, sigv2=True, secret=AWS_KEYS[1])
    assert (signed.access_key_id, signed.region, signed.service) == (AWS_KEYS[0], "", "s3")


def test_signatures_that_aws_published(signing):
    request = signing.as_received(
        "GET", "http://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg",
        [("Date", "Tue, 27 Mar 2007 19:36:42 +0000"), ("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=")],
    )  # fmt: skip
    request.domains = DOMAINS
    now_us = int(email.utils.parsedate_to_datetime("Tue, 27 Mar 2007 19:36:42 +0000").timestamp()) * SECOND_US
    assert signing.authenticate(request, now_us, sigv2=True, secret=AWS_KEYS[1])


@pytest.mark.parametrize("presigned", [False, True])
def test_off_by_default(sign, presign, ask, presigned):
    url = presign("GET", URLS[0]) if presigned else URLS[0]
    headers = {} if presigned else sign("GET", url)
    fault = refused(ask, "GET", url, headers, sigv2=False)
    assert (fault.code, fault.status, fault.message) == ("InvalidRequest", 400, NOT_SUPPORTED)


def test_version_4_goes_on_when_version_2_is_on(signing):
    for request in (signing.sign("GET", URLS[0]), signing.presign("GET", URLS[0])):
        assert signing.authenticate(request, sigv2=True).signature_version == "AWS4-HMAC-SHA256"


@pytest.mark.parametrize("presigned", [False, True])
def test_signed_headers_must_come_as_signed(sign, presign, ask, presigned):
    url = presign("PUT", URLS[0], HEADERS) if presigned else URLS[0]
    headers = dict(HEADERS) if presigned else sign("PUT", url, HEADERS)
    assert ask("PUT", url, headers)
    for name in HEADERS:
        assert refused(ask, "PUT", url, {**headers, name: "other"}).code == "SignatureDoesNotMatch", name
    for name in ("x-amz-copy-source", "x-amz-meta-b", "x-amz-tagging"):
        assert refused(ask, "PUT", url, {**headers, name: "a/b"}).code == "SignatureDoesNotMatch", name
    for name in ("Content-Type", "Content-MD5"):
        left = {key: value for key, value in headers.items() if key != name}
        assert refused(ask, "PUT", url, left).code == "SignatureDoesNotMatch"


def test_amz_headers_of_a_url_need_not_come_again(presign, ask):
    url = presign("PUT", URLS[0], HEADERS)
    assert ask("PUT", url, {name: HEADERS[name] for name in ("Content-Type", "Content-MD5")})


@pytest.mark.parametrize(
    ("old", "new"),
    [("/key", "/kez"), ("versionId=a", "versionId=b"), ("Expires=1", "Expires=2"), ("AWSAccess", "x-amz-acl=private&AWSAccess"),
     ("response-content-type", "response-expires")],
)  # fmt: skip
def test_nothing_signed_may_change(presign, ask, old, new):
    url = presign("GET", URLS[2])
    assert old in url
    assert refused(ask, "GET", url.replace(old, new, 1)).code == "SignatureDoesNotMatch"


def test_a_url_is_for_one_method(presign, sign, ask):
    assert refused(ask, "PUT", presign("GET", URLS[0])).code == "SignatureDoesNotMatch"
    assert refused(ask, "PUT", URLS[0], sign("GET", URLS[0])).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "more", ["retention", "legal-hold", "attributes", "encryption", "publicAccessBlock", "list-type=2", "prefix=a", "Versionid=b"]
)
def test_a_url_carries_nothing_unsigned(presign, ask, more):
    fault = refused(ask, "GET", f"{presign('GET', URLS[0])}&{more}")
    assert (fault.code, dict(fault.fields)["ParametersNotSigned"]) == ("AccessDenied", more.partition("=")[0])


@pytest.mark.parametrize(
    "more", ["versionId=b", "Expires=9999999999", "Signature=x", "AWSAccessKeyId=x", "x-amz-acl=a&X-Amz-ACL=b", "acl&acl"]
)
def test_what_is_signed_must_not_be_repeated(presign, ask, more):
    """Else one of them would be signed and the other one read."""
    assert refused(ask, "GET", f"{presign('GET', URLS[2])}&{more}").code == "InvalidRequest"


def test_virtual_host_and_path_style_do_not_mix(presign, ask):
    url = presign("GET", "https://s3.example.com/bucket/other/key")
    assert ask("GET", url, domains=("s3.example.com",))
    elsewhere = url.replace("s3.example.com/", "other.s3.example.com/")
    assert refused(ask, "GET", elsewhere, domains=("s3.example.com",)).code == "SignatureDoesNotMatch"
    query = urlsplit(presign("GET", "https://s3.example.com/bucket/key")).query
    hosted = f"https://bucket.s3.example.com/key?{query}"
    assert ask("GET", hosted, domains=("s3.example.com",))
    assert refused(ask, "GET", hosted).code == "SignatureDoesNotMatch"


def test_expiry(presign, ask):
    url = presign("GET", URLS[0])
    assert ask("GET", url, later_us=3600 * SECOND_US)
    fault = refused(ask, "GET", url, later_us=3601 * SECOND_US)
    assert (fault.code, fault.message, fault.fields[0][1]) == ("AccessDenied", "Request has expired", "2026-11-24T07:55:57Z")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_wrong(sign, ask, minutes):
    fault = refused(ask, "GET", URLS[0], sign("GET", URLS[0]), later_us=minutes * 60 * SECOND_US)
    assert (fault.code, fault.status) == ("RequestTimeTooSkewed", 403)
    assert dict(fault.fields)["RequestTime"] == "Tue, 24 Nov 2026 06:55:57 GMT"


@pytest.mark.parametrize(
    ("date", "fine"),
    [
        ("Tue, 24 Nov 2026 06:55:57 GMT", True),
        ("Tue, 24 Nov 2026 06:55:57 +0000", True),
        ("Tue, 24 Nov 2026 08:55:57 +0200", True),
        ("20261124T065557Z", True),
        ("Tue, 24 Nov 2026 06:55:57", False),
        ("", False),
        ("soon", False),
        ("20261399T065557Z", False),
        ("Tue, 99 Nov 2026 06:55:57 +0000", False),
    ],
)
def test_dates(signing, ask, date, fine):
    to_sign = f"GET\n\n\n\nx-amz-date:{date}\n/bucket/key"
    signature = base64.b64encode(hmac.digest(signing.SECRET.encode(), to_sign.encode(), "sha1")).decode()
    headers = {"x-amz-date": date, "Authorization": f"AWS {signing.ACCESS_KEY}:{signature}"}
    if fine:
        assert ask("GET", URLS[0], headers)
    else:
        fault = refused(ask, "GET", URLS[0], headers)
        assert (fault.code, fault.message) == ("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


@pytest.mark.parametrize("text", ["AWS AKID", "AWS :sig", "AWS AKID:", "AWS AKID: sig", "AWS a b:sig", "AWS "])
def test_headers_of_another_form(signing, ask, text):
    fault = refused(ask, "GET", URLS[0], {"Date": http_date(signing.NOW), "Authorization": text})
    assert (fault.code, fault.status) == ("InvalidArgument", 400)
    assert fault.message.startswith("A")


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("AWSAccessKeyId=A&Signature=x", "AccessDenied", "requires the Signature, Expires and AWSAccessKeyId"),
        ("AWSAccessKeyId=A&Signature=x&Expires=soon", "AccessDenied", "should be seconds since epoch"),
        ("AWSAccessKeyId=A&Signature=x&Expires=-1", "AccessDenied", "should be seconds since epoch"),
        ("AWSAccessKeyId=A&Signature=&Expires=9999999999", "AccessDenied", "requires the Signature"),
        ("AWSAccessKeyId=A&Signature=x&Expires=9999999999", "SignatureDoesNotMatch", ""),
        ("AWSAccessKeyId=A&Signature=%C3%A9&Expires=9999999999", "SignatureDoesNotMatch", ""),
    ],
)
def test_malformed_claims(ask, query, code, message):
    fault = refused(ask, "GET", f"{URLS[0]}?{query}")
    assert fault.code == code
    assert message in fault.message


def test_only_one_mechanism(sign, presign, ask):
    assert refused(ask, "GET", presign("GET", URLS[0]), sign("GET", URLS[0])).code == "InvalidArgument"


@pytest.mark.parametrize("kind", ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"])
def test_signed_chunks_need_version_4(sign, presign, ask, kind):
    chunks = {"x-amz-content-sha256": kind}
    assert refused(ask, "PUT", presign("PUT", URLS[0], chunks), chunks).code == "InvalidRequest"
    assert refused(ask, "PUT", URLS[0], sign("PUT", URLS[0], chunks)).code == "InvalidRequest"


def test_payload_hashes(sign, presign, ask):
    digest = {"x-amz-content-sha256": "0" * 64}
    assert ask("PUT", URLS[0], sign("PUT", URLS[0], digest)).payload_hash == "0" * 64
    assert ask("PUT", presign("PUT", URLS[0], digest)).payload_hash == "0" * 64
    wrong = {"x-amz-content-sha256": "none"}
    assert refused(ask, "PUT", URLS[0], sign("PUT", URLS[0], wrong)).code == "InvalidArgument"


@pytest.mark.parametrize("presigned", [False, True])
def test_session_tokens_are_told_and_signed(sign, presign, signing, ask, presigned):
    from dolmen.gateway.auth.sigv4 import claim_request

    url = presign("GET", URLS[0], token="a token") if presigned else URLS[0]
    headers = {} if presigned else sign("GET", url, token="a token")
    request = signing.as_received("GET", url, list(headers.items()))
    claimed = claim_request(request, signing.NOW_US, signing.REGION, sigv2=True)
    assert (claimed.security_token, claimed.service, claimed.region) == ("a token", "s3", "")
    assert ask("GET", url, headers)
    if presigned:
        assert refused(ask, "GET", url.replace("a%20token", "other").replace("a+token", "other")).code == "SignatureDoesNotMatch"
    else:
        assert refused(ask, "GET", url, {**headers, "x-amz-security-token": "other"}).code == "SignatureDoesNotMatch"
    assert "a token" not in repr(claimed)
    assert claimed.claim.signature not in repr(claimed.claim)


def test_another_secret(presign, ask, signing):
    fault = refused(ask, "GET", presign("GET", URLS[0], secret="another"))
    assert fault.code == "SignatureDoesNotMatch"
    fields = dict(fault.fields)
    assert list(fields) == ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes"]
    expires = int(signing.NOW.timestamp()) + 3600
    assert fields["StringToSign"] == f"GET\n\n\n{expires}\n/bucket/key"
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]
    assert signing.SECRET not in str(fields)


def test_signatures_are_compared_in_constant_time(presign, ask, monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda left, right: compared.append((left, right)) or left == right)
    assert ask("GET", presign("GET", URLS[0]))
    assert [len(side) for side in compared[0]] == [28, 28]
