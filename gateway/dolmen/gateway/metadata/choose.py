"""The metadata backend that a setting names: a file on this machine, or a Cassandra cluster."""

from __future__ import annotations

from pathlib import Path

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import SCHEME, parse_address
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.store import MetadataStore

METADATA_UNIT = "embedded:PATH or cassandra://HOST,HOST/KEYSPACE"  # of every setting that names a backend


def require_existing(text: str) -> None:
    """For commands that must not make an empty store by a slip of the pen. Raises ``ConfigError``."""
    path = _path(text)
    if path is not None and not Path(path).is_file():
        raise ConfigError(f"there is no metadata file {path}")


def open_metadata(text: str, clock: Clock, grace_seconds: float) -> MetadataStore:
    """Not open yet. ``grace_seconds``: how long what this process notes as garbage stays readable. Raises ``ConfigError``."""
    path = _path(text)
    if path is not None:
        return EmbeddedStore(path, clock, garbage_grace_seconds=grace_seconds)
    # Only who uses a cluster pays for its driver: 20 MB, and half a second of a start.
    from dolmen.gateway.metadata.cassandra.store import CassandraStore  # noqa: PLC0415 - see above

    return CassandraStore(parse_address(text), clock, garbage_grace_seconds=grace_seconds)


def _path(text: str) -> str | None:
    """The file of ``embedded:PATH``; None for a cluster. Raises ``ConfigError`` for a backend that does not exist."""
    kind, _, rest = text.partition(":")
    if kind == SCHEME:
        return None
    if kind != "embedded" or not rest:
        raise ConfigError(f"metadata {text!r} is not of the form {METADATA_UNIT}")
    return rest
