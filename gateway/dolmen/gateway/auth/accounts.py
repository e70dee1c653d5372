"""The accounts of a store, read once from TOML: who owns which access key.

A file of declared accounts:

    [[account]]
    id = "123456789012"          # 12 digits
    canonical_id = "..."         # 64 hex digits, lower case
    display_name = "alice"
    email = "alice@example.com"
    tenant = "blue"              # optional: a bucket namespace of its own

    [[account.key]]
    access_key_id = "..."
    secret_access_key = "..."

The keys of root lie in a file of their own, ``access_key_id`` and ``secret_access_key`` at its top level.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dolmen.core.errors import ConfigError

ROOT_ACCOUNT_ID = "000000000000"
# Stable over restarts, machines and changes of the root keys: objects keep their owner.
ROOT_CANONICAL_ID = hashlib.sha256(b"dolmen/root-account/" + ROOT_ACCOUNT_ID.encode()).hexdigest()
_FILE_BYTES_MAX = 16 << 20  # some 50,000 accounts; more belong into IAM, not into a file

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_CANONICAL_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)  # no ":": it separates tenant and bucket
# What clients can send in a scope: no "/" (separator), no "," or blanks (the header's grammar).
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_.\-]{3,128}", re.ASCII)
_SECRET = re.compile(r"[\x21-\x7e]{8,256}", re.ASCII)
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}")

# field: (shape, what it has to be)
_Shapes = Mapping[str, tuple[re.Pattern[str], str]]
_ACCOUNT_FIELDS: _Shapes = {
    "id": (_ACCOUNT_ID, "12 digits"),
    "canonical_id": (_CANONICAL_ID, "64 lower-case hexadecimal digits"),
    "display_name": (_NAME, "1 to 128 printable characters"),
    "email": (_EMAIL, "an e-mail address"),
    "tenant": (_TENANT, "1 to 63 lower-case letters, digits and hyphens"),
}
_KEY_FIELDS: _Shapes = {
    "access_key_id": (_ACCESS_KEY_ID, "3 to 128 letters, digits, '_', '.' and '-'"),
    "secret_access_key": (_SECRET, "8 to 256 printable ASCII characters without blanks"),
}
_OPTIONAL_FIELDS = frozenset({"tenant"})


@dataclass(frozen=True, slots=True)
class Account:
    """Who a key belongs to."""

    account_id: str  # 12 digits
    canonical_id: str  # 64 hex digits: the Owner/ID of S3's answers
    display_name: str
    email: str
    tenant: str = ""  # "" is the default namespace
    is_root: bool = False


@dataclass(slots=True)
class Accounts:
    """All accounts and their keys. Not changed after it was loaded."""

    _by_key: dict[str, tuple[Account, str]] = field(default_factory=dict, repr=False)
    _by_id: dict[str, Account] = field(default_factory=dict)

    def find_key(self, access_key_id: str) -> tuple[Account, str] | None:
        """(account, secret access key), or None for an unknown key."""
        return self._by_key.get(access_key_id)

    def by_id(self, account_id: str) -> Account | None:
        """The account with this 12-digit id."""
        return self._by_id.get(account_id)

    def all(self) -> tuple[Account, ...]:
        """Every account, root first."""
        return tuple(self._by_id.values())



def stored_bucket_name(account: Account, name: str) -> str:
    """What a bucket is called in the metadata: ``tenant:name`` in a tenant's namespace, else the name.

    A client names a bucket of its own tenant plainly, any other as ``tenant:name``; ``:name`` is in the default namespace.
    """
    if ":" in name:
        return name.removeprefix(":")
    return f"{account.tenant}:{name}" if account.tenant else name


def load_accounts(root_keys_file: Path, accounts_file: Path | None) -> Accounts:
    """Root and the declared accounts. Raises ``ConfigError`` with one line that names file, place and mistake."""
    root = Account(ROOT_ACCOUNT_ID, ROOT_CANONICAL_ID, "root", "root@localhost", is_root=True)
    builder = _Builder()
    builder.add(root, f"{root_keys_file}")
    builder.add_key(root, _fields(_table(root_keys_file), _KEY_FIELDS, f"{root_keys_file}"), f"{root_keys_file}")
    if accounts_file is not None:
        _read_declared(accounts_file, builder)
    return Accounts(builder.by_key, builder.by_id)


def _read_declared(path: Path, builder: _Builder) -> None:
    table = _table(path)
    _refuse_unknown(table, ("account",), f"{path}")
    for number, entry in enumerate(_tables(table.get("account", []), f"{path}: account"), 1):
        place = f"{path}: account {number}"
        keys = entry.pop("key", [])
        found = _fields(entry, _ACCOUNT_FIELDS, place)
        account = Account(
            account_id=found["id"],
            canonical_id=found["canonical_id"],
            display_name=found["display_name"],
            email=found["email"],
            tenant=found.get("tenant", ""),
        )
        builder.add(account, place)
        for key_number, key in enumerate(_tables(keys, f"{place}: key"), 1):
            key_place = f"{place}, key {key_number}"
            builder.add_key(account, _fields(key, _KEY_FIELDS, key_place), key_place)


class _Builder:
    """Collects accounts and refuses whatever would make two of them look alike."""

    def __init__(self) -> None:
        self.by_key: dict[str, tuple[Account, str]] = {}
        self.by_id: dict[str, Account] = {}
        self._seen: dict[tuple[str, str], str] = {}  # (field, value): where it was first

    def add(self, account: Account, place: str) -> None:
        for name, value in (
            ("id", account.account_id),
            ("canonical_id", account.canonical_id),
            ("email", account.email.lower()),
        ):
            self._once(name, value, place)
        self.by_id[account.account_id] = account

    def add_key(self, account: Account, key: Mapping[str, str], place: str) -> None:
        self._once("access_key_id", key["access_key_id"], place)
        self.by_key[key["access_key_id"]] = (account, key["secret_access_key"])

    def _once(self, name: str, value: str, place: str) -> None:
        before = self._seen.setdefault((name, value), place)
        if before is not place:
            raise ConfigError(f"{place}: {name} {value!r} is already used by {before}")


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    if len(text) > _FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {_FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error


def _tables(value: object, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ConfigError(f"{place}: must be an array of tables ([[...]])")
    return value


def _refuse_unknown(table: Mapping[str, object], known: Collection[str], place: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"{place}: unknown field {name!r}")


def _fields(table: Mapping[str, object], shapes: _Shapes, place: str) -> dict[str, str]:
    """The fields of a table, each of its shape. A secret's value is never in a message."""
    _refuse_unknown(table, shapes, place)
    found: dict[str, str] = {}
    for name, (shape, wanted) in shapes.items():
        value = table.get(name)
        if value is None:
            if name in _OPTIONAL_FIELDS:
                continue
            raise ConfigError(f"{place}: {name} is missing")
        if not isinstance(value, str) or shape.fullmatch(value) is None:
            raise ConfigError(f"{place}: {name} must be {wanted}")
        found[name] = value
    return found
