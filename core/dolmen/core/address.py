"""Where a process listens: ``host:port`` or ``unix:path``."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from dolmen.core.errors import ConfigError

UNIX_PATH_BYTES_MAX = 107  # sun_path of Linux, less the final zero
# A fragment crosses in one or two system calls on each side instead of five with a wake-up between them (a third of the CPU).
SOCKET_BUFFER_BYTES = 512 * 1024


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


def enlarge_buffers(transport: asyncio.BaseTransport) -> None:
    """Room for a whole fragment in the kernel, on Unix sockets; TCP grows its buffers by itself. The system may grant less."""
    link: socket.socket | None = transport.get_extra_info("socket")
    if link is not None and link.family == socket.AF_UNIX:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
