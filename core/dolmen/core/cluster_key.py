"""The secret that the processes of a cluster share."""

from __future__ import annotations

from pathlib import Path

from dolmen.core.errors import ConfigError

KEY_BYTES_MIN = 32  # of HMAC-SHA256: a shorter key is weaker than the hash


def read_cluster_key(path: Path) -> bytes:
    """Raises ``ConfigError`` with one line."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"cluster key {path}: {error.strerror}") from error
    if len(key) < KEY_BYTES_MIN:
        raise ConfigError(f"cluster key {path} is shorter than {KEY_BYTES_MIN} bytes")
    return key
