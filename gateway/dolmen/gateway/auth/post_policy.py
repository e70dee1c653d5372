"""The policy of a browser's form: what a form may say, signed by the one who let it be made.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html

Names of fields (and operators) are compared without case, values with. Every field must be covered by a condition, so that
nobody adds one to a form that was handed out.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from dolmen.gateway.auth.credential import ALGORITHM, VERSION_2_REFUSED, query_malformed, scope_of
from dolmen.gateway.auth.sigv2 import VERSION_2
from dolmen.gateway.auth.sigv4 import S3, UNSIGNED_PAYLOAD, Signed, check_region, signing_key, timestamp_us
from dolmen.gateway.s3.dates import SECOND_US
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.xml_in import parse_iso_date

POST = "POST"  # the value of the condition key s3:authType
CONDITIONS_MAX = 400  # a policy has 20 KB at most, and a condition some 15 bytes: nothing is cut off; bounds the work
LENGTH_MAX = 5 * 1024**3  # S3's limit of one upload; a longer range says the same
_UNCOVERED = frozenset({"x-amz-signature", "policy", "signature", "awsaccesskeyid", "file"})
_IGNORED = "x-ignore-"
_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_DECIMAL = re.compile(r"\d{1,18}", re.ASCII)
# What AWS lets a policy escape and JSON does not know.
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"$": "$", "v": "\\u000b"}


class Condition(msgspec.Struct, frozen=True):
    """``eq`` or ``starts-with`` about one field."""

    operator: str
    field: str  # lower case
    value: str

    def __str__(self) -> str:
        return json.dumps([self.operator, f"${self.field}", self.value], ensure_ascii=False)

    def holds(self, given: str) -> bool:
        """Whether a field's value is allowed; of a list in Content-Type each entry must be."""
        if self.operator == "eq":
            return given == self.value
        if self.field == "content-type" and self.value:
            return all(entry.strip().startswith(self.value) for entry in given.split(","))
        return given.startswith(self.value)


class PostPolicy(msgspec.Struct, frozen=True):
    """A policy of the right form."""

    expiration_us: int
    conditions: tuple[Condition, ...]
    bytes_min: int = 0
    bytes_max: int = LENGTH_MAX


class FormClaim(msgspec.Struct, frozen=True):
    """Who claims to have signed the policy of a form."""

    access_key_id: str
    security_token: str
    signature_version: str  # ALGORITHM or VERSION_2
    signature: str
    policy: str  # base64, as it was sent: what was signed
    signature_age_us: int | None
    timestamp: str = ""
    date: str = ""
    region: str = ""

    def __repr__(self) -> str:
        return f"FormClaim({self.access_key_id}, {self.signature_version})"


def _invalid(message: str) -> S3Fault:
    return S3Fault("InvalidPolicyDocument", f"Invalid Policy: {message}")


def _denied(message: str) -> S3Fault:
    return S3Fault("AccessDenied", f"Invalid according to Policy: {message}")


def parse_post_policy(encoded: str) -> PostPolicy:
    """``encoded``: the field ``policy`` (base64 of JSON in UTF-8). Raises InvalidPolicyDocument."""
    document = _document(encoded)
    expiration = document.get("expiration")
    if expiration is None:
        raise _invalid("Policy missing expiration.")
    expiration_us = None
    if isinstance(expiration, str) and _EXPIRATION.fullmatch(expiration):
        expiration_us = parse_iso_date(expiration)
    if expiration_us is None:
        raise _invalid(f"Invalid 'expiration' value: '{expiration}'")
    listed = document.get("conditions")
    if listed is None:
        raise _invalid("Policy missing conditions.")
    if not isinstance(listed, list) or len(listed) > CONDITIONS_MAX:
        raise _invalid("Invalid 'conditions' value: must be a List.")
    conditions: list[Condition] = []
    bytes_min, bytes_max = 0, LENGTH_MAX
    for entry in listed:
        if isinstance(entry, list) and entry and isinstance(entry[0], str) and entry[0].lower() == "content-length-range":
            least, most = _range(entry)
            bytes_min, bytes_max = max(bytes_min, least), min(bytes_max, most)
        else:
            conditions.append(_condition(entry))
    return PostPolicy(expiration_us, tuple(conditions), bytes_min, bytes_max)


