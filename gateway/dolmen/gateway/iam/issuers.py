"""URLs of OpenID Connect issuers, and the ARNs of the providers that stand for them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from dolmen.gateway.iam.fault import invalid

PROVIDER_KIND = "oidc-provider/"


def is_loopback(host: str | None) -> bool:
    """A host of this machine: the only one that tokens may be verified over plain HTTP with."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(url: str) -> str:
    """An issuer's URL. Raises ValidationError: https only (http for hosts of this machine), no query, no user."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise invalid("Invalid Open ID Connect Provider URL") from error
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if not secure or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise invalid("Invalid Open ID Connect Provider URL")
    if not url.isascii() or any(character <= " " for character in url):
        raise invalid("Invalid Open ID Connect Provider URL")
    return url.rstrip("/")


def provider_arn(account_id: str, url: str) -> str:
    return f"arn:aws:iam::{account_id}:{PROVIDER_KIND}{url.partition('://')[2]}"
