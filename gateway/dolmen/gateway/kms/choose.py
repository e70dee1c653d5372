"""The key service that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.kms.keyring import KeyringFile
from dolmen.gateway.kms.local import LocalKeys
from dolmen.gateway.kms.migrating import MigratingKeys
from dolmen.gateway.kms.service import KeyService
from dolmen.gateway.kms.vault import VaultAddress, VaultKeys
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.outbound import Outbound


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsSettings:
    """What an operator says about keys. All of it may be missing: then requests for encryption are refused."""

    keyring_file: Path | None = None  # of the local key service
    vault_url: str = ""  # of Vault or OpenBao, which is then used instead
    vault_token_file: Path | None = None
    vault_mount: str = "transit"
    vault_namespace: str = ""
    vault_ca_file: Path | None = None


def key_service(settings: KmsSettings, store: MetadataStore, clock: Clock) -> KeyService | None:
    """None when neither is set. With both, new keys come from Vault, and what the local service sealed stays readable.

    Raises ``ConfigError``.
    """
    local = None if settings.keyring_file is None else LocalKeys(store, KeyringFile(settings.keyring_file), clock)
    if not settings.vault_url:
        return local
    if settings.vault_token_file is None:
        raise ConfigError("a key server needs a file with the store's token")
    address = VaultAddress(settings.vault_url, settings.vault_token_file, settings.vault_mount, settings.vault_namespace)
    vault = VaultKeys(address, Outbound(settings.vault_ca_file), clock)
    return vault if local is None else MigratingKeys(vault, local)
