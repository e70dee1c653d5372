"""Names of buckets and keys, and how a request addresses them.

Keys are bytes: one percent-decoding of what came, nothing else. ``//``, ``/../`` and an encoded ``%2F`` (sent as ``%252F``)
stay as they are; ``+`` is a plus, because a path is no form.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from dolmen.gateway.s3.fault import S3Fault

KEY_BYTES_MAX = 1024  # AWS's limit
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)  # 3 to 63 characters
# What may be asked for: names of old buckets of AWS too (they answer NoSuchBucket). "tenant:name" is a bucket in the namespace
# of a tenant, ":name" one in the default namespace; whether the caller may reach it is for the permissions to say.
_TENANT = r"(?:(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?:)?"
_ADDRESSABLE = re.compile(_TENANT + r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_IP_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}", re.ASCII)
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def is_bucket_name(name: str) -> bool:
    """AWS's rules of general purpose buckets."""
    return (
        _BUCKET.fullmatch(name) is not None
        and ".." not in name
        and _IP_ADDRESS.fullmatch(name) is None
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def split_tenant(name: str) -> tuple[str | None, str]:
    """(tenant, bucket) of "tenant:bucket"; ("", bucket) of ":bucket"; (None, bucket) when no namespace is named."""
    tenant, colon, bucket = name.rpartition(":")
    return (tenant if colon else None), bucket


def is_addressable(name: str) -> bool:
    """``bucket``, ``tenant:bucket`` or ``:bucket``."""
    return _ADDRESSABLE.fullmatch(name) is not None


def check_bucket_name(name: str) -> None:
    """Raises InvalidBucketName (field BucketName)."""
    if not is_bucket_name(name):
        raise S3Fault("InvalidBucketName", fields=(("BucketName", name),))


def check_key(raw: bytes) -> bytes:
    """The key itself; raises KeyTooLongError (Size, MaxSizeAllowed), InvalidURI (no UTF-8), InvalidArgument (empty)."""
    if len(raw) > KEY_BYTES_MAX:
        raise S3Fault("KeyTooLongError", fields=(("Size", str(len(raw))), ("MaxSizeAllowed", str(KEY_BYTES_MAX))))
    if not raw:
        raise S3Fault("InvalidArgument", "The key must not be empty.", fields=(("ArgumentName", "Key"), ("ArgumentValue", "")))
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise S3Fault("InvalidURI") from error
    return raw


def address(host: str, raw_path: bytes, domains: Collection[str]) -> tuple[str | None, bytes | None]:
    """(bucket, key) of a request; None for what is not addressed.

    ``host``: the Host header, with or without a port. ``raw_path``: as on the request line, without the query. ``domains``:
    lower-case names under which ``bucket.domain`` is the virtual-host style; every other host is path style. Raises as
    ``check_key``, and InvalidBucketName for what no bucket was ever called (CreateBucket is stricter: ``check_bucket_name``).
    """
    bucket = host_bucket(host, domains)
    path = raw_path.removeprefix(b"/")
    if bucket is None:
        if not path:
            return None, None
        raw_bucket, _, path = path.partition(b"/")
        try:
            bucket = unquote_to_bytes(raw_bucket).decode()
        except UnicodeDecodeError as error:
            raise S3Fault("InvalidURI") from error
    if not is_addressable(bucket):
        raise S3Fault("InvalidBucketName", fields=(("BucketName", bucket),))
    if not path:
        return bucket, None
    return bucket, check_key(unquote_to_bytes(path) if b"%" in path else path)


def host_bucket(host: str, domains: Collection[str]) -> str | None:
    """``bucket`` of ``bucket.domain[:port]``, None in the path style; the longest domain wins when one is part of another."""
    if not domains:
        return None
    name = host.strip().lower()
    if not name.startswith("["):  # an IPv6 address is never a bucket's host
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name in domains:
        return None
    found = [domain for domain in domains if name.endswith("." + domain) and len(name) > len(domain) + 1]
    if not found:
        return None
    return name[: -len(max(found, key=len)) - 1]
