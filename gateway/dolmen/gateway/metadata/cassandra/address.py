"""Where the metadata cluster is and how it is reached: the URL of the setting, read once. No I/O.

``cassandra://host[:port],[ipv6]:port/keyspace?local_dc=dc1&replication_min=3&...``. Secrets are never part of it: a URL is
seen in process lists and logs, so that the name and password stand in ``credentials_file`` (lines ``username=NAME`` and
``password=PASSWORD``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.dialect import DIALECTS, Dialect

SCHEME = "cassandra"
DEFAULT_PORT = 9042
LOCAL_DC_DEFAULT = "datacenter1"  # what Cassandra calls the only data centre when nobody named it
REPLICATION_MIN_DEFAULT = 3  # fewer copies do not survive the loss of a node without losing the quorum
CACHE_SECONDS_DEFAULT = 1.0  # bucket records are read on every request; a change of one waits for as long
CONTACT_POINTS_MAX = 64  # they are only for the first connection: the cluster tells of all its nodes

_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")  # unquoted, and the 48 characters that Cassandra allows
_DC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # goes into the text of CREATE KEYSPACE
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraAddress:
    """A cluster, a keyspace in it, and how to speak with it."""

    contact_points: tuple[tuple[str, int], ...]  # host name or IP (IPv6 without brackets), port
    keyspace: str
    local_dc: str = LOCAL_DC_DEFAULT
    credentials_file: str | None = None
    tls_ca_file: str | None = None  # TLS when given: nobody else's certificates are trusted
    tls_certificate_file: str | None = None  # of this client, when the cluster asks for one
    tls_key_file: str | None = None
    replication_min: int = REPLICATION_MIN_DEFAULT  # copies in the local data centre, below which a gateway is not ready
    cache_seconds: float = CACHE_SECONDS_DEFAULT
    dialect: Dialect = DIALECTS["cassandra"]


def parse_address(url: str) -> CassandraAddress:
    """The address that ``url`` means. Raises ``ConfigError`` with one line; the line never repeats a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"metadata: this is no URL: {error}") from None
    if parts.scheme != SCHEME:
        raise ConfigError(f"metadata: a URL of the form {SCHEME}://HOST,HOST/KEYSPACE is needed")
    if "@" in parts.netloc:
        raise ConfigError("metadata: a URL holds no name and password; put them into a file and name it with credentials_file=PATH")
    if parts.fragment:
        raise ConfigError("metadata: a URL ends with its parameters, without #")
    options = _options(parts.query)
    if (options.get("tls_certificate_file") is None) != (options.get("tls_key_file") is None):
        raise ConfigError("metadata: tls_certificate_file and tls_key_file belong together")
    if "tls_certificate_file" in options and "tls_ca_file" not in options:
        raise ConfigError("metadata: tls_certificate_file needs tls_ca_file: without it there is no TLS")
    return CassandraAddress(contact_points=_contact_points(parts.netloc), keyspace=_keyspace(parts.path), **options)


def _contact_points(netloc: str) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for text in netloc.split(","):
        match = _HOST.fullmatch(text)
        if match is None:
            raise ConfigError(f"metadata: {text!r} is no contact point: HOST, HOST:PORT or [IPV6]:PORT, with commas between them")
        port = int(match["port"] or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise ConfigError(f"metadata: {port} is no port")
        found.append((match["six"] or match["name"], port))
    if len(found) > CONTACT_POINTS_MAX:
        raise ConfigError(f"metadata: {len(found)} contact points; at most {CONTACT_POINTS_MAX} are of use")
    return tuple(dict.fromkeys(found))


def _keyspace(path: str) -> str:
    name = path.removeprefix("/")
    if not _KEYSPACE.fullmatch(name):
        raise ConfigError(f"metadata: {name!r} is no keyspace: a small letter, then small letters, digits or _, at most 48 in all")
    return name


def _options(query: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=len(_OPTIONS) * 2)
    except ValueError:
        raise ConfigError("metadata: parameters have the form NAME=VALUE, with & between them") from None
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in _OPTIONS:
            raise ConfigError(f"metadata: there is no parameter {name!r}; there are {', '.join(sorted(_OPTIONS))}")
        if name in found:
            raise ConfigError(f"metadata: {name} is given twice")
        try:
            found[name] = _OPTIONS[name](text)
        except ValueError as error:
            raise ConfigError(f"metadata: {name}: {error}") from None
    return found


def _file(text: str) -> str:
    if not text:
        raise ValueError("a path is needed")
    return text


def _local_dc(text: str) -> str:
    if not _DC.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a data centre")
    return text


def _replication_min(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text) or not int(text):
        raise ValueError(f"{text!r} is no number of copies (1 to 99)")
    return int(text)


def _cache_seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) > 60:
        raise ValueError(f"{text!r} is no number of seconds (0 to 60)")
    return float(text)


def _dialect(text: str) -> Dialect:
    if text not in DIALECTS:
        raise ValueError(f"{text!r} is none of {', '.join(DIALECTS)}")
    return DIALECTS[text]


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "local_dc": _local_dc,
    "credentials_file": _file,
    "tls_ca_file": _file,
    "tls_certificate_file": _file,
    "tls_key_file": _file,
    "replication_min": _replication_min,
    "cache_seconds": _cache_seconds,
    "dialect": _dialect,
}


def parse_credentials(text: str) -> tuple[str, str]:
    """Name and password from the text of ``credentials_file``. Raises ``ConfigError``; its line shows nothing of the file."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        name = name.strip()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or name not in ("username", "password") or name in found:
            raise ConfigError("credentials_file: one line username=NAME and one line password=PASSWORD are needed")
        found[name] = value if name == "password" else value.strip()
    if len(found) != 2 or not all(found.values()):
        raise ConfigError("credentials_file: one line username=NAME and one line password=PASSWORD are needed")
    return found["username"], found["password"]
