"""Signature Version 4: who sent this request, and did nobody change it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html

What is canonical here:

* Path: decoded once, encoded once (every byte outside ``A-Za-z0-9-_.~/`` as %XX), never normalised. When that does not
  match, the path exactly as it was sent is tried: some clients sign what they send (an SDK that writes ``//`` as ``/%2F``,
  browsers that leave ``!'()*`` alone). Both forms decode to the same key, so nobody gains another request by it.
* Query: names and values decoded once, encoded once, sorted by name and value. A ``+`` is a space, here as in the parser
  of the query: AWS takes it so, and one reading of a byte everywhere means that no signed request has a second meaning. No
  current SDK sends a bare ``+``.
* Headers: the bytes that came, trimmed, runs of blanks made one, repeated headers joined by a comma in their order.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from dolmen.gateway.auth.credential import (
    ALGORITHM,
    Claim,
    claim_of_header,
    claim_of_query,
    header_malformed,
    query_malformed,
)
from dolmen.gateway.auth.sigv2 import VERSION_2, Claim2, claim_version_2, is_version_2_query, verify_version_2
from dolmen.gateway.s3.dates import SECOND_US, iso_second, parse_http_date
from dolmen.gateway.s3.fault import Fields, S3Fault

SKEW_SECONDS_MAX = 15 * 60  # AWS's limit
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
S3 = "s3"
SERVICES = (S3, "iam", "sts")
REST_HEADER = "REST-HEADER"  # values of the condition key s3:authType
REST_QUERY = "REST-QUERY-STRING"
ANY_REGION = ("", "us-east-1")  # what clients without a configured region sign with
_ECDSA = ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER")
_PAYLOAD_NAMES = frozenset({UNSIGNED_PAYLOAD, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER})
_PAYLOAD_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_PLAIN = re.compile(rb"[A-Za-z0-9\-_.~]*").fullmatch
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9\-_.~/]*").fullmatch
_SIGNING_KEYS_MAX = 4096  # a key is new each day; a miss costs four HMACs (about 5 us)
QUERY_PAIRS_MAX = 1024  # no operation has so many; bounds the work for a stranger's query
_TIMESTAMPS_MAX = 4096  # clients sign with whole seconds, many requests share them

Pairs = list[tuple[bytes, bytes]]  # of a query, both sides in their canonical encoding


@dataclass(slots=True)
class SignedRequest:
    """The request as it came. ``headers`` and ``raw_headers`` have lower-case names."""

    method: str
    raw_path: bytes  # without the query
    raw_query: bytes
    headers: Mapping[str, str]
    raw_headers: Sequence[tuple[bytes, bytes]]
    domains: Collection[str] = ()  # of the virtual-host style: Signature Version 2 signs the bucket, not the host


class Claimed(msgspec.Struct, frozen=True):
    """What a request says about its sender: of the right form, place and time. Only ``verify`` tells whether it is true."""

    access_key_id: str
    security_token: str  # "" when none came; the signature covers it
    service: str  # of the scope; "s3" for Signature Version 2
    region: str  # of the scope; may be empty
    presigned: bool
    signature_version: str  # ALGORITHM or VERSION_2
    payload_hash: str  # s3: x-amz-content-sha256; other services sign the digest of the body, which nobody has read yet: ""
    signature_age_us: int | None  # since it was signed; None when the claim does not say (presigned, Version 2)
    timestamp: str
    claim: Claim | Claim2
    pairs: Pairs  # of the query, to be signed
    header_lines: bytes

    @property
    def auth_type(self) -> str:
        """The condition key s3:authType."""
        return REST_QUERY if self.presigned else REST_HEADER

    def __repr__(self) -> str:
        return f"Claimed({self.access_key_id}, {self.service}, {self.signature_version}, {self.auth_type})"


class Signed(msgspec.Struct, frozen=True):
    """Proof that the holder of a key sent this request."""

    access_key_id: str
    region: str  # of the scope; may be empty
    service: str
    signature: str  # the seed of chunk signatures
    signing_key: bytes  # of Signature Version 4; b"" for Version 2
    timestamp: str  # "20261124T065557Z"
    scope: str  # "20261124/region/s3/aws4_request"
    payload_hash: str  # value of x-amz-content-sha256: a digest in hex, or one of the names above
    presigned: bool
    signed_headers: tuple[str, ...]
    signature_version: str = ALGORITHM
    auth_type: str = REST_HEADER  # "REST-HEADER", "REST-QUERY-STRING" or "POST"
    signature_age_us: int | None = None

    def __repr__(self) -> str:  # neither the signature nor the key
        return f"Signed({self.access_key_id}, {self.service}, {self.signature_version}, {self.auth_type})"


@lru_cache(maxsize=_SIGNING_KEYS_MAX)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The derived key of one secret, day ("20261124"), region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def claim_request(
    request: SignedRequest, now_us: int, region: str, services: Collection[str] = SERVICES, *, sigv2: bool = False
) -> Claimed | None:
    """What the request claims, judged as far as that needs no key; None when it carries no signature at all (anonymous).

    ``region``: that of this store; a scope may also name none. ``services``: those that a scope may name. ``sigv2``: take
    Signature Version 2 as well. Raises ``S3Fault`` with AWS's code, text and fields: AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError, RequestTimeTooSkewed, AccessDenied (expired, not valid yet, headers not signed),
    InvalidRequest, InvalidArgument, NotImplemented.
    """
    headers = request.headers
    authorization = headers.get("authorization")
    pairs = _query_pairs(request.raw_query) if request.raw_query else []
    first: dict[bytes, bytes] = dict(reversed(pairs)) if pairs else {}
    in_query = b"X-Amz-Algorithm" in first or b"X-Amz-Signature" in first or b"Signature" in first
    if authorization is None:
        if not in_query:
            return None
        if sigv2 and is_version_2_query(first):
            return _claimed_2(request, None, first, now_us)
        return _claimed_by_query(request, first, pairs, now_us, region, services)
    if in_query:
        raise S3Fault(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
            "or the Authorization header should be specified",
            fields=(("ArgumentName", "Authorization"), ("ArgumentValue", authorization)),
        )
    if sigv2 and authorization.startswith("AWS "):
        return _claimed_2(request, authorization, first, now_us)
    claim = claim_of_header(authorization)
    timestamp, time_us = _request_time(headers)
    _check_scope(claim, timestamp, region, services)
    _check_skew(timestamp, time_us, now_us)
    payload_hash = ""
    if claim.service == S3:
        payload_hash = headers.get("x-amz-content-sha256", "")
        _check_payload_hash(payload_hash)
    return Claimed(
        claim.access_key_id,
        headers.get("x-amz-security-token", ""),
        claim.service,
        claim.region,
        False,
        ALGORITHM,
        payload_hash,
        now_us - time_us,
        timestamp,
        claim,
        pairs,
        _canonical_headers(claim.signed_headers, request.raw_headers),
    )


def verify(request: SignedRequest, claimed: Claimed, secret: str, body_sha256: str = "") -> Signed:
    """The holder of ``secret`` signed this request. Raises SignatureDoesNotMatch with AWS's fields.

    ``request``: that of ``claim_request``, unchanged. ``body_sha256``: digest of the body in hex, for services other than s3:
    there AWS hashes the body itself, whatever x-amz-content-sha256 says.
    """
    claim = claimed.claim
    if isinstance(claim, Claim2):
        verify_version_2(claim, secret)
        return _signed_2(claimed, claim)
    key = signing_key(secret, claim.date, claim.region, claim.service)
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    payload_hash = claimed.payload_hash if claim.service == S3 else body_sha256
    prefix = f"{ALGORITHM}\n{claimed.timestamp}\n{scope}\n"
    _check_signature(request, claim, claimed.pairs, claimed.header_lines, payload_hash, prefix, key)
    return Signed(
        claim.access_key_id,
        claim.region,
        claim.service,
        claim.signature,
        key,
        claimed.timestamp,
        scope,
        payload_hash,
        claim.presigned,
        claim.signed_headers,
        ALGORITHM,
        claimed.auth_type,
        claimed.signature_age_us,
    )


def _claimed_by_query(
    request: SignedRequest, first: Mapping[bytes, bytes], pairs: Pairs, now_us: int, region: str, services: Collection[str]
) -> Claimed:
    """The claim of a presigned URL; ``first``: of each name its first value."""
    headers = request.headers
    claim = claim_of_query({name: unquote_to_bytes(first[name]).decode("utf-8", "replace") for name in first})
    _check_scope(claim, claim.timestamp, region, services)
    time_us = _check_lifetime(claim, now_us)
    payload_hash = ""
    if claim.service == S3:
        payload_hash = claim.payload_hash or headers.get("x-amz-content-sha256") or UNSIGNED_PAYLOAD
        _check_payload_hash(payload_hash)
    return Claimed(
        claim.access_key_id,
        claim.security_token or headers.get("x-amz-security-token", ""),
        claim.service,
        claim.region,
        True,
        ALGORITHM,
        payload_hash,
        now_us - time_us,
        claim.timestamp,
        claim,
        [pair for pair in pairs if pair[0] != b"X-Amz-Signature"],
        _canonical_headers(claim.signed_headers, request.raw_headers),
    )


def _claimed_2(request: SignedRequest, authorization: str | None, query: Mapping[bytes, bytes], now_us: int) -> Claimed:
    claim = claim_version_2(
        authorization,
        request.method,
        request.raw_path,
        request.raw_query,
        request.raw_headers,
        request.domains,
        canonical_path(request.raw_path),
        now_us,
    )
    payload_hash = request.headers.get("x-amz-content-sha256", "")
    if not payload_hash and claim.presigned:
        payload_hash = next((value.decode() for name, value in query.items() if name.lower() == b"x-amz-content-sha256"), "")
    payload_hash = payload_hash or UNSIGNED_PAYLOAD
    _check_payload_hash(payload_hash)
    if payload_hash.startswith(STREAMING_SIGNED):
        raise S3Fault("InvalidRequest", "Signed chunks need a signature of version 4.")
    return Claimed(
        claim.access_key_id,
        claim.security_token,
        S3,
        "",
        claim.presigned,
        VERSION_2,
        payload_hash,
        claim.age_us,
        "",
        claim,
        [],
        b"",
    )


def _signed_2(claimed: Claimed, claim: Claim2) -> Signed:
    return Signed(
        claimed.access_key_id,
        "",
        S3,
        claim.signature,
        b"",
        "",
        "",
        claimed.payload_hash,
        claimed.presigned,
        (),
        VERSION_2,
        claimed.auth_type,
        claimed.signature_age_us,
    )


def _check_signature(
    request: SignedRequest,
    claim: Claim,
    pairs: Pairs,
    header_lines: bytes,
    payload_hash: str,
    prefix: str,
    key: bytes,
) -> None:
    path = canonical_path(request.raw_path)
    query = b"&".join([name + b"=" + value for name, value in sorted(pairs)]) if pairs else b""
    rest = b"\n".join((query, header_lines, ";".join(claim.signed_headers).encode(), payload_hash.encode()))
    provided = claim.signature.encode()
    method = request.method.encode()
    canonical = b"\n".join((method, path, rest))
    to_sign = prefix + hashlib.sha256(canonical).hexdigest()
    if hmac.compare_digest(_hex_hmac(key, to_sign), provided):
        return
    if request.raw_path not in (b"", path):
        as_sent = prefix + hashlib.sha256(b"\n".join((method, request.raw_path, rest))).hexdigest()
        if hmac.compare_digest(_hex_hmac(key, as_sent), provided):
            return
    raise S3Fault(
        "SignatureDoesNotMatch",
        fields=(
            ("AWSAccessKeyId", claim.access_key_id),
            ("StringToSign", to_sign),
            ("SignatureProvided", claim.signature),
            ("StringToSignBytes", to_sign.encode().hex(" ")),
            ("CanonicalRequest", canonical.decode("utf-8", "replace")),
            ("CanonicalRequestBytes", canonical.hex(" ")),
        ),
    )


def _hex_hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256").hex().encode()


def canonical_path(raw_path: bytes) -> bytes:
    """The URI-encoded form of the decoded path; an empty path is ``/``."""
    if _PLAIN_PATH(raw_path):
        return raw_path or b"/"
    return quote_from_bytes(unquote_to_bytes(raw_path), safe="/-_.~").encode()


def _query_pairs(raw_query: bytes) -> Pairs:
    if raw_query.count(b"&") >= QUERY_PAIRS_MAX:
        raise S3Fault("InvalidRequest", "Too many query parameters.")
    pairs: Pairs = []
    for pair in raw_query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((_encoded_once(name), _encoded_once(value)))
    return pairs


def _encoded_once(raw: bytes) -> bytes:
    if _PLAIN(raw):
        return raw
    return quote_from_bytes(unquote_to_bytes(raw.replace(b"+", b" ")), safe="-_.~").encode()


def _canonical_headers(signed: tuple[str, ...], raw_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """``name:value`` lines of the signed headers, each with its newline. A signed header that did not come is empty.

    Raises AccessDenied when Host, or an ``x-amz-`` header that came, is not among the signed (a stranger could have added it
    to a presigned request: CVE-2026-71191).
    """
    names = [name.encode() for name in signed]
    wanted = set(names)
    values: dict[bytes, bytes] = {}
    unsigned: list[str] = []
    for name, value in raw_headers:
        if name in wanted:
            value = b" ".join(value.split())
            values[name] = values[name] + b"," + value if name in values else value
        elif name.startswith(b"x-amz-"):
            unsigned.append(name.decode("latin-1"))
    if b"host" not in wanted:
        unsigned.insert(0, "host")
    if unsigned:
        raise S3Fault(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            fields=(("HeadersNotSigned", ", ".join(dict.fromkeys(unsigned))),),
        )
    get = values.get
    return b"".join([name + b":" + get(name, b"") + b"\n" for name in names])


@lru_cache(maxsize=_TIMESTAMPS_MAX)
def timestamp_us(timestamp: str) -> int | None:
    """Microseconds of ``20261124T065557Z``; None when it is no time."""
    found = _TIMESTAMP.fullmatch(timestamp)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    if year < 1 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 60:
        return None
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return calendar.timegm((year, month, day, hour, minute, second)) * SECOND_US


def _request_time(headers: Mapping[str, str]) -> tuple[str, int]:
    """(timestamp of the string to sign, microseconds) from x-amz-date, else from Date (an HTTP date or the basic form)."""
    given = headers.get("x-amz-date")
    if given is not None:
        time_us = timestamp_us(given)
        if time_us is not None:
            return given, time_us
    elif "date" in headers:
        given = headers["date"]
        time_us = parse_http_date(given) or timestamp_us(given)
        if time_us is not None:
            return iso_second(time_us).replace("-", "").replace(":", ""), time_us
    raise S3Fault("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


def _check_scope(claim: Claim, timestamp: str, region: str, services: Collection[str]) -> None:
    malformed = query_malformed if claim.presigned else header_malformed
    if claim.service not in services:
        raise malformed(f'incorrect service "{claim.service}". This endpoint belongs to "{services_text(services)}".')
    check_region(claim.region, region, malformed)
    if not timestamp.startswith(claim.date):
        text = f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        if claim.presigned:
            raise S3Fault("AuthorizationQueryParametersError", text)
        raise header_malformed(text)


def check_region(given: str, region: str, malformed: Callable[[str, Fields], S3Fault]) -> None:
    """The region of a scope is this store's, or none; ``malformed`` makes the fault that is raised."""
    if given != region and given not in ANY_REGION:
        raise malformed(f"the region '{given}' is wrong; expecting '{region}'", (("Region", region),))


