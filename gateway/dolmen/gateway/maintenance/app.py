"""The composition root of a maintenance process: chooses the metadata backend, leads while it holds the lease."""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from dolmen.core.address import parse_address
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.cluster_key import read_cluster_key
from dolmen.core.cluster_map import Pool
from dolmen.core.erasure import require_isal
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.ids import StripeIds
from dolmen.core.process import tune_malloc
from dolmen.core.settings import Setting, at_least, parse
from dolmen.core.telemetry.admin import AdminServer
from dolmen.core.telemetry.log import configure, get_logger
from dolmen.datanode.client import DatanodeClient
from dolmen.gateway.delivery.targets import TARGET_SETTINGS, targets_of
from dolmen.gateway.delivery.template import lifecycle_template
from dolmen.gateway.delivery.worker import Notifier, webhook
from dolmen.gateway.kms.choose import key_service
from dolmen.gateway.kms.duty import KeyDuty
from dolmen.gateway.kms.settings import KMS_SETTINGS, kms_settings
from dolmen.gateway.lifecycle.day import DAY_SETTING, SECOND_US
from dolmen.gateway.maintenance.duties import Duties
from dolmen.gateway.maintenance.garbage import GarbageCollector
from dolmen.gateway.maintenance.leadership import Leadership
from dolmen.gateway.maintenance.lifecycle import LifecycleDuty
from dolmen.gateway.maintenance.publisher import Publisher
from dolmen.gateway.maintenance.repair import Repairer
from dolmen.gateway.maintenance.report import Reporter
from dolmen.gateway.maintenance.throttle import Throttle
from dolmen.gateway.maintenance.topology import Geometry
from dolmen.gateway.maintenance.watch import Watch
from dolmen.gateway.metadata.choose import METADATA_UNIT, open_metadata
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.damage import DamageNotes
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.reclass import Reclassifier
from dolmen.gateway.objects.stripe_write import StripeWriter
from dolmen.gateway.outbound import Outbound
from dolmen.gateway.s3.storage_classes import STORAGE_CLASSES

PROGRAM = "dolmen maintenance"
DESCRIPTION = "Publish the cluster map, repair, collect garbage. Several may run: one acts."
GARBAGE_GRACE_SECONDS = 60.0  # of notes that this process makes itself; it makes none yet
MOVE_BUDGET_BYTES = 64 << 20  # of stripes on their way between two schemes: about ten moves at a time
REPORT_SECONDS = 2.0  # how old the gauges of /metrics may be


def scheme(text: str) -> tuple[int, int]:
    """``4+2`` -> (4, 2). Raises ``ConfigError``."""
    match = re.fullmatch(r"([1-9]\d?)\+([1-9]\d?)", text)
    if match is None:
        raise ConfigError(f"{text!r} is not of the form K+M, such as 4+2")
    return int(match[1]), int(match[2])


def class_scheme(text: str) -> tuple[str, tuple[int, int]]:
    """``STANDARD_IA=8+4`` -> ("STANDARD_IA", (8, 4)). Raises ``ConfigError``."""
    name, equals, rest = text.partition("=")
    if not equals or name not in STORAGE_CLASSES:
        raise ConfigError(f"{text!r} is not of the form CLASS=K+M with one of S3's storage classes")
    return name, scheme(rest)


def pools_of(
    classes: Sequence[tuple[str, tuple[int, int]]], fragment_bytes: int, min_fragment_bytes: int
) -> tuple[Pool, ...]:
    """One pool for each scheme that storage classes ask for, in the order of the settings."""
    names: dict[tuple[int, int], list[str]] = {}
    for name, wanted in classes:
        names.setdefault(wanted, []).append(name)
    return tuple(
        Pool(
            storage_classes=tuple(of_scheme),
            k=k,
            m=m,
            stripe_bytes=k * fragment_bytes,
            min_fragment_bytes=min_fragment_bytes,
        )
        for (k, m), of_scheme in names.items()
    )


