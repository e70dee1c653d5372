"""When a bucket policy is public.

S3 takes every statement that allows as public until it grants to fixed principals alone, or under a condition that binds it to
fixed values of certain keys. https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from dolmen.gateway.auth.policy.conditions import Condition, network_of
from dolmen.gateway.auth.policy.principals import PrincipalSet

# Keys whose fixed values make a statement private.
_FIXING_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_FIXING_OPERATORS = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike"})
# Broader blocks are as good as everybody: S3's bounds.
_PREFIX_MIN_V4 = 8
_PREFIX_MIN_V6 = 32
# ... but not within private addresses (RFC 1918, RFC 4193).
_PRIVATE_V4 = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_PRIVATE_V6 = ipaddress.IPv6Network("fc00::/7")


def statement_is_public(allows: bool, principals: PrincipalSet | None, conditions: Iterable[Condition]) -> bool:
    """One statement by itself. A statement that denies is never public."""
    if not allows or principals is None or not principals.everyone:
        return False
    return not any(map(_fixes, conditions))


def _fixes(condition: Condition) -> bool:
    if condition.negated or condition.if_exists or condition.all_values:
        return False  # each holds for requests that lack the key
    if condition.operator == "IpAddress" and condition.key == "aws:sourceip":
        return all(map(_is_narrow, condition.values))
    if condition.key not in _FIXING_KEYS or condition.operator not in _FIXING_OPERATORS:
        return False
    return all(_is_fixed(condition.key, value) for value in condition.values)


def _is_fixed(key: str, value: str) -> bool:
    """No wildcard and no variable; of an access point's ARN only the account must be fixed."""
    if "${" in value:
        return False
    if key == "s3:dataaccesspointarn":
        value = ":".join(value.split(":")[:5])
    return "*" not in value and "?" not in value


def _is_narrow(value: str) -> bool:
    network = network_of(value)
    if isinstance(network, ipaddress.IPv4Network):
        return network.prefixlen >= _PREFIX_MIN_V4 or any(map(network.subnet_of, _PRIVATE_V4))
    if isinstance(network, ipaddress.IPv6Network):
        return network.prefixlen >= _PREFIX_MIN_V6 or network.subnet_of(_PRIVATE_V6)
    return False
