"""What processes that use keys are told about them: gateways, maintenance, ``dolmen kms``."""

from __future__ import annotations

import argparse
from pathlib import Path

from dolmen.core.settings import Setting
from dolmen.gateway.kms.choose import KmsSettings

KMS_SETTINGS: tuple[Setting, ...] = (
    Setting(
        flag="encryption-key-file",
        help="Keyring that wraps the keys of the local key service: SSE-S3 and SSE-KMS need it, or a key server",
        unit="path",
        parse=Path,
    ),
    Setting(flag="kms-vault-url", help="Vault or OpenBao server whose transit engine keeps the keys", default="", unit="URL"),
    Setting(flag="kms-vault-token-file", help="File with the token for it", unit="path", parse=Path),
    Setting(flag="kms-vault-mount", help="Where its transit engine is mounted", default="transit", unit="path"),
    Setting(flag="kms-vault-namespace", help="Its namespace", default="", unit="name"),
    Setting(flag="kms-vault-ca-file", help="Certificates to check it with, not the system's", unit="path", parse=Path),
)


def kms_settings(arguments: argparse.Namespace) -> KmsSettings:
    """The part of parsed settings that is about keys."""
    return KmsSettings(
        keyring_file=arguments.encryption_key_file,
        vault_url=arguments.kms_vault_url,
        vault_token_file=arguments.kms_vault_token_file,
        vault_mount=arguments.kms_vault_mount,
        vault_namespace=arguments.kms_vault_namespace,
        vault_ca_file=arguments.kms_vault_ca_file,
    )
