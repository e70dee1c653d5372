"""The composition root of a gateway process: the only place where implementations are chosen and wired."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from dolmen.core.address import TcpAddress, parse_address
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.erasure import require_isal
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.ids import StripeIds
from dolmen.core.process import tune_malloc
from dolmen.core.telemetry.admin import AdminServer
from dolmen.core.telemetry.log import configure, get_logger
from dolmen.datanode.client import DatanodeClient
from dolmen.gateway.auth.accounts import Accounts, load_accounts
from dolmen.gateway.http import metrics
from dolmen.gateway.http.door import FrontDoor
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.stripe_write import StripeWriter
from dolmen.gateway.services import Services

WRITE_BUDGET_BYTES = 96 << 20  # stripes on their way to disks, with their fragments: keeps RSS under 300 MiB
READ_BUDGET_BYTES = 48 << 20  # stripes read ahead of slow clients
HASH_THREADS = 2  # digests of large bodies; more threads than cores only wait for each other
KEEP_ALIVE_SECONDS = 75  # idle client connections; above the 60 s of common load balancers
DRAIN_SECONDS = 20  # requests in flight may finish after SIGTERM
BACKLOG = 1024
HEADER_BYTES_MAX = 64 * 1024  # a signed request with 2 KB of metadata and a 1 KB key is far below


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(prog="dolmen gateway", description="Serve S3.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--listen", help="HOST:PORT")
    where.add_argument("--listen-fd", type=int, help="an inherited listening socket")
    parser.add_argument("--metadata", required=True, help="embedded:PATH")
    parser.add_argument("--cluster-id", required=True)
    parser.add_argument("--cluster-key-file", required=True, type=Path)
    parser.add_argument("--accounts", type=Path, help="TOML file of declared accounts")
    parser.add_argument("--root-keys-file", required=True, type=Path)
    parser.add_argument("--admin-listen", required=True)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--domain", action="append", default=[], help="virtual-host domain of buckets")
    parser.add_argument("--garbage-grace-seconds", type=float, default=60.0)
    parser.add_argument("--log-level", default="info")
    return parser.parse_args(argv)


class OneLineParser(argparse.ArgumentParser):
    """A wrong command line is told in one line, exit code 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ConfigError(f"{self.prog}: {message}")


def open_metadata(url: str, clock: Clock, grace_seconds: float) -> MetadataStore:
    """Choose the backend by its URL: ``embedded:PATH``."""
    kind, _, rest = url.partition(":")
    if kind == "embedded" and rest:
        return EmbeddedStore(rest, clock, garbage_grace_seconds=grace_seconds)
    raise ConfigError(f"metadata {url!r} is not of the form embedded:PATH")


def read_key(path: Path) -> bytes:
    """The cluster key; raises ``ConfigError`` when it cannot be read or is too short."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"cluster key {path}: {error.strerror}") from error
    if len(key) < 32:
        raise ConfigError(f"cluster key {path}: shorter than 32 bytes")
    return key


def _accounts(arguments: argparse.Namespace) -> Accounts:
    return load_accounts(arguments.root_keys_file, arguments.accounts)


def _socket(arguments: argparse.Namespace) -> socket.socket:
    if arguments.listen_fd is not None:
        return socket.socket(fileno=arguments.listen_fd)
    address = parse_address(arguments.listen)
    if not isinstance(address, TcpAddress):
        raise ConfigError(f"--listen {arguments.listen!r} is not HOST:PORT")
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        raise ConfigError(f"cannot listen on {arguments.listen}: {error.strerror}") from error
    listener.listen(BACKLOG)
    return listener


class Gateway:
    """One gateway process."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        clock = SystemClock()
        self._arguments = arguments
        self._log = get_logger("gateway")
        self._store = open_metadata(arguments.metadata, clock, arguments.garbage_grace_seconds)
        client = DatanodeClient(
            cluster_id=arguments.cluster_id, cluster_key=read_key(arguments.cluster_key_file)
        )
        cluster = ClusterView(self._store, client, clock)
        write_budget = MemoryBudget(WRITE_BUDGET_BYTES)
        read_budget = MemoryBudget(READ_BUDGET_BYTES)
        metrics.BUFFERS.set_function(lambda: write_budget.in_use + read_budget.in_use)
        self._client = client
        self._cluster = cluster
        self._services = Services(
            store=self._store,
            cluster=cluster,
            client=client,
            stripe_writer=StripeWriter(cluster, client),
            reader=ObjectReader(cluster, client, read_budget),
            ids=StripeIds(clock),
            write_budget=write_budget,
            clock=clock,
            accounts=_accounts(arguments),
            region=arguments.region,
            domains=tuple(arguments.domain),
        )

    def _ready(self) -> tuple[bool, str]:
        if not self._cluster.ready:
            return False, "no cluster map yet"
        return True, "ok"

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="digest"))
        await self._store.open()
        await self._cluster.refresh()
        follow = loop.create_task(self._cluster.follow())
        admin = AdminServer(self._arguments.admin_listen, self._ready)
        await admin.start()
        server = _Server(self._config())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        self._log.info("serving", region=self._services.region)
        try:
            await server.serve([_socket(self._arguments)])
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            await self._client.close()
            await self._store.close()
            await admin.stop()

    def _config(self) -> uvicorn.Config:
        door = FrontDoor(self._services)
        # Object requests never see Starlette: its routing costs as much as parsing HTTP (research: 48 us a request).
        door.rest = Starlette(routes=[Mount("/", app=door.serve_rest)])
        return uvicorn.Config(
            door,
            http="httptools",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            backlog=BACKLOG,
        )


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn would re-raise them at the end and turn a clean stop into a failure."""

    def stop(self) -> None:
        self.should_exit = True

    def capture_signals(self):  # type: ignore[no-untyped-def]
        import contextlib

        return contextlib.nullcontext()


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.gateway``; returns the exit code."""
    import sys

    import uvloop

    try:
        arguments = _arguments(argv)
        configure(arguments.log_level, "gateway")
        require_isal()
        tune_malloc()
        gateway = Gateway(arguments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(gateway.run())
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that the caller of a command sees
        return 2
    except DolmenError as error:
        print(f"dolmen gateway: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