def _document(encoded: str) -> dict[str, Any]:
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _invalid("Invalid Base64 encoding or no UTF-8.") from error
    try:
        document = json.loads(
            _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), text),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise _invalid("Invalid JSON.") from error
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON: it must be an object.")
    for name in document:
        if name not in ("expiration", "conditions"):
            raise _invalid(f"Unexpected: '{name}'")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two readers could see two policies
        raise ValueError("a name is repeated")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _condition(entry: object) -> Condition:
    if isinstance(entry, dict):
        if len(entry) != 1:
            raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
        name, value = next(iter(entry.items()))
        if not isinstance(value, str) or not name:
            raise _invalid("Invalid Simple-Condition: value must be a string.")
        return Condition("eq", name.lower(), value)
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
        raise _invalid("Invalid Condition: must be an object or a list.")
    operator = entry[0].lower()
    if operator not in ("eq", "starts-with"):
        raise _invalid(f"Invalid Condition: unknown operation '{entry[0]}'.")
    if len(entry) != 3 or not all(isinstance(part, str) for part in entry) or not entry[1].startswith("$") or len(entry[1]) < 2:
        raise _invalid(f"Invalid Condition: '{entry[0]}' needs a field with '$' and a value.")
    return Condition(operator, entry[1][1:].lower(), entry[2])


def _range(entry: list[Any]) -> tuple[int, int]:
    if len(entry) != 3:
        raise _invalid("Invalid Content-Length-Range: wrong number of arguments.")
    bounds: list[int] = []
    for part in entry[1:]:
        if isinstance(part, bool) or not isinstance(part, (int, str)) or _DECIMAL.fullmatch(str(part)) is None:
            raise _invalid("Invalid Content-Length-Range: an argument is no whole number.")
        bounds.append(int(part))
    if bounds[0] > bounds[1]:
        raise _invalid("Invalid Content-Length-Range: the minimum is above the maximum.")
    return bounds[0], bounds[1]


def check_post_policy(policy: PostPolicy, fields: Mapping[str, str], bucket: str, now_us: int) -> None:
    """The form is what its policy allows. Raises AccessDenied with AWS's texts.

    ``fields``: lower-case names; ``key`` with the file's name put in. ``bucket``: as addressed, which is a field as well.
    """
    if now_us > policy.expiration_us:
        raise _denied("Policy expired.")
    given = {**fields, "bucket": bucket}
    covered = set()
    for condition in policy.conditions:
        covered.add(condition.field)
        value = given.get(condition.field)
        if value is None or not condition.holds(value):
            raise _denied(f"Policy Condition failed: {condition}")
    extra = [name for name in given if name not in covered and name not in _UNCOVERED and not name.startswith(_IGNORED)]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(extra)}")
    if fields.get("bucket", bucket) != bucket:
        raise _denied(f'Policy Condition failed: ["eq", "$bucket", {json.dumps(bucket)}]')


