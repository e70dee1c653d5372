"""The cluster's encryption keys, in a file (or a mounted Secret) outside of the store: they wrap the keys of the local key service.

Lines of ``ID:BASE64 OF 32 BYTES``; the first one wraps, all of them unwrap. To rotate, put a new line first everywhere, let
the key service wrap its keys anew, and only then remove the old line.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from dolmen.core.errors import ConfigError, Corruption, Unavailable
from dolmen.gateway.kms.envelope import WrongKey, enclose, unclose
from dolmen.gateway.objects.sealing import KEY_BYTES

KEYS_MAX = 64  # of a keyring: more of them are rotations that nobody finished
FILE_BYTES_MAX = KEYS_MAX * 256
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9+/]{43}=)", re.ASCII)


class KeyringLacksKey(Unavailable):
    """The keyring does not have the key that wrapped something; nothing is lost, somebody must bring it back."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id; the first one is current."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def current_id(self) -> str:
        return next(iter(self.keys))

    @property
    def old_ids(self) -> list[str]:
        """Those that were current before."""
        return [key_id for key_id in self.keys if key_id != self.current_id and not self.is_prepared(key_id)]

    def is_prepared(self, key_id: str) -> bool:
        """Whether a key was made to become the current one later."""
        return _number_of(key_id) > _number_of(self.current_id) > 0

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        """``key`` under the current key, tied to ``bound``."""
        name = self.current_id
        return name.encode() + b":" + enclose(self.keys[name], key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        """Raises ``KeyringLacksKey``, ``Corruption``."""
        name = wrapped_by(wrapped)
        if name not in self.keys:
            raise KeyringLacksKey(f"the encryption keyring has no key {name!r}")
        try:
            return unclose(self.keys[name], wrapped.partition(b":")[2], bound)
        except WrongKey:
            raise Corruption(f"a key wrapped by the encryption key {name!r} does not open") from None


def wrapped_by(wrapped: bytes) -> str:
    """The id of the key of the ring that wrapped this."""
    return wrapped.partition(b":")[0].decode("ascii", "replace")


def new_line(key_id: str) -> str:
    """A line of a keyring with a fresh key. Raises ``ConfigError`` for an id of another form."""
    line = f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"
    if _LINE.fullmatch(line) is None:
        raise ConfigError(f"{key_id!r} is no id of an encryption key: letters, digits, '.', '_' and '-', 64 at most")
    return line


def new_keyring() -> str:
    """The text of a fresh keyring with one key."""
    return new_line("key-1") + "\n"


def rotated(text: str) -> str:
    """The text of a keyring with a fresh key before the others. Raises ``ConfigError``."""
    return f"{_next_line(text)}\n{text}"


def prepared(text: str) -> str:
    """The text of a keyring with a fresh key behind the others: it wraps nothing yet. Raises ``ConfigError``."""
    return f"{text.rstrip()}\n{_next_line(text)}\n"


def _next_line(text: str) -> str:
    known = parse_keyring(text, "the keyring").keys
    return new_line(f"key-{1 + max(len(known), *(_number_of(name) for name in known))}")


def _number_of(key_id: str) -> int:
    """Of ``key-N``, as made here; 0 of other ids."""
    found = re.fullmatch(r"key-(\d{1,9})", key_id)
    return 0 if found is None else int(found[1])


def with_first(text: str, key_id: str) -> str:
    """The text of a keyring in which this key is the current one. Raises ``ConfigError``."""
    if key_id not in parse_keyring(text, "the keyring").keys:
        raise ConfigError(f"the keyring has no key {key_id!r}")
    lines = text.splitlines()
    first = next(line for line in lines if _id_of(line) == key_id)
    return "\n".join([first, *(line for line in lines if line is not first), ""])


def without(text: str, key_ids: Collection[str]) -> str:
    """The text of a keyring without these keys."""
    return "\n".join([*(line for line in text.splitlines() if _id_of(line) not in key_ids), ""])


def _id_of(line: str) -> str:
    """Of a line with a key; "" of any other."""
    found = _LINE.fullmatch(line.strip())
    return "" if found is None else found[1]


def parse_keyring(text: str, what: str) -> Keyring:
    """Raises ``ConfigError`` with one line that tells nothing of the keys."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        try:
            key = base64.b64decode(found[2], validate=True) if found is not None else b""
        except binascii.Error:
            key = b""
        if found is None or len(key) != KEY_BYTES:
            raise ConfigError(f"{what}, line {number}: not of the form ID:BASE64 with {KEY_BYTES} bytes")
        if found[1] in keys:
            raise ConfigError(f"{what}, line {number}: the id {found[1]!r} is there twice")
        keys[found[1]] = key
    if not 0 < len(keys) <= KEYS_MAX:
        raise ConfigError(f"{what} has {len(keys)} keys: 1 to {KEYS_MAX} are needed")
    return Keyring(keys)


def read_keyring(path: Path) -> Keyring:
    """Raises ``ConfigError`` with one line."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"encryption key file {path}: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(f"encryption key file {path} is longer than {FILE_BYTES_MAX} bytes")
    return parse_keyring(raw.decode("ascii", "replace"), f"encryption key file {path}")


class KeyringFile:
    """A keyring that notices when its file is replaced: a Secret is updated under running processes."""

    def __init__(self, path: Path) -> None:
        """Raises ``ConfigError``."""
        self._path = path
        self._ring = read_keyring(path)

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        """Under the current key of the file as it is now. Raises ``KeyringLacksKey`` when it cannot be read."""
        self.reload()
        return self._ring.wrap(key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        """Raises ``KeyringLacksKey``, ``Corruption``."""
        if wrapped_by(wrapped) not in self._ring.keys:
            self.reload()
        return self._ring.unwrap(wrapped, bound)

    def wrapped_by_current(self, wrapped: bytes) -> bool:
        return wrapped_by(wrapped) == self._ring.current_id

    def reload(self) -> None:
        """Read the file again. Raises ``KeyringLacksKey`` when it is not usable; the keys known stay."""
        try:
            self._ring = read_keyring(self._path)
        except ConfigError as error:
            raise KeyringLacksKey(str(error)) from error
