"""Names that IAM gives: access key ids, unique ids, secrets, ARNs.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html. An access key id holds the account's id in its first
40 bits, as AWS's do, so that a key is found with one read of its account.
"""

from __future__ import annotations

import base64
import binascii
import secrets

PERMANENT = "AKIA"
TEMPORARY = "ASIA"
_ACCOUNT_BYTES = 5  # 40 bits hold 12 digits
_RANDOM_BYTES = 5  # 40 bits beside the account: creation refuses the one in 10^12 that is taken
_KEY_ID_LENGTH = 20
_ACCOUNT_ID_MAX = 999_999_999_999
_SECRET_BYTES = 30  # 240 bits, 40 characters
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UNIQUE_LENGTH = 17  # behind the prefix, as AWS's: 85 bits
UNIQUE_PREFIXES = {"user": "AIDA", "group": "AGPA", "role": "AROA", "policy": "ANPA"}


def new_access_key_id(account_id: str, prefix: str = PERMANENT) -> str:
    """A fresh id of a key of ``account_id`` (12 digits)."""
    raw = int(account_id).to_bytes(_ACCOUNT_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
    return prefix + base64.b32encode(raw).decode()


def account_of_key_id(access_key_id: str) -> str | None:
    """The 12 digits within an id that ``new_access_key_id`` made; None for any other text."""
    if len(access_key_id) != _KEY_ID_LENGTH or access_key_id[:4] not in (PERMANENT, TEMPORARY):
        return None
    try:
        raw = base64.b32decode(access_key_id[4:])
    except (binascii.Error, ValueError):
        return None
    number = int.from_bytes(raw[:_ACCOUNT_BYTES], "big")
    return f"{number:012d}" if number <= _ACCOUNT_ID_MAX else None


def new_secret() -> str:
    """A secret access key: 40 characters."""
    return base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def new_unique_id(kind: str) -> str:
    """``AIDA...`` and the like: never used again, unlike names."""
    return UNIQUE_PREFIXES[kind] + "".join(secrets.choice(_BASE32) for _ in range(_UNIQUE_LENGTH))


def arn(account_id: str, kind: str, path: str, name: str) -> str:
    """``arn:aws:iam::ID:user/path/name``; ``path`` begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:{kind}{path}{name}"


def role_of_arn(text: str) -> tuple[str, str] | None:
    """(account id, role's name) of ``arn:aws:iam::ID:role/path/NAME``; None for anything else."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[:4] != ["arn", "aws", "iam", ""] or not parts[5].startswith("role/"):
        return None
    return parts[4], parts[5].rpartition("/")[2]
