"""Cross-origin resource sharing: what a bucket's rules say to a request of a browser. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html

A preflight that no rule matches is refused. An actual request is never refused here: it is served without the headers, and the
browser keeps the answer from the page. The first rule that matches counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import CORSConfiguration, CORSRule

RULES_MAX = 100  # S3's limit
CONFIGURATION_BYTES_MAX = 64 * 1024  # S3's limit; counted on names and values, which is below the size of the XML
ID_CHARACTERS_MAX = 255  # S3's limit
REQUESTED_NAMES_MAX = 64  # of a preflight: more than a page sends; each is compared with every pattern of the bucket
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
COMPILED_MAX = 256  # configurations that are kept taken apart: the buckets that browsers use at a time; some 100 KB each at most

ORIGIN = "origin"
REQUEST_METHOD = "access-control-request-method"
REQUEST_HEADERS = "access-control-request-headers"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

NOT_ENABLED = "CORSResponse: CORS is not enabled for this bucket."
NO_BUCKET = "CORSResponse: Bucket not found"
NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)

Headers = list[tuple[bytes, bytes]]
Pattern = tuple[str, str | None]  # what is before the star and what is behind it; None: there is none


class Rule(msgspec.Struct, frozen=True):
    """One rule with its patterns taken apart."""

    any_origin: bool  # "*" is among the origins: the answer says so instead of the origin, and allows no credentials
    origins: tuple[Pattern, ...]
    methods: tuple[str, ...]
    headers: tuple[Pattern, ...]  # of lower-case names
    expose: tuple[str, ...]
    max_age_seconds: int | None


# -- a configuration that comes --------------------------------------------------------------------------------------------


def check_configuration(configuration: CORSConfiguration) -> None:
    """Raises InvalidRequest, InvalidArgument, MalformedXML, MaxMessageLengthExceeded."""
    rules = configuration.cors_rules
    if not rules:
        raise S3Fault("MalformedXML")
    if len(rules) > RULES_MAX:
        raise _invalid(f"The number of CORS rules should not exceed allowed limit of {RULES_MAX} rules.")
    size = 0
    for rule in rules:
        _check_rule(rule)
        size += len(rule.id or "")
        for values in (rule.allowed_headers, rule.allowed_methods, rule.allowed_origins, rule.expose_headers):
            size += sum(len(value.encode()) for value in values or ())
    if size > CONFIGURATION_BYTES_MAX:
        raise S3Fault("MaxMessageLengthExceeded", fields=(("MaxMessageLengthBytes", str(CONFIGURATION_BYTES_MAX)),))


def _check_rule(rule: CORSRule) -> None:
    if not rule.allowed_methods or not rule.allowed_origins:
        raise S3Fault("MalformedXML")
    for method in rule.allowed_methods:
        if method not in METHODS:
            raise _invalid(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for origin in rule.allowed_origins:
        if origin.count("*") > 1:
            raise _invalid(f'AllowedOrigin "{origin}" can not have more than one wildcard.')
    for header in rule.allowed_headers or ():
        if header.count("*") > 1:
            raise _invalid(f'AllowedHeader "{header}" can not have more than one wildcard.')
    for header in rule.expose_headers or ():
        if "*" in header:
            raise _invalid(f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for ExposeHeader.')
    if rule.max_age_seconds is not None and rule.max_age_seconds < 0:
        raise S3Fault("MalformedXML")
    if rule.id is not None and len(rule.id) > ID_CHARACTERS_MAX:
        fields = (("ArgumentName", "ID"), ("ArgumentValue", rule.id))
        raise S3Fault("InvalidArgument", f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}", fields=fields)


def _invalid(message: str) -> S3Fault:
    return S3Fault("InvalidRequest", message)


# -- a configuration that is in force ----------------------------------------------------------------------------------------


@lru_cache(COMPILED_MAX)
def compiled(raw: bytes) -> tuple[Rule, ...]:
    """The rules of a stored configuration (MessagePack of a ``CORSConfiguration``); kept by its bytes."""
    return compile_rules(msgspec.msgpack.decode(raw, type=CORSConfiguration))


def compile_rules(configuration: CORSConfiguration) -> tuple[Rule, ...]:
    return tuple(_compile(rule) for rule in configuration.cors_rules or ())


def _compile(rule: CORSRule) -> Rule:
    origins = rule.allowed_origins or []
    return Rule(
        any_origin="*" in origins,
        origins=tuple(map(_pattern, origins)),
        methods=tuple(rule.allowed_methods or ()),
        headers=tuple(_pattern(header.lower()) for header in rule.allowed_headers or ()),
        expose=tuple(rule.expose_headers or ()),
        max_age_seconds=rule.max_age_seconds,
    )


def _pattern(text: str) -> Pattern:
    head, star, tail = text.partition("*")
    return head, tail if star else None


def _matches(patterns: tuple[Pattern, ...], text: str) -> bool:
    """One of them does; the star stands for any characters, or none."""
    for head, tail in patterns:
        if tail is None:
            if text == head:
                return True
        elif len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail):
            return True
    return False


# -- requests ----------------------------------------------------------------------------------------------------------------


def find_rule(rules: tuple[Rule, ...], origin: str, method: str, names: list[str]) -> Rule | None:
    """The first rule that allows ``method`` with the headers ``names`` (lower case) to pages of ``origin``."""
    if len(names) > REQUESTED_NAMES_MAX:
        return None
    for rule in rules:
        if (
            method in rule.methods
            and _matches(rule.origins, origin)
            and all(_matches(rule.headers, name) for name in names)
        ):
            return rule
    return None


def requested_names(headers: Mapping[str, str]) -> list[str]:
    """The names in Access-Control-Request-Headers, in lower case."""
    return [name.strip().lower() for name in headers.get(REQUEST_HEADERS, "").split(",") if name.strip()]


def preflight_headers(headers: Mapping[str, str], rules: tuple[Rule, ...] | None, *, exists: bool, is_object: bool) -> Headers:
    """The headers of the answer to OPTIONS, which is 200 and empty.

    ``headers``: of the request. ``rules``: None when nothing is configured. ``exists``: there is such a bucket. ``is_object``: the
    address names a key. Raises BadRequest and AccessForbidden.
    """
    origin, method = headers.get(ORIGIN), headers.get(REQUEST_METHOD)
    if not origin:
        raise S3Fault("BadRequest", "Insufficient information. Origin request header needed.")
    if not exists or rules is None:
        fields = (("Method", method or "OPTIONS"), ("ResourceType", "BUCKET"))
        raise S3Fault("AccessForbidden", NOT_ENABLED if exists else NO_BUCKET, fields=fields)
    if not method or method not in METHODS:
        raise S3Fault("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}")
    names = requested_names(headers)
    rule = find_rule(rules, origin, method, names)
    if rule is None:
        fields = (("Method", method), ("ResourceType", "OBJECT" if is_object else "BUCKET"))
        raise S3Fault("AccessForbidden", NOT_ALLOWED, fields=fields)
    return answer_headers(rule, origin, names)


def actual_headers(method: str, headers: Mapping[str, str], rules: tuple[Rule, ...]) -> Headers:
    """The headers to add to the answer of a request that is no preflight; none when no rule matches.

    Its own headers are not looked at. Access-Control-Request-* are, when it has them: S3 does so, and tests of rules by hand
    use it.
    """
    origin = headers.get(ORIGIN)
    if not origin:
        return []
    names = requested_names(headers)
    rule = find_rule(rules, origin, headers.get(REQUEST_METHOD) or method, names)
    return [] if rule is None else answer_headers(rule, origin, names)


def answer_headers(rule: Rule, origin: str, names: list[str]) -> Headers:
    """What the answer says when ``rule`` has matched. An origin is only repeated when it matched."""
    found: list[tuple[bytes, str]] = [(b"access-control-allow-origin", "*" if rule.any_origin else origin)]
    if names:
        found.append((b"access-control-allow-headers", ", ".join(names)))
    found.append((b"access-control-allow-methods", ", ".join(rule.methods)))
    if rule.expose:
        found.append((b"access-control-expose-headers", ", ".join(rule.expose)))
    if rule.max_age_seconds is not None:
        found.append((b"access-control-max-age", str(rule.max_age_seconds)))
    if not rule.any_origin:
        found.append((b"access-control-allow-credentials", "true"))
    found.append((b"vary", VARY))
    return [(name, _UNSAFE.sub(" ", text).encode("utf-8", "surrogateescape")) for name, text in found]


_UNSAFE = re.compile("[\r\n\x00]")  # would end a header, whatever a configuration holds
