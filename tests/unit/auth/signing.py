"""Requests signed by botocore, as the gateway sees them."""

import datetime
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dolmen.gateway.auth.sigv4 import SignedRequest, claim_request, verify

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "eu-dolmen-1"
HOST = "s3.example.com:9000"
NOW = datetime.datetime(2026, 11, 24, 6, 55, 57, tzinfo=datetime.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
DOMAINS = ("s3.example.com",)


def authenticate(request, now_us=NOW_US, region=REGION, secret=SECRET, **options):
    """Both halves of the judgement, as the front door puts them together; None for an anonymous request."""
    body_sha256 = options.pop("body_sha256", "")
    claimed = claim_request(request, now_us, region, options.pop("services", ("s3",)), **options)
    return None if claimed is None else verify(request, claimed, secret, body_sha256)


def as_received(method, url, headers):
    """What arrives when a client sends this: lower-case names, bytes."""
    parts = urlsplit(url)
    raw = [("host", parts.netloc)] if "host" not in {name.lower() for name, _ in headers} else []
    raw += [(name.lower(), value) for name, value in headers]
    raw_headers = [(name.encode(), value.encode()) for name, value in raw]
    joined = {}
    for name, value in raw:
        joined[name] = f"{joined[name]},{value}" if name in joined else value.strip()
    return SignedRequest(method, parts.path.encode() or b"/", parts.query.encode(), joined, raw_headers)


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def sign(
    method, url, headers=(), *, now=NOW, region=REGION, service="s3", auth=botocore.auth.S3SigV4Auth, secret=SECRET, **options
):
    """The request that botocore's signer makes of this, by header or by query."""
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=options.pop("data", b""))
    signer = auth(Credentials(ACCESS_KEY, secret, options.pop("token", None)), service, region, **options)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    return as_received(method, request.url, [(name, _text(value)) for name, value in request.headers.items()])


def presign(method, url, headers=(), *, expires=3600, **options):
    return sign(method, url, headers, auth=botocore.auth.S3SigV4QueryAuth, expires=expires, **options)