def address(text: str) -> str:
    """The text itself when it is an address. Raises ``ConfigError``."""
    parse_address(text)
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(flag="metadata", required=True, help="Where the metadata is", unit=METADATA_UNIT),
    Setting(flag="cluster-id", required=True, help="Identity of the cluster", unit="32 hex digits"),
    Setting(flag="cluster-key-file", required=True, parse=Path, help="File with the key shared by all processes", unit="path"),
    Setting(flag="datanode", required=True, repeated=True, parse=address, help="A datanode; all of them are named", unit="address"),
    Setting(flag="admin-listen", required=True, parse=address, help="Where health, metrics and status are served", unit="address"),
    Setting(
        flag="scheme",
        default=(4, 2),
        parse=scheme,
        help="Data and parity fragments of a stripe, for the first map only",
        unit="K+M",
        reason="any two disks of six may be lost, for 1.5 times the space",
    ),
    Setting(
        flag="storage-class",
        help="The scheme of a storage class, where it is not --scheme; objects move when lifecycle rules say so",
        unit="CLASS=K+M",
        repeated=True,
        parse=class_scheme,
    ),
    Setting(
        flag="fragment-bytes",
        default=512 * 1024,
        parse=at_least(64 * 1024),
        help="Data of a full stripe in one fragment, for the first map only",
        unit="bytes",
        reason="a fifth less CPU for large objects than 256 KiB; stripes of 2 MiB still fit in memory",
    ),
    Setting(
        flag="min-fragment-bytes",
        default=128 * 1024,
        parse=at_least(4096),
        help="A stripe is split over more than one data fragment only above this, for the first map only",
        unit="bytes",
        reason="the number of fdatasyncs sets the rate of small writes, not their bytes",
    ),
    Setting(
        flag="repair-bytes-per-second",
        default=128 * 1024 * 1024.0,
        parse=at_least(1024 * 1024, float),
        help="How fast fragments are read for repair",
        unit="bytes per second",
        reason="clients come first; a lost disk with 1 TB of 4+2 is full again in half a day",
    ),
    Setting(
        flag="lease-seconds",
        default=5.0,
        parse=at_least(0.3, float),
        help="After this another process takes over from one that was killed",
        unit="seconds",
        reason="long enough for a slow commit, short beside the time that a repair takes",
    ),
    Setting(
        flag="lease-owner",
        default="",
        help="Name under which the lease is held; a process of the same name goes on with it at once",
        unit="name",
        reason="random for each process; only a supervisor that runs exactly one may give a fixed name",
    ),
    *KMS_SETTINGS,
    DAY_SETTING,
    *TARGET_SETTINGS,
    Setting(flag="notification-ca-file", help="Certificates to check webhooks with, not the system's", unit="path", parse=Path),
    Setting(flag="log-level", default="info", help="debug, info, warning or error", unit="level"),
)


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``."""
    return parse(PROGRAM, DESCRIPTION, SETTINGS, argv)


def _geometry(arguments: argparse.Namespace) -> Geometry:
    k, m = arguments.scheme
    return Geometry(
        k=k,
        m=m,
        stripe_bytes=k * arguments.fragment_bytes,
        min_fragment_bytes=arguments.min_fragment_bytes,
        pools=pools_of(arguments.storage_class, arguments.fragment_bytes, arguments.min_fragment_bytes),
    )


class Maintenance:
    """One maintenance process."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Must be called in the loop: clients are made on it."""
        clock = SystemClock()
        self._arguments = arguments
        self._log = get_logger("maintenance")
        self.started = asyncio.Event()  # the metadata is open and the admin address answers
        self.store = open_metadata(arguments.metadata, clock, GARBAGE_GRACE_SECONDS)
        self.client = DatanodeClient(cluster_id=arguments.cluster_id, cluster_key=read_cluster_key(arguments.cluster_key_file))
        self.cluster = ClusterView(self.store, self.client, clock)
        self._damage = DamageNotes(self.store)  # what moves between schemes find lost or rotten
        self.watch = Watch(self.client, arguments.datanode)
        owner = arguments.lease_owner or secrets.token_hex(8)
        self.leadership = Leadership(self.store, clock, owner, arguments.lease_seconds)
        self.publisher = Publisher(
            store=self.store,
            cluster=self.cluster,
            client=self.client,
            watch=self.watch,
            cluster_id=arguments.cluster_id,
            geometry=_geometry(arguments),
        )
        parts = (self.store, self.cluster, self.client, clock)
        self._outbound = Outbound(arguments.notification_ca_file)
        self._kms = key_service(kms_settings(arguments), self.store, clock)
        targets = targets_of(arguments.notification_target, arguments.notification_token_file)
        turn = asyncio.Lock()
        throttle = Throttle(clock, arguments.repair_bytes_per_second)
        self.duties = Duties(
            watch=self.watch,
            publisher=self.publisher,
            cluster=self.cluster,
            repairer=Repairer(*parts, throttle=throttle, turn=turn, usable=self.watch.usable),
            collector=GarbageCollector(*parts, turn=turn),
            leadership=self.leadership,
            clock=clock,
            upkeep=self.store.upkeep,
            notifier=Notifier(self.store, clock, targets, webhook(self._outbound)),
            lifecycle=LifecycleDuty(
                self.store,
                clock,
                day_us=arguments.lifecycle_day_seconds * SECOND_US,
                move=self._reclassifier(clock).move,
                template=partial(lifecycle_template, declared=targets),
            ),
            keys=None if self._kms is None else KeyDuty(self.store, self._kms, clock),
        )
        self._reporter = Reporter(
            store=self.store,
            watch=self.watch,
            duties=self.duties,
            publisher=self.publisher,
            leadership=self.leadership,
            cluster_id=arguments.cluster_id,
        )

    def _reclassifier(self, clock: Clock) -> Reclassifier:
        """Moves bytes whose new storage class has another scheme."""
        budget = MemoryBudget(MOVE_BUDGET_BYTES)
        reader = ObjectReader(self.cluster, self.client, budget, self._damage.note)
        return Reclassifier(
            self.store, self.cluster, reader, StripeWriter(self.cluster, self.client), StripeIds(clock), budget
        )

    def ready(self) -> tuple[bool, str]:
        """Ready when there is a map: then gateways and datanodes can work, whoever leads."""
        reasons = self.store.reasons()
        if reasons:
            return False, "; ".join(reasons)
        return (True, "ok") if self.cluster.ready else (False, f"no cluster map yet: {self.publisher.waiting_for}")

    async def status(self) -> bytes:
        """The document of ``/v1/status``."""
        return msgspec.json.encode(await self._reporter.report())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``. Raises ``ConfigError`` when the metadata or an address cannot be used."""
        await self.store.open()
        admin = AdminServer(self._arguments.admin_listen, self.ready, {"/v1/status": self.status})
        await admin.start()
        self.started.set()
        working = asyncio.create_task(self._work(), name="maintenance")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            stopping.cancel()
            ended = await asyncio.gather(working, return_exceptions=True)
            await self.leadership.release()
            await self._outbound.close()
            if self._kms is not None:
                await self._kms.close()
            await self.client.close()
            await admin.stop()
            await self.store.close()
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lead())
            group.create_task(self.duties.watch())
            group.create_task(self._damage.run())
            group.create_task(self._report())

    async def _lead(self) -> None:
        """The duties run exactly while the lease is held."""
        running: asyncio.Task[None] | None = None
        try:
            while True:
                held = await self.leadership.renew()
                if held and running is None:
                    running = asyncio.create_task(self.duties.run())
                elif not held and running is not None:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                    running = None
                if running is None:
                    await asyncio.sleep(self.leadership.interval_seconds)
                elif running in (await asyncio.wait([running], timeout=self.leadership.interval_seconds))[0]:
                    await running  # it ends only with an error
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def _report(self) -> None:
        while True:
            try:
                await self._reporter.report()
            except DolmenError as error:
                self._log.warning("no report", error=str(error))
            await asyncio.sleep(REPORT_SECONDS)


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Maintenance(arguments).run(stop)


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.gateway.maintenance``; returns the exit code."""
    try:
        arguments = arguments_of(argv)
        configure(arguments.log_level, "maintenance")
        require_isal()
        tune_malloc()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(arguments))
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that the caller of a command sees
        return 2
    except DolmenError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
