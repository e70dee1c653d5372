"""Names of the keys that are listed: a fifth flat under ``flat/``, the others in 100 folders under ``tree/``."""

from __future__ import annotations

FOLDERS = 100
FLAT_SHARE = 5  # one in five


def flat_keys(keys: int) -> int:
    """How many of ``keys`` lie under ``flat/``."""
    return keys // FLAT_SHARE


def key_of(index: int, keys: int) -> str:
    """The index-th of ``keys`` keys in byte order, which is that of the index."""
    flat = flat_keys(keys)
    if index < flat:
        return f"flat/{index:08d}"
    per_folder = (keys - flat) // FOLDERS
    folder = min(FOLDERS - 1, (index - flat) // per_folder)
    return f"tree/{folder:02d}/{index - flat - folder * per_folder:08d}"
