"""The embedded file as ``dolmen metadata`` works on it."""

from __future__ import annotations

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.embedded.database import SqliteError, connect, integer, translated
from dolmen.gateway.metadata.embedded.follow import FollowedFile
from dolmen.gateway.metadata.embedded.listcheck import CheckedFile


class ToolFile(FollowedFile, CheckedFile):
    """The store with all that commands need. Opening it brings its schema up to date."""


def schema_of(path: str) -> int:
    """Version of a file's schema, which stays as it is; 0 before the first. Raises ``ConfigError`` for what is no such file."""
    try:
        connection = connect(path, readonly=True)
        try:
            return integer(connection.execute("PRAGMA user_version").fetchall()[0][0])
        finally:
            connection.close()
    except SqliteError as error:
        raise ConfigError(f"metadata file {path} cannot be used: {' '.join(str(error).split())}") from error


def integrity_of(path: str) -> list[str]:
    """What SQLite itself finds wrong in the file, at most 100 lines; reads all of it, as it was at one instant."""
    with translated():
        connection = connect(path, readonly=True)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchall()]
        finally:
            connection.close()
    return [] if found == ["ok"] else found
