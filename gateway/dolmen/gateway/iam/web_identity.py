"""Tokens of OpenID Connect providers: their signature, by keys that the issuer publishes, and their claims.

The only importer of joserfc. https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from dolmen.core.clock import Clock
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.iam.fault import IamFault
from dolmen.gateway.iam.issuers import is_trustworthy
from dolmen.gateway.iam.records import OidcProvider
from dolmen.gateway.outbound import Outbound, OutboundFailed
from dolmen.gateway.s3.dates import SECOND_US, iso_second

# Asymmetric only: with "none" or HS* anybody who knows the public key could sign.
ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448")
)
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192  # a longer one costs milliseconds of CPU for each token of a stranger
KEYS_OF_ISSUER_MAX = 64  # a set with more is cut: rotation needs two or three
ISSUERS_MAX = 256  # issuers whose keys are kept
KEYS_FRESH_SECONDS = 600.0  # keys are fetched again after this: how long a withdrawn key still counts
REFRESH_SECONDS = 10.0  # an unknown key id makes a fetch at most so often: strangers must not make us knock at the issuer
FETCH_SECONDS = 5.0
_DOCUMENT_BYTES_MAX = 256 << 10  # discovery documents have some 4 KB, key sets some 10 KB
SKEW_SECONDS = 300  # between the issuer's clock and ours, for nbf and iat (exp is exact)
_CLAIM_CHARACTERS_MAX = 1024
_NO_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"


class _Registry(jws.JWSRegistry):
    """Limits of tokens: AWS takes 20,000 characters in all."""

    max_header_length = 4096
    max_payload_length = 20_000
    max_signature_length = 2048


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(slots=True)
class _KeySet:
    keys: list[Any] = field(default_factory=list)
    fetched_seconds: float | None = None
    tried_seconds: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """What a token says, after everything in it was checked."""

    subject: str
    audience: str  # the client id that it was issued for
    issuer: str
    claims: Mapping[str, Any]


def invalid_token(message: str) -> IamFault:
    return IamFault("InvalidIdentityToken", message)


def _parsed(token: str) -> jws.CompactSignature:
    try:
        found = jws.extract_compact(token.encode(), registry=_REGISTRY)
        algorithm = found.headers().get("alg")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise invalid_token(_NO_JWT) from error
    if algorithm not in ALGORITHMS:
        raise invalid_token("The ID Token is signed with an algorithm that is not accepted")
    return found


def _claims(found: jws.CompactSignature) -> dict[str, Any]:
    try:
        claims = json.loads(found.payload)
    except (ValueError, RecursionError) as error:
        raise invalid_token(_NO_JWT) from error
    if not isinstance(claims, dict):
        raise invalid_token(_NO_JWT)
    return claims


def issuer_of(token: str) -> str:
    """Who the token says has issued it; nothing is verified yet. Raises InvalidIdentityToken."""
    issuer = _claims(_parsed(token)).get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise invalid_token("Missing a required claim: iss")
    return issuer.rstrip("/")


def check_claims(claims: Mapping[str, Any], provider: OidcProvider, now_us: int) -> WebIdentity:
    """Raises InvalidIdentityToken, ExpiredTokenException, IDPRejectedClaim."""
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or issuer.rstrip("/") != provider.url:
        raise invalid_token("The issuer of the token is not the provider")
    if not isinstance(subject, str) or not subject or len(subject) > _CLAIM_CHARACTERS_MAX:
        raise IamFault("IDPRejectedClaim", "Missing or invalid claim: sub")
    now = now_us / SECOND_US
    expires = _time(claims, "exp")
    if expires is None:
        raise invalid_token("Missing a required claim: exp")
    if expires <= now:
        raise IamFault(
            "ExpiredTokenException",
            f"Token expired: current date/time {iso_second(now_us)} must be before the expiration date/time "
            f"{iso_second(int(expires) * SECOND_US)}",
        )
    for name in ("nbf", "iat"):
        since = _time(claims, name)
        if since is not None and since > now + SKEW_SECONDS:
            raise invalid_token(f"The token is not valid yet: {name}")
    return WebIdentity(subject, _audience(claims, provider), provider.url, claims)


def _audience(claims: Mapping[str, Any], provider: OidcProvider) -> str:
    """The client id for which the token was made: azp, or one of aud. As AWS: with azp, aud alone does not count."""
    party = claims.get("azp")
    listed = claims.get("aud")
    audiences = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    candidates = [party] if isinstance(party, str) and party else audiences
    for one in candidates:
        if isinstance(one, str) and one in provider.client_ids:
            return one
    raise invalid_token("Incorrect token audience")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise invalid_token(f"Invalid claim: {name}")
    return float(value)


def usable_keys(document: bytes) -> list[Any]:
    """The public signature keys of a JWKS. Raises ``ValueError`` when it is none."""
    parsed = json.loads(document)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no list of keys")  # noqa: TRY004 - the document's fault, no type of ours
    found: list[Any] = []
    for raw in listed[:KEYS_OF_ISSUER_MAX]:
        if not isinstance(raw, dict) or raw.get("kty") not in _KEY_TYPES.values() or raw.get("use", "sig") != "sig":
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of short keys: they are left out below
                key = jwk.import_key(raw)
                bits = key.public_key.key_size if isinstance(key, jwk.RSAKey) else RSA_BITS_MIN
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if RSA_BITS_MIN <= bits <= RSA_BITS_MAX:
            found.append(key)
    return found


def verified_by(token: str, found: jws.CompactSignature, keys: list[Any]) -> bool | None:
    """Whether one of the keys made the signature; None when none of them is the one that the token names."""
    headers = found.headers()
    key_id, kind = headers.get("kid"), _KEY_TYPES[headers["alg"][:2]]
    fitting = [key for key in keys if key.key_type == kind and (key_id is None or key.get("kid") == key_id)]
    if not fitting:
        return None
    for key in fitting:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the name EdDSA is older than the two that take its place
                jws.deserialize_compact(token.encode(), key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError):
            continue
        return True
    return False


class WebIdentities:
    """Verifies tokens; keeps the keys of issuers."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._log = get_logger("iam")
        self._issuers: OrderedDict[str, _KeySet] = OrderedDict()

    async def verify(self, token: str, provider: OidcProvider) -> WebIdentity:
        """Raises InvalidIdentityToken, ExpiredTokenException, IDPRejectedClaim, IDPCommunicationError."""
        found = _parsed(token)
        claims = _claims(found)
        known = self._issuers.get(provider.url)
        if known is None:
            known = self._issuers[provider.url] = _KeySet()
            if len(self._issuers) > ISSUERS_MAX:
                self._issuers.popitem(last=False)
        self._issuers.move_to_end(provider.url)
        now = self._clock.monotonic_seconds()
        if known.fetched_seconds is None or now - known.fetched_seconds > KEYS_FRESH_SECONDS:
            await self._refresh(provider.url, known, now)
        verdict = verified_by(token, found, known.keys)
        if verdict is not True and self._may_refresh(known, now):
            await self._refresh(provider.url, known, now)
            verdict = verified_by(token, found, known.keys)
        if verdict is not True:
            text = "Couldn't retrieve verification key from your identity provider" if verdict is None else "is not valid"
            raise invalid_token(f"The signature of the token: {text}")
        return check_claims(claims, provider, self._clock.now_us())

    def _may_refresh(self, known: _KeySet, now: float) -> bool:
        return known.tried_seconds is None or now - known.tried_seconds >= REFRESH_SECONDS

    async def _refresh(self, issuer: str, known: _KeySet, asked_seconds: float) -> None:
        """Fetch the keys, unless somebody else has just done so. Raises IDPCommunicationError."""
        async with known.lock:
            if known.fetched_seconds is not None and known.fetched_seconds >= asked_seconds:
                return
            if not self._may_refresh(known, self._clock.monotonic_seconds()):
                raise IamFault("IDPCommunicationError", "The identity provider could not be reached a moment ago.")
            known.tried_seconds = self._clock.monotonic_seconds()
            try:
                known.keys = await self._fetch(issuer)
            except (OutboundFailed, ValueError, RecursionError) as error:
                # Why is for the operator only: who makes a provider must not learn what else answers in our network.
                self._log.info("keys of an issuer cannot be read", issuer=issuer, error=str(error))
                raise IamFault("IDPCommunicationError", f"The keys of {issuer} cannot be read.") from error
            known.fetched_seconds = self._clock.monotonic_seconds()

    async def _fetch(self, issuer: str) -> list[Any]:
        if not is_trustworthy(issuer):
            raise ValueError("the issuer is not https")
        discovery = json.loads(await self._get(f"{issuer}/.well-known/openid-configuration"))
        if not isinstance(discovery, dict) or str(discovery.get("issuer", "")).rstrip("/") != issuer:
            raise ValueError("the discovery document names another issuer")
        place = discovery.get("jwks_uri")
        if not isinstance(place, str):
            raise ValueError("the discovery document has no jwks_uri")  # noqa: TRY004 - the document's fault, no type of ours
        if not is_trustworthy(place):
            raise ValueError("the jwks_uri of the discovery document is not https")
        return usable_keys(await self._get(place))

    async def _get(self, url: str) -> bytes:
        answer = await self._outbound.request("GET", url, timeout_seconds=FETCH_SECONDS, bytes_max=_DOCUMENT_BYTES_MAX)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return answer.body
