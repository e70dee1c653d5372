"""What a request claims about its signature: the Authorization header or the query of a presigned URL, taken apart.

Only the form is judged here; ``sigv4`` decides whether the claim is true. Texts are AWS's.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from dolmen.gateway.s3.fault import Fields, S3Fault

ALGORITHM = "AWS4-HMAC-SHA256"
_ECDSA_ALGORITHM = "AWS4-ECDSA-P256-SHA256"
EXPIRES_SECONDS_MAX = 7 * 24 * 3600  # AWS's limit: a signing key lives a week
_DATE = re.compile(r"\d{8}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,10}", re.ASCII)
_TERMINATOR = "aws4_request"
_CREDENTIAL_FORM = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
VERSION_2_REFUSED = f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
# The form that every SDK writes; anything else is taken apart slowly.
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^,\s]+)/(\d{8})/([^/,\s]*)/([^/,\s]*)/aws4_request, *"
    r"SignedHeaders=([a-z0-9_.;!#$%&'*+^`|~-]+), *Signature=([0-9a-f]{64})",
    re.ASCII,
)
_REQUIRED = (
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Signature",
    b"X-Amz-Date",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Expires",
)


class Claim(msgspec.Struct, frozen=True):
    """A claim of the right form. The last five fields are those of presigned URLs."""

    access_key_id: str
    date: str  # "20261124"
    region: str
    service: str
    signed_headers: tuple[str, ...]  # lower case, in the order given
    signature: str  # whatever was sent: only 64 hex digits can be right
    presigned: bool = False
    timestamp: str = ""
    expires_seconds: int = 0
    payload_hash: str = ""
    security_token: str = ""

    def __repr__(self) -> str:  # neither the signature nor the token
        return f"Claim({self.access_key_id}, {self.date}/{self.region}/{self.service}, presigned={self.presigned})"


def header_malformed(message: str, fields: Fields = ()) -> S3Fault:
    """AuthorizationHeaderMalformed."""
    return S3Fault("AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", fields=fields)


def query_malformed(message: str, fields: Fields = ()) -> S3Fault:
    """AuthorizationQueryParametersError about the credential."""
    text = f"Error parsing the X-Amz-Credential parameter; {message}"
    return S3Fault("AuthorizationQueryParametersError", text, fields=fields)


def claim_of_header(text: str) -> Claim:
    """Raises AuthorizationHeaderMalformed, InvalidRequest (Signature Version 2), InvalidArgument, NotImplemented (ECDSA)."""
    found = _HEADER.fullmatch(text)
    if found is not None:
        access_key_id, date, region, service, signed_headers, signature = found.groups()
        return Claim(access_key_id, date, region, service, tuple(signed_headers.split(";")), signature)
    kind, space, rest = text.strip().partition(" ")
    if kind != ALGORITHM:
        raise _other_mechanism(kind, bool(space), text)
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise header_malformed(f'the authorization component "{part.strip()}" is malformed.')
        parts[name] = value
    if not parts.keys() & {"Credential", "SignedHeaders", "Signature"}:
        raise header_malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            raise header_malformed(f"missing {name}.")
    scope = scope_of(parts["Credential"], header_malformed)
    return Claim(*scope, _header_names(parts["SignedHeaders"]), parts["Signature"])


def _other_mechanism(kind: str, has_value: bool, text: str) -> S3Fault:
    if kind == "AWS" and has_value:
        return S3Fault("InvalidRequest", VERSION_2_REFUSED)
    if kind == _ECDSA_ALGORITHM:
        return S3Fault("NotImplemented", f"{_ECDSA_ALGORITHM} is not implemented. Please use {ALGORITHM}.")
    message = "Unsupported Authorization Type"
    if not has_value:
        message = "Authorization header is invalid -- one and only one ' ' (space) required."
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", "Authorization"), ("ArgumentValue", text)))


def claim_of_query(query: Mapping[bytes, str]) -> Claim:
    """``query``: decoded values. Raises AuthorizationQueryParametersError, InvalidRequest (Signature Version 2)."""
    if b"X-Amz-Algorithm" not in query and b"X-Amz-Signature" not in query:
        raise S3Fault("InvalidRequest", VERSION_2_REFUSED)
    if any(not query.get(name) for name in _REQUIRED):
        raise S3Fault(
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    algorithm = query[b"X-Amz-Algorithm"]
    if algorithm == _ECDSA_ALGORITHM:
        raise S3Fault("NotImplemented", f"{_ECDSA_ALGORITHM} is not implemented. Please use {ALGORITHM}.")
    if algorithm != ALGORITHM:
        text = 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"'
        raise S3Fault("AuthorizationQueryParametersError", text)
    scope = scope_of(query[b"X-Amz-Credential"], query_malformed)
    return Claim(
        *scope,
        _header_names(query[b"X-Amz-SignedHeaders"]),
        query[b"X-Amz-Signature"],
        presigned=True,
        timestamp=query[b"X-Amz-Date"],
        expires_seconds=_expires_seconds(query[b"X-Amz-Expires"]),
        payload_hash=query.get(b"X-Amz-Content-Sha256", ""),
        security_token=query.get(b"X-Amz-Security-Token", ""),
    )


def _header_names(text: str) -> tuple[str, ...]:
    return tuple(text.lower().split(";"))


def scope_of(text: str, malformed: Callable[[str], S3Fault]) -> tuple[str, str, str, str]:
    """(access key id, date, region, service) of a credential; ``malformed`` makes the fault that is raised."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise malformed(_CREDENTIAL_FORM)
    access_key_id, date, region, service, terminator = parts
    if _DATE.fullmatch(date) is None:
        raise malformed(f'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".')
    if terminator != _TERMINATOR:
        raise malformed(f'incorrect terminal "{terminator}". This endpoint uses "{_TERMINATOR}".')
    return access_key_id, date, region, service


def _expires_seconds(text: str) -> int:
    if _DECIMAL.fullmatch(text) is None:
        raise S3Fault("AuthorizationQueryParametersError", "X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 1:
        raise S3Fault("AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative")
    if seconds > EXPIRES_SECONDS_MAX:
        raise S3Fault(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{EXPIRES_SECONDS_MAX} seconds",
        )
    return seconds
