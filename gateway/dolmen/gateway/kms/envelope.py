"""One key under another: AES-256-GCM under HKDF-SHA256(outer key, salt), so that no outer key ever meets a nonce twice."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dolmen.gateway.objects.sealing import KEY_BYTES, TAG_BYTES

SALT_BYTES = 32  # random: a fresh inner key for each envelope, which is then used once
ENVELOPE_BYTES = SALT_BYTES + KEY_BYTES + TAG_BYTES
_NONCE = bytes(12)  # of a key that is used once


class WrongKey(Exception):
    """The envelope was changed, or was made under another key or with other bound data."""


def enclose(outer: bytes, key: bytes, bound: bytes) -> bytes:
    """``key`` under ``outer``, tied to ``bound``."""
    salt = os.urandom(SALT_BYTES)
    return salt + _cipher(outer, salt).encrypt(_NONCE, key, bound)


def unclose(outer: bytes, envelope: bytes, bound: bytes) -> bytes:
    """The key inside. Raises ``WrongKey``."""
    if len(envelope) != ENVELOPE_BYTES:
        raise WrongKey
    salt, sealed = envelope[:SALT_BYTES], envelope[SALT_BYTES:]
    try:
        return _cipher(outer, salt).decrypt(_NONCE, sealed, bound)
    except InvalidTag:
        raise WrongKey from None


def _cipher(outer: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=salt, info=b"dolmen/envelope").derive(outer))
