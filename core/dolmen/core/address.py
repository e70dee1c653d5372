"""Where a process listens: ``host:port`` or ``unix:path``."""

from __future__ import annotations

from dataclasses import dataclass

from dolmen.core.errors import ConfigError

UNIX_PATH_BYTES_MAX = 107  # sun_path of Linux, less the final zero


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: str


def parse_address(text: str) -> TcpAddress | UnixAddress:
    """Raises ``ConfigError`` with one line when ``text`` is neither form."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or len(path.encode()) > UNIX_PATH_BYTES_MAX:
            raise ConfigError(f"address {text!r}: the path of a Unix socket has 1 to {UNIX_PATH_BYTES_MAX} bytes")
        return UnixAddress(path)
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"address {text!r} is neither HOST:PORT nor unix:PATH")
    return TcpAddress(host, int(port))
