"""The listening sockets of ``dolmen dev``, made by the supervisor so that they outlive a worker.

Each gateway worker has its own socket on the same port (``SO_REUSEPORT``: the kernel spreads connections). While a worker is
down its socket stays open here: nothing is refused, and ``steering`` sends new connections to the others.
"""

from __future__ import annotations

import errno
import socket
import time

from dolmen.cli.dev.home import InUse
from dolmen.core.address import TcpAddress, parse_address
from dolmen.core.errors import ConfigError

BACKLOG = 2048  # connections that wait for a worker; the kernel cuts it at net.core.somaxconn
PORT_WAIT_SECONDS = 2.0  # processes of a killed supervisor may need a moment to go


def bind_workers(listen: str, workers: int) -> list[socket.socket]:
    """One listening socket for each worker. Port 0: a free one, the same for all. Raises ``InUse``, ``ConfigError``."""
    address = tcp_address(listen)
    _check_free(address)
    first = _listening(address.host, address.port, listen, share_port=True)
    port = port_of(first)
    return [first, *(_listening(address.host, port, listen, share_port=True) for _ in range(workers - 1))]


def bind_one(listen: str) -> socket.socket:
    """A listening socket of its own. Raises ``InUse``, ``ConfigError``."""
    address = tcp_address(listen)
    _check_free(address)
    return _listening(address.host, address.port, listen, share_port=False)


def tcp_address(listen: str) -> TcpAddress:
    """Raises ``ConfigError`` when it is not host:port."""
    address = parse_address(listen)
    if not isinstance(address, TcpAddress):
        raise ConfigError(f"{listen!r} is not of the form HOST:PORT")
    return address


def port_of(listener: socket.socket) -> int:
    """The port it is bound to."""
    return int(listener.getsockname()[1])


def reachable_host(host: str) -> str:
    """The host to dial for a socket that listens on ``host``: a wildcard is reached over loopback."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)


def url_of(listen: str, listener: socket.socket) -> str:
    """The URL under which this machine reaches the socket."""
    host = reachable_host(tcp_address(listen).host)
    return f"http://[{host}]:{port_of(listener)}" if ":" in host else f"http://{host}:{port_of(listener)}"


def _check_free(address: TcpAddress) -> None:
    """A shared port can be bound by two clusters at once; only a bind without sharing notices."""
    if address.port == 0:
        return
    deadline = time.monotonic() + PORT_WAIT_SECONDS
    while True:
        try:
            _listening(address.host, address.port, f"{address.host}:{address.port}", share_port=False).close()
        except InUse:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _listening(host: str, port: int, listen: str, *, share_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"{listen} is in use by another program") from error
        raise ConfigError(f"cannot listen on {listen}: {error.strerror or error}") from error
    return listener
