"""``dolmen dev`` from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console

from dolmen.cli.dev.admin import AdminEndpoint
from dolmen.cli.dev.display import Display, Summary
from dolmen.cli.dev.health import Health
from dolmen.cli.dev.home import (
    ADDRESSES_FILE,
    Addresses,
    RootKeys,
    keys_in_memory,
    load_or_create_state,
    lock_directory,
    migrate,
    prepare,
    root_keys,
)
from dolmen.cli.dev.listening import bind_one, bind_workers, port_of, reachable_host, tcp_address, url_of
from dolmen.cli.dev.options import DevOptions, Scheme, parse_scheme
from dolmen.cli.dev.plan import ProcessSpec, Role, plan
from dolmen.cli.dev.probe import probe
from dolmen.cli.dev.steering import Steering
from dolmen.cli.dev.supervisor import Supervisor
from dolmen.core.clock import Clock, SystemClock
from dolmen.core.durable_file import write_durably
from dolmen.core.errors import ConfigError

POLL_SECONDS = 0.1  # between questions whether it is ready, during the start
PATIENCE_SECONDS = 5.0  # one process that does not come up must not hide that the others serve
SLOW_START_SECONDS = 30.0  # then the reason is shown, again after each such time
KILLED_EXIT = 1  # the second signal came: nothing was waited for
PROBE_SECONDS = 5.0  # a ListBuckets that takes longer counts as a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that is settled before the first process starts."""

    specs: list[ProcessSpec]
    scheme: Scheme
    keys: RootKeys
    listeners: list[socket.socket]
    admin_listener: socket.socket
    summary: Summary


def run(options: DevOptions) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code. Raises ``ConfigError`` and ``InUse`` before anything runs."""
    directory = options.directory.absolute()
    if options.accounts is not None:
        accounts = options.accounts.absolute()
        if not accounts.is_file():
            raise ConfigError(f"there is no accounts file {accounts}")
        options = replace(options, accounts=accounts)
    lock = lock_directory(directory)
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock)
        prepared = _prepare(options, directory, held)
        return asyncio.run(_supervise(prepared, SystemClock()))


def _prepare(options: DevOptions, directory: Path, held: contextlib.ExitStack) -> Prepared:
    os.chdir(directory)
    for listen in (options.listen, options.admin_listen):
        tcp_address(listen)
    state = load_or_create_state(directory, options.disks, options.scheme, options.metadata)
    options = replace(options, metadata=state.metadata)
    scheme = parse_scheme(state.scheme)
    plan(options, state.cluster_id, state.disks, state.scheme, [], -1)  # refuse before a port or file is touched
    keys = root_keys(directory, os.environ)
    listeners = bind_workers(options.listen, options.workers)
    for listener in listeners:
        held.callback(listener.close)
    admin_listener = bind_one(options.admin_listen)
    held.callback(admin_listener.close)
    prepare(directory)
    migrate(state.metadata, directory)
    keys_fd = keys_in_memory(keys)
    held.callback(os.close, keys_fd)
    endpoint, admin = url_of(options.listen, listeners[0]), url_of(options.admin_listen, admin_listener)
    addresses = Addresses(pid=os.getpid(), endpoint=endpoint, admin=admin)
    write_durably(directory / ADDRESSES_FILE, msgspec.json.encode(addresses), mode=0o644)
    specs = plan(options, state.cluster_id, state.disks, state.scheme, [each.fileno() for each in listeners], keys_fd)
    summary = Summary(
        endpoint=addresses.endpoint,
        admin=addresses.admin,
        directory=directory,
        disks=state.disks,
        scheme=state.scheme,
        workers=options.workers,
        datanodes=sum(spec.role is Role.DATANODE for spec in specs),
        region=options.region,
        keys=keys,
    )
    return Prepared(
        specs=specs,
        scheme=scheme,
        keys=keys,
        listeners=listeners,
        admin_listener=admin_listener,
        summary=summary,
    )


async def _supervise(prepared: Prepared, clock: Clock) -> int:
    stop = asyncio.Event()
    display = Display(out=Console(), err=Console(stderr=True))
    supervisor = Supervisor(prepared.specs, Path("logs"), clock, echo=display.warn)
    _install_signals(stop, supervisor)
    health = Health(supervisor, prepared.scheme, lambda: _probe(prepared), clock)
    steering = Steering(prepared.listeners, health.child_ready)
    supervisor.watchers += [display.changed, steering.changed]
    admin = AdminEndpoint(health, prepared.admin_listener)
    display.starting(supervisor.children)
    supervisor.start()
    admin.start()
    announcing = asyncio.create_task(_announce_ready(supervisor, health, display, prepared.summary, clock))
    supervisor.refused.add_done_callback(lambda _: stop.set())
    try:
        await stop.wait()
    finally:
        announcing.cancel()
        display.stopping()
        steering.close()
        for listener in prepared.listeners:
            listener.close()  # ours only: from here on nobody may queue for a worker that will not come
        await supervisor.stop()
        await admin.stop()
    if supervisor.refused.done():
        raise ConfigError(supervisor.refused.result())
    return KILLED_EXIT if supervisor.killed else 0


async def _announce_ready(supervisor: Supervisor, health: Health, display: Display, summary: Summary, clock: Clock) -> None:
    begun = clock.monotonic_seconds()
    next_warning = SLOW_START_SECONDS
    while True:
        reason = await health.all_running()
        passed = clock.monotonic_seconds() - begun
        if not reason or passed >= PATIENCE_SECONDS:
            ready, why = await health.ready(fresh=True)
            reason = "" if ready else why
        if not reason:
            supervisor.was_ready = True
            display.ready(summary, passed)
            return
        if passed >= next_warning:
            display.not_ready_yet(reason, passed)
            next_warning += SLOW_START_SECONDS
        await asyncio.sleep(POLL_SECONDS)


async def _probe(prepared: Prepared) -> str:
    listener = prepared.listeners[0]
    if listener.fileno() < 0:
        return "stopping"
    host = reachable_host(listener.getsockname()[0])
    return await asyncio.to_thread(probe, host, port_of(listener), prepared.keys, prepared.summary.region, PROBE_SECONDS)


def _install_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()  # asked twice: no more patience
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