def services_text(services: Collection[str]) -> str:
    """For AWS's sentence about the service of an endpoint."""
    return " or ".join(services)


def _check_skew(timestamp: str, time_us: int, now_us: int) -> None:
    if abs(now_us - time_us) > SKEW_SECONDS_MAX * SECOND_US:
        # SDKs correct their clock by these fields and sign again.
        raise S3Fault(
            "RequestTimeTooSkewed",
            fields=(
                ("RequestTime", timestamp),
                ("ServerTime", iso_second(now_us)),
                ("MaxAllowedSkewMilliseconds", str(SKEW_SECONDS_MAX * 1000)),
            ),
        )


def _check_lifetime(claim: Claim, now_us: int) -> int:
    """When a presigned URL was signed, in microseconds."""
    time_us = timestamp_us(claim.timestamp)
    if time_us is None:
        raise S3Fault(
            "AuthorizationQueryParametersError", "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        )
    expires_us = time_us + claim.expires_seconds * SECOND_US
    fields = (
        ("X-Amz-Expires", str(claim.expires_seconds)),
        ("Expires", iso_second(expires_us)),
        ("ServerTime", iso_second(now_us)),
    )
    if now_us > expires_us:
        raise S3Fault("AccessDenied", "Request has expired", fields=fields)
    if time_us - now_us > SKEW_SECONDS_MAX * SECOND_US:
        raise S3Fault("AccessDenied", "Request is not valid yet", fields=fields)
    return time_us


def _check_payload_hash(value: str) -> None:
    if _PAYLOAD_SHA256.fullmatch(value) or value in _PAYLOAD_NAMES:
        return
    if not value:
        raise S3Fault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if value in _ECDSA:
        raise S3Fault("NotImplemented", f"The payload signature {value} is not implemented.")
    raise S3Fault(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        fields=(("ArgumentName", "x-amz-content-sha256"), ("ArgumentValue", value)),
    )
