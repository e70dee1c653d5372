"""AES-256-GCM over secrets of access keys and over session tokens, with keys derived from the store's session key."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SESSION_KEY_BYTES = 32
_NONCE_BYTES = 12  # random: safe for 2^32 messages of a key
_VERSION = b"\x01"


class Sealer:
    """Seals bytes for one purpose; ``bound`` is authenticated with them and must be the same to open them."""

    def __init__(self, session_key: bytes, purpose: str) -> None:
        if len(session_key) < SESSION_KEY_BYTES:
            raise ValueError("the session key is shorter than 32 bytes")
        derived = HKDF(SHA256(), 32, salt=None, info=f"dolmen/iam/{purpose}".encode()).derive(session_key)
        self._cipher = AESGCM(derived)

    def seal(self, plain: bytes, bound: bytes = b"") -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes = b"") -> bytes | None:
        """None when these bytes were not sealed with this key for this purpose and ``bound``."""
        if sealed[:1] != _VERSION:
            return None
        start = 1 + _NONCE_BYTES
        try:
            return self._cipher.decrypt(sealed[1:start], sealed[start:], bound)
        except (InvalidTag, ValueError):
            return None
