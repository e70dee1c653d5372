"""A real S3 request (ListBuckets, signed with the root key): the last proof that requests succeed."""

from __future__ import annotations

import datetime
import hashlib
import hmac

from dolmen.cli.dev.home import RootKeys
from dolmen.cli.http_get import Unreachable, get_tcp

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_SIGNED_HEADERS = "host;x-amz-content-sha256;x-amz-date"


def list_buckets_headers(host: str, keys: RootKeys, region: str, now: datetime.datetime) -> dict[str, str]:
    """Headers of a signed ``GET /?max-buckets=1`` (AWS Signature Version 4). ``now`` is in UTC."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    canonical = (
        f"GET\n/\nmax-buckets=1\nhost:{host}\nx-amz-content-sha256:{_EMPTY_SHA256}\nx-amz-date:{stamp}\n\n"
        f"{_SIGNED_HEADERS}\n{_EMPTY_SHA256}"
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
    return {
        "Host": host,
        "X-Amz-Content-SHA256": _EMPTY_SHA256,
        "X-Amz-Date": stamp,
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, SignedHeaders={_SIGNED_HEADERS}, Signature={signature}"
        ),
    }


def probe(host: str, port: int, keys: RootKeys, region: str, timeout_seconds: float) -> str:
    """The reason why S3 requests fail, or an empty string. Blocking."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = list_buckets_headers(name, keys, region, datetime.datetime.now(datetime.UTC))
    try:
        answer = get_tcp(host, port, "/?max-buckets=1", timeout_seconds=timeout_seconds, headers=headers)
    except Unreachable as error:
        return str(error)
    return "" if answer.status == 200 else f"ListBuckets answers {answer.status}"
