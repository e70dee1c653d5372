"""The composition root of a gateway process: the only place where implementations are chosen and wired."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import uvicorn
import uvloop
from starlette.applications import Starlette

from dolmen.core.address import TcpAddress, parse_address
from dolmen.core.clock import SystemClock
from dolmen.core.cluster_key import read_cluster_key
from dolmen.core.erasure import require_isal
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.ids import StripeIds
from dolmen.core.process import raise_file_limit, tune_gc, tune_malloc
from dolmen.core.settings import parse
from dolmen.core.telemetry.admin import AdminServer
from dolmen.core.telemetry.log import configure, get_logger
from dolmen.datanode.client import DatanodeClient
from dolmen.gateway.auth.accounts import load_accounts
from dolmen.gateway.delivery.access_logs import AccessLogs
from dolmen.gateway.delivery.targets import targets_of
from dolmen.gateway.door import FrontDoor
from dolmen.gateway.handlers.log_delivery import deliver_log
from dolmen.gateway.http import metrics
from dolmen.gateway.http.protocol import S3Link
from dolmen.gateway.iam.identities import Identities
from dolmen.gateway.iam.query import make_realm
from dolmen.gateway.kms.choose import key_service
from dolmen.gateway.kms.options import EncryptionOptions
from dolmen.gateway.kms.service import ensure_keys
from dolmen.gateway.kms.settings import kms_settings
from dolmen.gateway.lifecycle.day import SECOND_US
from dolmen.gateway.metadata.choose import open_metadata
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.damage import DamageNotes
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.stripe_write import StripeWriter
from dolmen.gateway.outbound import Outbound
from dolmen.gateway.permissions import Permissions
from dolmen.gateway.services import Services
from dolmen.gateway.settings import SETTINGS

COPIES_MAX = 16  # CopyObject and UploadPartCopy at a time: their stripes fit into both budgets
BACKLOG = 1024  # connections that wait for an accept: a burst of clients at the start of a test


def _listener(settings: argparse.Namespace) -> socket.socket:
    if settings.listen_fd is not None:
        try:
            return socket.socket(fileno=settings.listen_fd)
        except OSError as error:
            raise ConfigError(f"--listen-fd {settings.listen_fd}: {error.strerror}") from error
    if settings.listen is None:
        raise ConfigError("dolmen gateway: --listen or --listen-fd is required")
    address = parse_address(settings.listen)
    if not isinstance(address, TcpAddress):
        raise ConfigError(f"--listen {settings.listen!r} is not HOST:PORT")
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        raise ConfigError(f"cannot listen on {settings.listen}: {error.strerror}") from error
    listener.listen(BACKLOG)
    return listener


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again at the end and turn a clean stop into a failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


class Gateway:
    """One gateway process."""

    def __init__(self, settings: argparse.Namespace) -> None:
        clock = SystemClock()
        self._settings = settings
        self._log = get_logger("gateway")
        self._store = open_metadata(settings.metadata, clock, settings.garbage_grace_seconds)
        self._client = DatanodeClient(
            cluster_id=settings.cluster_id, cluster_key=read_cluster_key(settings.cluster_key_file)
        )
        self._cluster = ClusterView(self._store, self._client, clock)
        write_budget = MemoryBudget(settings.write_budget_bytes)
        read_budget = MemoryBudget(settings.read_budget_bytes)
        metrics.BUFFERS.set_function(lambda: write_budget.in_use + read_budget.in_use)
        self._damage = DamageNotes(self._store)
        accounts = load_accounts(settings.root_keys_file, settings.accounts)
        iam_key = hmac.digest(read_cluster_key(settings.cluster_key_file), b"dolmen/iam", "sha256")
        self._outbound = Outbound(settings.oidc_ca_file)
        identities = Identities(accounts, self._store, iam_key, clock)
        targets = targets_of(settings.notification_target, settings.notification_token_file)
        self._access_log = AccessLogs(clock, settings.access_log_seconds)
        self._kms = key_service(kms_settings(settings), self._store, clock)
        self._services = Services(
            store=self._store,
            cluster=self._cluster,
            stripe_writer=StripeWriter(self._cluster, self._client),
            reader=ObjectReader(self._cluster, self._client, read_budget, self._damage.note),
            ids=StripeIds(clock),
            write_budget=write_budget,
            copies=asyncio.Semaphore(COPIES_MAX),
            clock=clock,
            identities=identities,
            realm=make_realm(accounts, self._store, iam_key, clock, self._outbound),
            permissions=Permissions(self._store, identities),
            region=settings.region,
            domains=tuple(settings.domain),
            sigv2=settings.sigv2,
            website_domains=tuple(settings.website_domain),
            encryption=EncryptionOptions(
                keys=self._kms,
                default_algorithm=settings.default_encryption[0],
                default_key=settings.default_encryption[1],
                customer_keys_need_tls=settings.sse_c_needs_tls,
                region=settings.region,
            ),
            access_log=self._access_log,
            notification_targets=targets,
            lifecycle_day_us=settings.lifecycle_day_seconds * SECOND_US,
        )
        self._listener = _listener(settings)
        self._stopping = False

    def _ready(self) -> tuple[bool, str]:
        if self._stopping:
            return False, "stopping"
        reasons = self._store.reasons()
        if reasons:
            return False, "; ".join(reasons)
        return (True, "ok") if self._cluster.ready else (False, "no cluster map yet")

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._settings.digest_threads, thread_name_prefix="digest"))
        await self._store.open()
        if self._kms is not None:
            await ensure_keys(self._kms, self._settings.kms_keys)
        await self._cluster.refresh()
        deliver = partial(deliver_log, self._services)
        background = [
            loop.create_task(self._cluster.follow()),
            loop.create_task(self._damage.run()),
            loop.create_task(self._access_log.run(deliver)),
        ]
        admin = AdminServer(self._settings.admin_listen, self._ready)
        await admin.start()
        server = _Server(self._config())

        def stop() -> None:
            self._stopping = True
            server.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        tune_gc()
        self._log.info("serving", region=self._services.region)
        try:
            await server.serve([self._listener])
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._access_log.flush(deliver)
            if self._kms is not None:
                await self._kms.close()
            await self._outbound.close()
            await self._client.close()
            await self._store.close()
            await admin.stop()

    def _config(self) -> uvicorn.Config:
        door = FrontDoor(self._services)
        rest = Starlette()
        rest.router.default = door.serve_rest
        door.rest = rest
        # uvicorn logs a broken answer as an error of the application; the front door has logged why already.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        return uvicorn.Config(
            door,
            http=S3Link,  # type: ignore[arg-type]  # a buffered protocol serves as well, where the loop knows them
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=self._settings.keep_alive_seconds,
            timeout_graceful_shutdown=self._settings.drain_seconds,
            backlog=BACKLOG,
        )


def main(argv: Sequence[str]) -> int:
    """Entry point of ``dolmen gateway``; returns the exit code."""
    try:
        settings = parse("dolmen gateway", "Serve S3.", SETTINGS, argv)
        configure(settings.log_level, "gateway")
        require_isal()
        tune_malloc()
        raise_file_limit()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            gateway = Gateway(settings)
            runner.run(gateway.run())
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that the caller of a command sees
        return 2
    except DolmenError as error:
        print(f"dolmen gateway: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
