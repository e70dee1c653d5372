"""Signature Version 2, for old clients: off unless the operator turns it on.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html

HMAC-SHA1 over the method, Content-MD5, Content-Type, the date (or the expiry of a presigned URL), every ``x-amz-`` header and
the resource with some of its query parameters. It covers neither host, region, service nor most of the query, so:

* A presigned URL may only carry parameters that its signature covers. (AWS takes others unsigned; whoever gets a URL could
  then turn PUT key into PUT key?retention.) In a signed header, which only its maker holds, they are taken.
* No parameter that is signed may come twice, in whatever case its name is written.

The resource is signed as it was sent, or in its canonical encoding; a bucket with or without a slash behind it (botocore); a
parameter without a value with or without its ``=``: all readings mean the same request.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

import msgspec

from dolmen.gateway.s3.dates import SECOND_US, iso_second, parse_http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import host_bucket

VERSION_2 = "AWS"  # as the condition key s3:signatureversion calls it
SKEW_SECONDS_MAX = 15 * 60  # AWS's limit
_EXPIRES = re.compile(r"\d{1,11}", re.ASCII)  # seconds since the epoch, until the year 5138
_BASIC_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_OF_SIGNATURE = frozenset({b"AWSAccessKeyId", b"Expires", b"Signature"})
_SAYS_NOTHING = frozenset({b"content-type", b"content-md5", b"x-id"})  # botocore repeats signed headers in the query
_SIGNED = frozenset(
    {
        *(b"accelerate", b"acl", b"cors", b"defaultObjectAcl", b"delete", b"lifecycle", b"location", b"logging"),
        *(b"notification", b"partNumber", b"policy", b"replication", b"requestPayment", b"restore", b"storageClass"),
        *(b"tagging", b"torrent", b"uploadId", b"uploads", b"versionId", b"versioning", b"versions", b"website"),
        *(b"response-cache-control", b"response-content-disposition", b"response-content-encoding"),
        *(b"response-content-language", b"response-content-type", b"response-expires"),
        *(b"analytics", b"inventory", b"metrics", b"object-lock", b"select", b"select-type"),
    }
)
_DATE_REQUIRED = "AWS authentication requires a valid Date or x-amz-date header"

Pairs = list[tuple[bytes, bytes | None]]  # of a query, decoded; None for a name without "="


class Claim2(msgspec.Struct, frozen=True):
    """A claim of the right form and time."""

    access_key_id: str
    signature: str  # base64, whatever was sent
    presigned: bool
    security_token: str
    age_us: int | None  # None of a presigned URL: it says when it ends, not when it was made
    strings_to_sign: tuple[bytes, ...]  # readings of one request; the first is told in errors

    def __repr__(self) -> str:
        return f"Claim2({self.access_key_id}, presigned={self.presigned})"


def is_version_2_query(query: Collection[bytes]) -> bool:
    """By the names of its parameters: a presigned URL of this version."""
    return b"Signature" in query and b"X-Amz-Algorithm" not in query and b"X-Amz-Signature" not in query


def claim_version_2(
    authorization: str | None,
    method: str,
    raw_path: bytes,
    raw_query: bytes,
    raw_headers: Sequence[tuple[bytes, bytes]],
    domains: Collection[str],
    canonical_path: bytes,
    now_us: int,
) -> Claim2:
    """The claim of an Authorization header, or (None) of a presigned URL.

    ``raw_headers``: lower-case names. ``domains``: of the virtual-host style, whose bucket is part of the resource.
    ``canonical_path``: ``raw_path`` encoded once. Raises InvalidArgument, AccessDenied, RequestTimeTooSkewed, InvalidRequest.
    """
    headers = _joined(raw_headers)
    pairs = _decoded(raw_query)
    amz = {name: value for name, value in headers.items() if name.startswith(b"x-amz-")}
    if authorization is not None:
        access_key_id, signature = _header_parts(authorization)
        date, age_us = _date_line(headers, now_us)
    else:
        access_key_id, signature, date = _query_parts(pairs, now_us)
        age_us = None
        for name, value in pairs:
            if name.lower().startswith(b"x-amz-"):  # counts as a header that did not come
                amz.setdefault(name.lower(), (value or b"").strip())
    bucket = host_bucket(headers.get(b"host", b"").decode("latin-1"), domains)
    lines = b"".join([name + b":" + amz[name] + b"\n" for name in sorted(amz)])
    head = [method.encode(), headers.get(b"content-md5", b""), headers.get(b"content-type", b""), date]
    begin = b"\n".join(head) + b"\n" + lines + (b"" if bucket is None else b"/" + bucket.encode())
    paths = dict.fromkeys((raw_path or b"/", canonical_path))
    if bucket is None and raw_path.count(b"/") == 1 and len(raw_path) > 1:
        paths[raw_path + b"/"] = None
    ends = dict.fromkeys(_resource_query(pairs, bare=bare) for bare in (False, True))
    token = amz.get(b"x-amz-security-token", b"").decode("utf-8", "replace")
    readings = tuple(begin + path + end for path in paths for end in ends)
    return Claim2(access_key_id, signature, authorization is None, token, age_us, readings)


def verify_version_2(claim: Claim2, secret: str) -> None:
    """Raises SignatureDoesNotMatch."""
    key, provided = secret.encode(), claim.signature.encode()
    for text in claim.strings_to_sign:
        if hmac.compare_digest(base64.b64encode(hmac.digest(key, text, "sha1")), provided):
            return
    first = claim.strings_to_sign[0]
    raise S3Fault(
        "SignatureDoesNotMatch",
        fields=(
            ("AWSAccessKeyId", claim.access_key_id),
            ("StringToSign", first.decode("utf-8", "replace")),
            ("SignatureProvided", claim.signature),
            ("StringToSignBytes", first.hex(" ")),
        ),
    )


def _joined(raw_headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values trimmed; those of repeated headers joined by commas, folded lines made one."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw_headers:
        value = value.strip()
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def _decoded(raw_query: bytes) -> Pairs:
    pairs: Pairs = []
    for pair in raw_query.split(b"&"):
        if pair:
            name, equals, value = pair.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value) if equals else None))
    names = [name.lower() for name, _ in pairs if _is_covered(name)]
    if len(names) != len(set(names)):  # which of them was signed, and which is read?
        raise S3Fault("InvalidRequest", "A query parameter that the signature covers is repeated.")
    return pairs


def _is_covered(name: bytes) -> bool:
    return name in _SIGNED or name in _OF_SIGNATURE or name.lower().startswith(b"x-amz-")


def _resource_query(pairs: Pairs, *, bare: bool) -> bytes:
    """The signed parameters of the resource; ``bare``: an empty value loses its ``=``."""
    signed = sorted((name, value) for name, value in pairs if name in _SIGNED) if pairs else []
    parts = [name if value is None or (bare and not value) else name + b"=" + value for name, value in signed]
    return b"?" + b"&".join(parts) if parts else b""


def _header_parts(authorization: str) -> tuple[str, str]:
    """(access key id, signature) of ``AWS id:signature``."""
    access_key_id, colon, signature = authorization.partition(" ")[2].strip().rpartition(":")
    if not colon or not access_key_id or not signature or " " in authorization.strip()[4:]:
        raise S3Fault(
            "InvalidArgument",
            'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
            fields=(("ArgumentName", "Authorization"), ("ArgumentValue", authorization)),
        )
    return access_key_id, signature


def _date_line(headers: Mapping[bytes, bytes], now_us: int) -> tuple[bytes, int]:
    """(the date of the string to sign, the age of the signature in microseconds). An x-amz-date is signed as a header."""
    amz_date = headers.get(b"x-amz-date")
    given = (headers.get(b"date", b"") if amz_date is None else amz_date).decode("latin-1")
    time_us = _time_us(given)
    if time_us is None:
        raise S3Fault("AccessDenied", _DATE_REQUIRED)
    if abs(now_us - time_us) > SKEW_SECONDS_MAX * SECOND_US:
        raise S3Fault(
            "RequestTimeTooSkewed",
            fields=(
                ("RequestTime", given),
                ("ServerTime", iso_second(now_us)),
                ("MaxAllowedSkewMilliseconds", str(SKEW_SECONDS_MAX * 1000)),
            ),
        )
    return headers.get(b"date", b"") if amz_date is None else b"", now_us - time_us


def _time_us(text: str) -> int | None:
    """An HTTP date, the basic form of ISO 8601, or RFC 2822's date with a zone in digits (s3cmd, AWS's own examples)."""
    time_us = parse_http_date(text)
    if time_us is not None:
        return time_us
    try:
        if _BASIC_DATE.fullmatch(text):
            moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        else:
            moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return int(moment.timestamp()) * SECOND_US


def _query_parts(pairs: Pairs, now_us: int) -> tuple[str, str, bytes]:
    """(access key id, signature, expiry as it was sent) of a presigned URL that has not ended."""
    values = {name: (value or b"").decode("utf-8", "replace") for name, value in pairs if name in _OF_SIGNATURE}
    if not all(values.get(name) for name in _OF_SIGNATURE):
        raise S3Fault("AccessDenied", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    unsigned = [name for name, _ in pairs if not _is_covered(name) and name.lower() not in _SAYS_NOTHING]
    if unsigned:
        raise S3Fault(
            "AccessDenied",
            "There were parameters present in the request which Signature Version 2 does not sign. Please use AWS4-HMAC-SHA256.",
            fields=(("ParametersNotSigned", ", ".join(name.decode("utf-8", "replace") for name in dict.fromkeys(unsigned))),),
        )
    expires = values[b"Expires"]
    if _EXPIRES.fullmatch(expires) is None:
        raise S3Fault("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    expires_us = int(expires) * SECOND_US
    if now_us > expires_us:
        fields = (("Expires", iso_second(expires_us)), ("ServerTime", iso_second(now_us)))
        raise S3Fault("AccessDenied", "Request has expired", fields=fields)
    return values[b"AWSAccessKeyId"], values[b"Signature"], expires.encode()