def claim_form(fields: Mapping[str, str], now_us: int, region: str, *, sigv2: bool) -> FormClaim | None:
    """Who claims to have signed the form; None for one without a policy and a signature (anonymous).

    ``fields``: lower-case names. ``sigv2``: take Signature Version 2 as well. Raises InvalidArgument (a part is missing),
    InvalidRequest (Version 2 is off), AuthorizationQueryParametersError (the credential), NotImplemented.
    """
    version_4 = [name for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature") if name in fields]
    version_2 = [name for name in ("awsaccesskeyid", "signature") if name in fields]
    if not version_4 and not version_2:
        if "policy" in fields:
            raise _missing("X-Amz-Signature")
        return None
    if version_4 and version_2:
        raise S3Fault("InvalidRequest", "A form is signed in one way only.")
    if not fields.get("policy"):
        raise _missing("policy")
    token = fields.get("x-amz-security-token", "")
    if version_2:
        if not sigv2:
            raise S3Fault("InvalidRequest", VERSION_2_REFUSED)
        for name, shown in (("awsaccesskeyid", "AWSAccessKeyId"), ("signature", "Signature")):
            if not fields.get(name):
                raise _missing(shown)
        return FormClaim(fields["awsaccesskeyid"], token, VERSION_2, fields["signature"], fields["policy"], None)
    return _claim_4(fields, now_us, region, token)


def _claim_4(fields: Mapping[str, str], now_us: int, region: str, token: str) -> FormClaim:
    for name in ("X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date"):
        if not fields.get(name.lower()):
            raise _missing(name)
    algorithm = fields["x-amz-algorithm"]
    if algorithm != ALGORITHM:
        raise S3Fault(
            "InvalidArgument",
            f"X-Amz-Algorithm only supports {ALGORITHM}",
            fields=(("ArgumentName", "x-amz-algorithm"), ("ArgumentValue", algorithm)),
        )
    access_key_id, date, scope_region, service = scope_of(fields["x-amz-credential"], query_malformed)
    if service != S3:
        raise query_malformed(f'incorrect service "{service}". This endpoint belongs to "{S3}".')
    check_region(scope_region, region, query_malformed)
    timestamp = fields["x-amz-date"]
    time_us = timestamp_us(timestamp)
    if time_us is None or not timestamp.startswith(date):
        raise S3Fault(
            "InvalidArgument",
            "X-Amz-Date must be formatted via ISO8601 Long format and of the day of the credential.",
            fields=(("ArgumentName", "x-amz-date"), ("ArgumentValue", timestamp)),
        )
    age_us = now_us - time_us
    if -age_us > 15 * 60 * SECOND_US:  # AWS's limit of skew
        raise S3Fault("AccessDenied", "Request is not valid yet")
    return FormClaim(
        access_key_id,
        token,
        ALGORITHM,
        fields["x-amz-signature"],
        fields["policy"],
        age_us,
        timestamp,
        date,
        scope_region,
    )


def _missing(name: str) -> S3Fault:
    return S3Fault(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields.",
        fields=(("ArgumentName", name), ("ArgumentValue", "")),
    )


def check_key_field(fields: Mapping[str, str]) -> None:
    """A form names its object. Raises InvalidArgument."""
    if not fields.get("key"):
        raise _missing("key")


def verify_form(claim: FormClaim, secret: str) -> Signed:
    """The holder of ``secret`` signed the policy. Raises SignatureDoesNotMatch."""
    text = claim.policy.encode()
    if claim.signature_version == VERSION_2:
        key, scope = b"", ""
        computed = base64.b64encode(hmac.digest(secret.encode(), text, "sha1"))
    else:
        key = signing_key(secret, claim.date, claim.region, S3)
        scope = f"{claim.date}/{claim.region}/{S3}/aws4_request"
        computed = hmac.digest(key, text, "sha256").hex().encode()
    if not hmac.compare_digest(computed, claim.signature.encode()):
        raise S3Fault(
            "SignatureDoesNotMatch",
            fields=(
                ("AWSAccessKeyId", claim.access_key_id),
                ("StringToSign", claim.policy),
                ("SignatureProvided", claim.signature),
                ("StringToSignBytes", text.hex(" ")),
            ),
        )
    return Signed(
        claim.access_key_id,
        claim.region,
        S3,
        claim.signature,
        key,
        claim.timestamp,
        scope,
        UNSIGNED_PAYLOAD,
        False,
        (),
        claim.signature_version,
        POST,
        claim.signature_age_us,
    )
