"""Names of keys, and the forms in which clients give them. Pure.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
"""

from __future__ import annotations

import re

from dolmen.core.errors import ConfigError

S3_KEY = "dolmen/s3"  # seals the data keys of SSE-S3, and the second layer of dual-layer encryption
DEFAULT_KEY = "aws/s3"  # what aws:kms uses when the client names no key, as AWS calls its own
INTERNAL = frozenset({S3_KEY, DEFAULT_KEY})  # made when first needed; the only names with a slash
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", re.ASCII)
# Region and account are not looked at: a store has one key service, and ARNs stay right when objects come from another store.
_ARN = re.compile(r"arn:aws[-a-z0-9]*:kms:[-a-z0-9]*:[0-9]{12}:(?:key|alias)/(.{1,256})", re.ASCII)


def is_name(name: str) -> bool:
    """Whether a key may be called so."""
    return name in INTERNAL or _NAME.fullmatch(name) is not None


def named_by_client(text: str) -> str | None:
    """The name in ``x-amz-server-side-encryption-aws-kms-key-id``: a name, ``alias/NAME`` or an ARN; None when it is none of these.

    The key of SSE-S3 is not for clients.
    """
    found = _ARN.fullmatch(text)
    name = found[1] if found is not None else text.removeprefix("alias/")
    return name if is_name(name) and name != S3_KEY else None


def is_key_arn(text: str) -> bool:
    """The full form that UpdateObjectEncryption insists on."""
    found = _ARN.fullmatch(text)
    return found is not None and ":key/" in text and is_name(found[1])


def key_arn(region: str, account_id: str, name: str) -> str:
    """How answers show a key."""
    return f"arn:aws:kms:{region}:{account_id}:key/{name}"


def setting_of_name(text: str) -> str:
    """The name of a key to create at start. Raises ``ConfigError``."""
    name = text.strip()
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!r} is no name of a key: letters, digits, '_' and '-', 255 at most")
    return name
