"""Which processes make up ``dolmen dev``: a pure function from the settings to command lines.

Paths are relative to the directory, in which every process runs: a socket's path then never reaches the kernel's limit of
108 bytes, and the directory may be moved while nothing runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dolmen.cli.dev.home import CLUSTER_KEY_FILE, EMBEDDED, ENCRYPTION_KEY_FILE
from dolmen.cli.dev.options import DevOptions, cores, parse_scheme
from dolmen.core.errors import ConfigError

ENV_ENCRYPTION_KEY_FILE = "DOLMEN_ENCRYPTION_KEY_FILE"
LEASE_OWNER = "dolmen dev"  # the directory's lock says that there is one: a restarted process need not wait for the lease


class Role(StrEnum):
    """What a process does; the order is that of starting, stopping goes the other way."""

    DATANODE = "datanode"
    MAINTENANCE = "maintenance"
    GATEWAY = "gateway"


# Time to finish after SIGTERM before SIGKILL follows. Data is safe either way; this is about open requests.
STOP_SECONDS = {
    Role.DATANODE: 10.0,  # joins the running group commit and writes a checkpoint of the index
    Role.MAINTENANCE: 5.0,  # gives the lease back; a step cut short is found again
    Role.GATEWAY: 25.0,  # answers the requests it has (it cuts them off after 20 s)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process to run."""

    name: str
    role: Role
    argv: tuple[str, ...]
    admin_socket: str  # path of the unix socket that answers /healthz, /readyz and /metrics
    disks: int = 0  # of a datanode: how many it serves
    listen_fd: int | None = None  # inherited
    keys_fd: int | None = None  # inherited

    @property
    def stop_seconds(self) -> float:
        return STOP_SECONDS[self.role]


def plan(
    options: DevOptions, cluster_id: str, disks: int, scheme: str, listen_fds: Sequence[int], keys_fd: int
) -> list[ProcessSpec]:
    """Datanodes sharing the disks in turn, one maintenance process, one gateway for each listening socket."""
    # Whole cores are used, and one process that dies takes no more disks away than the scheme may lose.
    count = options.datanodes or max(min(disks, cores()), -(-disks // parse_scheme(scheme).m))
    if count > disks:
        raise ConfigError(f"--datanodes {count} is more than the {disks} disks")
    log_level = ("--log-level", options.log_level)
    secret = ("--cluster-id", cluster_id, "--cluster-key-file", CLUSTER_KEY_FILE)
    datanodes = [_datanode(index, count, disks, (*secret, *log_level)) for index in range(count)]
    peers = [argument for index in range(count) for argument in ("--datanode", datanode_address(index))]
    maintenance = _process(
        "maintenance",
        Role.MAINTENANCE,
        "dolmen.gateway.maintenance",
        (
            *("--metadata", options.metadata or EMBEDDED),
            *peers,
            *("--scheme", scheme, "--lease-owner", LEASE_OWNER),
            *secret,
            *_keyring(),
            *log_level,
        ),
    )
    gateways = [_gateway(index, fd, keys_fd, options, secret) for index, fd in enumerate(listen_fds)]
    return [*datanodes, maintenance, *gateways]


def datanode_address(index: int) -> str:
    """Where the n-th datanode speaks the internode protocol."""
    return f"unix:run/datanode-{index}.sock"


def _datanode(index: int, count: int, disks: int, secret: tuple[str, ...]) -> ProcessSpec:
    served = range(index, disks, count)
    arguments = [argument for disk in served for argument in ("--disk", f"disks/{disk}")]
    return _process(
        f"datanode-{index}",
        Role.DATANODE,
        "dolmen.datanode",
        ("--node", f"datanode-{index}", *arguments, "--listen", datanode_address(index), *secret),
        disks=len(served),
    )


def _gateway(index: int, listen_fd: int, keys_fd: int, options: DevOptions, secret: tuple[str, ...]) -> ProcessSpec:
    accounts = ("--accounts", str(options.accounts)) if options.accounts else ()
    domains = [argument for domain in options.domains for argument in ("--domain", domain)]
    return _process(
        f"gateway-{index}",
        Role.GATEWAY,
        "dolmen.gateway",
        (
            *("--listen-fd", str(listen_fd)),
            *("--metadata", options.metadata or EMBEDDED),
            *secret,
            *accounts,
            *_keyring(),
            *("--root-keys-file", f"/proc/self/fd/{keys_fd}", "--region", options.region),
            *domains,
            *("--log-level", options.log_level),
        ),
        listen_fd=listen_fd,
        keys_fd=keys_fd,
    )


def _keyring() -> tuple[str, ...]:
    """A keyring of the operator's own is named by the environment, which the processes read themselves."""
    return () if os.environ.get(ENV_ENCRYPTION_KEY_FILE) else ("--encryption-key-file", ENCRYPTION_KEY_FILE)


def _process(
    name: str,
    role: Role,
    module: str,
    arguments: tuple[str, ...],
    *,
    disks: int = 0,
    listen_fd: int | None = None,
    keys_fd: int | None = None,
) -> ProcessSpec:
    admin_socket = f"run/{name}.admin.sock"
    # -P: the directory the process runs in must not become a place to import from.
    launch = (sys.executable, "-P", "-m", "dolmen.cli.dev.child", str(os.getpid()), module)
    argv = (*launch, *arguments, "--admin-listen", f"unix:{admin_socket}")
    return ProcessSpec(
        name=name, role=role, argv=argv, admin_socket=admin_socket, disks=disks, listen_fd=listen_fd, keys_fd=keys_fd
    )
