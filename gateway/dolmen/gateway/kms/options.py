"""What a gateway was told about encryption."""

from __future__ import annotations

from dataclasses import dataclass

from dolmen.core.errors import ConfigError
from dolmen.gateway.auth.accounts import ROOT_ACCOUNT_ID
from dolmen.gateway.kms.names import DEFAULT_KEY, S3_KEY, key_arn, named_by_client
from dolmen.gateway.kms.sealed_keys import KMS_ALGORITHMS, SSE_S3
from dolmen.gateway.kms.service import KeyService


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionOptions:
    """Part of a gateway's services. Without ``keys`` only SSE-C is there."""

    keys: KeyService | None = None
    default_algorithm: str = ""  # of buckets that say nothing; "": new objects are not encrypted
    default_key: str = S3_KEY
    customer_keys_need_tls: bool = False
    region: str = "us-east-1"

    def arn(self, name: str) -> str:
        """How answers show a key; the keys belong to the store, so to its root account."""
        return key_arn(self.region, ROOT_ACCOUNT_ID, name)


def default_encryption(text: str) -> tuple[str, str]:
    """The setting ``none``, ``AES256``, ``aws:kms`` or ``aws:kms:dsse``, the latter two with ``=KEY``: (algorithm, key).

    Raises ``ConfigError``.
    """
    algorithm, separator, key = text.partition("=")
    if algorithm == "none" and not separator:
        return "", S3_KEY
    if algorithm == SSE_S3 and not separator:
        return SSE_S3, S3_KEY
    name = named_by_client(key) if separator else DEFAULT_KEY
    if algorithm not in KMS_ALGORITHMS or name is None:
        raise ConfigError(f"{text!r} is none of none, AES256, aws:kms, aws:kms=KEY, aws:kms:dsse, aws:kms:dsse=KEY")
    return algorithm, name
