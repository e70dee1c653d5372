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


def is_trustworthy(url: str) -> bool:
    """Whether what is read there may be believed: https, or http to a host of this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def checked_url(url: str) -> str:
    """An issuer's URL, without a slash at its end. Raises ValidationError.

    A provider with plain http may be made (programs do so), but its tokens are only verified when ``is_trustworthy``.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise invalid("Invalid Open ID Connect Provider URL") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise invalid("Invalid Open ID Connect Provider URL")
    if parts.query or parts.fragment or parts.username is not None:
        raise invalid("Invalid Open ID Connect Provider URL")
    if not url.isascii() or any(character <= " " for character in url):
        raise invalid("Invalid Open ID Connect Provider URL")
    return url.rstrip("/")


def provider_arn(account_id: str, url: str) -> str:
    return f"arn:aws:iam::{account_id}:{PROVIDER_KIND}{url.partition('://')[2]}"
