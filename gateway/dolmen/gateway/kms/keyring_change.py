"""Changes of the keyring's file by an operator: by one process at a time, and whole or not at all.

A key that was lost here would be lost for everything that it wrapped.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dolmen.core.durable_file import write_durably
from dolmen.core.errors import ConfigError, Unavailable
from dolmen.gateway.kms.keyring import parse_keyring, read_keyring

LOCK_ATTEMPTS_MAX = 8  # races with processes that replace the file
_MODE_MOST = 0o640  # the group may go on reading it where it could; nobody else ever


class KeyringText:
    """The text of the file while nobody else changes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.text = path.read_text("ascii")

    def replace(self, text: str) -> None:
        """Durable when this returns. Raises ``ConfigError`` for a text that is no keyring, and a file that cannot be written."""
        parse_keyring(text, f"encryption key file {self._path}")
        try:
            found = self._path.stat()
            mode = stat.S_IMODE(found.st_mode) & _MODE_MOST | 0o600
            owner = (found.st_uid, found.st_gid)
            mine = (os.geteuid(), os.getegid())
            write_durably(self._path, text.encode("ascii"), mode=mode, owner=None if owner == mine else owner)
        except OSError as error:
            raise ConfigError(
                f"encryption key file {self._path} cannot be changed here ({error.strerror}): change it where it comes from"
            ) from error
        self.text = text


@contextmanager
def changing(path: Path) -> Iterator[KeyringText]:
    """Nobody else changes the file meanwhile. Raises ``ConfigError``, ``Unavailable`` (somebody does)."""
    read_keyring(path)  # tells what is wrong with it
    real = path.resolve()  # a link stays a link
    for _ in range(LOCK_ATTEMPTS_MAX):
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino != real.stat().st_ino:
                continue  # it was replaced in between: the lock must be on the file that has the name
            yield KeyringText(real)
            return
        except BlockingIOError:
            break
        finally:
            os.close(descriptor)
    raise Unavailable(f"encryption key file {path}: another process changes it")
