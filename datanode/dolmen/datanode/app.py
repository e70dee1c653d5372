"""The composition root of a datanode process: opens disks, serves the protocol, watches for disks that go and return."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from dolmen.core import wire
from dolmen.core.address import UnixAddress, parse_address
from dolmen.core.errors import ConfigError
from dolmen.core.process import tune_malloc
from dolmen.core.telemetry.admin import AdminServer
from dolmen.core.telemetry.log import configure, get_logger
from dolmen.datanode.disk import RESERVE_BYTES, VOLUME_BYTES, Disk
from dolmen.datanode.server import Committer, Connection, Node

WATCH_SECONDS = 1.0  # how soon a disk that vanished, or came back, is noticed
KEY_BYTES_MIN = 32


class OneLineParser(argparse.ArgumentParser):
    """A wrong command line is told in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ConfigError(f"{self.prog}: {message}")


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``."""
    parser = OneLineParser(prog="dolmen datanode", description="Serve fragments from disks.")
    parser.add_argument("--node", required=True, help="name of this datanode")
    parser.add_argument("--disk", action="append", required=True, help="directory of a disk; repeatable")
    parser.add_argument("--listen", required=True, help="HOST:PORT or unix:PATH")
    parser.add_argument("--admin-listen", required=True, help="HOST:PORT or unix:PATH of health and metrics")
    parser.add_argument("--cluster-id", required=True)
    parser.add_argument("--cluster-key-file", required=True, type=Path)
    parser.add_argument("--volume-bytes", type=int, default=VOLUME_BYTES)
    parser.add_argument("--reserve-bytes", type=int, default=RESERVE_BYTES)
    parser.add_argument("--log-level", default="info")
    return parser.parse_args(argv)


def read_key(path: Path) -> bytes:
    """The cluster key. Raises ``ConfigError``."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"cluster key {path}: {error.strerror}") from error
    if len(key) < KEY_BYTES_MIN:
        raise ConfigError(f"cluster key {path} is shorter than {KEY_BYTES_MIN} bytes")
    return key


class Datanode:
    """One datanode process."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._log = get_logger("datanode")
        self._address = parse_address(arguments.listen)
        self.node = Node(arguments.node, arguments.cluster_id, read_key(arguments.cluster_key_file))
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
        self.node.committers[disk.uuid] = Committer(disk)
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
        datanode = Datanode(arguments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(datanode.run())
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that the caller of a command sees
        return 2
    return 0
