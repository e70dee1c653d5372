"""The metadata backend that a setting names."""

from __future__ import annotations

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.embedded.store import EmbeddedStore


def metadata_path(text: str) -> str:
    """The file of ``embedded:PATH``. Raises ``ConfigError`` for a backend that does not exist."""
    kind, _, path = text.partition(":")
    if kind != "embedded" or not path:
        raise ConfigError(f"metadata {text!r} is not of the form embedded:PATH")
    return path


def open_metadata(text: str, clock: Clock, grace_seconds: float) -> EmbeddedStore:
    """Not open yet. ``grace_seconds``: how long what this process notes as garbage stays readable. Raises ``ConfigError``."""
    return EmbeddedStore(metadata_path(text), clock, garbage_grace_seconds=grace_seconds)
