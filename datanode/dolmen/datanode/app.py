"""The composition root of a datanode process: opens disks, serves the protocol, watches for disks that go and return."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from dolmen.core import settings, wire
from dolmen.core.address import UnixAddress, parse_address
from dolmen.core.cluster_key import read_cluster_key
from dolmen.core.errors import ConfigError
from dolmen.core.process import raise_file_limit, tune_gc, tune_malloc
from dolmen.core.settings import Setting, at_least
from dolmen.core.telemetry.admin import AdminServer
from dolmen.core.telemetry.log import configure, get_logger
from dolmen.datanode.disk import RESERVE_BYTES, VOLUME_BYTES, Disk
from dolmen.datanode.server import CONNECTIONS_MAX, Committer, Connection, Node

VOLUME_BYTES_MIN = 1 << 20  # below this a disk is all file names
WATCH_SECONDS = 1.0  # how soon a disk that vanished, or came back, is noticed

SETTINGS: tuple[Setting, ...] = (
    Setting(flag="node", help="name of this datanode in status and logs; the host's name when not given", unit="name"),
    Setting(
        flag="disk", help="directory of a disk, made when it is missing; repeatable", unit="dir", required=True, repeated=True
    ),
    Setting(flag="listen", help="where gateways connect", unit="HOST:PORT or unix:PATH", required=True),
    Setting(flag="admin-listen", help="where health and metrics are served", unit="HOST:PORT or unix:PATH", required=True),
    Setting(flag="cluster-id", help="the cluster that its disks belong to", unit="32 hex digits", required=True),
    Setting(
        flag="cluster-key-file", help="file with the key that members of the cluster share", unit="file", parse=Path, required=True
    ),
    Setting(
        flag="volume-bytes",
        help="size at which a volume file is sealed and the next one begun",
        default=VOLUME_BYTES,
        unit="bytes",
        reason="bounds what one failed fdatasync puts out of use, and what a start after a crash has to scan",
        parse=at_least(VOLUME_BYTES_MIN),
    ),
    Setting(
        flag="reserve-bytes",
        help="space of each disk that writes leave free",
        default=RESERVE_BYTES,
        unit="bytes",
        reason="deletes and sidecars must still work on a full disk",
        parse=at_least(0),
    ),
    Setting(
        flag="connections-max",
        help="connections served at once",
        default=CONNECTIONS_MAX,
        unit="connections",
        reason="one for each gateway process and maintenance task, with room; each has 64 KiB of buffer",
        parse=at_least(1),
    ),
    Setting(
        flag="log-level",
        help="least severe messages that are logged",
        default="info",
        unit="debug, info, warning or error",
        reason="info tells starts, stops and every trouble, nothing of single requests",
    ),
)


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``."""
    return settings.parse("dolmen datanode", "Serve fragments from disks.", SETTINGS, argv)


class Datanode:
    """One datanode process."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._log = get_logger("datanode")
        self._address = parse_address(arguments.listen)
        self.node = Node(
            arguments.node or socket.gethostname(),
            arguments.cluster_id,
            read_cluster_key(arguments.cluster_key_file),
            arguments.connections_max,
        )
        self._server: asyncio.Server | None = None

    def _open(self, location: str) -> None:
        """Open one disk, or note why it cannot be used: the others go on."""
        try:
            disk = Disk.open(
                location, self._arguments.cluster_id, self._arguments.volume_bytes, self._arguments.reserve_bytes
            )
        except (ConfigError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if location not in self.node.absent:
                self._log.error("disk cannot be used", disk=location, reason=reason)
            self.node.absent[location] = wire.DiskStatus(uuid="", location=location, state="failed", reason=reason)
            return
        self.node.absent.pop(location, None)
        self.node.learn(disk)
        committer = self.node.committers[disk.uuid] = Committer(disk)
        committer.start()
        self._log.info("disk is open", disk=location, uuid=disk.uuid, fragments=disk.fragments)

    async def check_disks(self) -> None:
        """Let go of disks whose directory is gone; open what is there again.

        While running, a missing directory is waited for and never made: it may be a mount that comes back.
        """
        for committer in list(self.node.committers.values()):
            disk = committer.disk
            if not disk.present:
                self._log.error("disk is gone", disk=disk.location)
                del self.node.committers[disk.uuid]
                disk.lose("its directory is gone")
                await committer.drain()  # a commit may be running: its file descriptors must not be reused
                disk.close()
                self.node.absent[disk.location] = wire.DiskStatus(
                    uuid="", location=disk.location, state="missing", reason="its directory is gone"
                )
        for location in list(self.node.absent):
            if os.path.isdir(location):
                self._open(location)

    def ready(self) -> tuple[bool, str]:
        """Ready when at least one disk can be used."""
        if self.node.draining:
            return False, "stopping"
        return (True, "ok") if self.node.committers else (False, "no disk can be used")

    async def start(self) -> None:
        """Raises ``ConfigError`` when the address is taken."""
        for location in self._arguments.disk:
            self._open(location)
        loop = asyncio.get_running_loop()
        try:
            if isinstance(self._address, UnixAddress):
                Path(self._address.path).unlink(missing_ok=True)
                self._server = await loop.create_unix_server(lambda: Connection(self.node), self._address.path)
            else:
                self._server = await loop.create_server(
                    lambda: Connection(self.node), self._address.host, self._address.port
                )
        except OSError as error:
            raise ConfigError(f"cannot listen on {self._arguments.listen}: {error.strerror}") from error

    async def stop(self) -> None:
        """Refuse new writes, finish the accepted ones, let go of the disks."""
        self.node.draining = True
        for committer in self.node.committers.values():
            await committer.drain()
        await asyncio.sleep(0)  # the last replies leave
        if self._server is not None:
            self._server.close()
        for connection in list(self.node.connections):
            connection.abort()
        for committer in self.node.committers.values():
            committer.disk.close()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await self.start()
        admin = AdminServer(self._arguments.admin_listen, self.ready)
        await admin.start()
        tune_gc()
        try:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(WATCH_SECONDS):
                        await stop.wait()
                except TimeoutError:
                    await self.check_disks()
        finally:
            await self.stop()
            await admin.stop()


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.datanode``; returns the exit code."""
    try:
        arguments = arguments_of(argv)
        configure(arguments.log_level, "datanode")
        tune_malloc()
        raise_file_limit()
        datanode = Datanode(arguments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(datanode.run())
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that the caller of a command sees
        return 2
    return 0
