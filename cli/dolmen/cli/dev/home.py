"""The directory of ``dolmen dev``: who uses it, what it was made with, its keys.

::

    DIR/lock                held by the running supervisor (flock)
    DIR/dolmen.json         cluster id, scheme, number of disks: fixed when the directory is made
    DIR/cluster.key         secret between the processes, hex, mode 0600
    DIR/encryption.key      keyring that wraps the keys of encrypted objects, mode 0600: without it they cannot be read
    DIR/root-keys.toml      generated access key of the root account, mode 0600
    DIR/disks/0 ...         one directory for each disk, owned by the datanodes
    DIR/metadata/           the embedded metadata store
    DIR/logs/               one log for each process
    DIR/run/                sockets and addresses; made afresh at each start
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dolmen.cli.dev.options import Scheme, check_geometry, parse_scheme
from dolmen.core.durable_file import write_durably
from dolmen.core.errors import ConfigError

STATE_FILE = "dolmen.json"
LOCK_FILE = "lock"
CLUSTER_KEY_FILE = "cluster.key"
ENCRYPTION_KEY_FILE = "encryption.key"
ENCRYPTION_KEY_BYTES = 32  # of AES-256
ROOT_KEYS_FILE = "root-keys.toml"
ADDRESSES_FILE = "run/dev.json"
METADATA_FILE = "metadata/metadata.sqlite"
EMBEDDED = f"embedded:{METADATA_FILE}"

DISKS_DEFAULT = 6
SCHEME_DEFAULT = Scheme(4, 2)
STATE_FORMAT = 1
LOCK_WAIT_SECONDS = 1.0  # a child of a killed supervisor may hold the lock for the instant between fork and exec

ENV_ACCESS_KEY_ID = "DOLMEN_ROOT_ACCESS_KEY_ID"
ENV_SECRET_ACCESS_KEY = "DOLMEN_ROOT_SECRET_ACCESS_KEY"
_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # nothing a shell or URL minds
_ACCESS_KEY_CHARACTERS = 20  # as AWS has; some clients check it
_SECRET_CHARACTERS = 40


class InUse(ConfigError):
    """Another process works on this directory, or listens on this port."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory was made with."""

    format: int
    cluster_id: str  # 32 hex digits
    scheme: str
    disks: int
    metadata: str = EMBEDDED  # where it is


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where the running cluster answers."""

    pid: int  # of the supervisor
    endpoint: str  # URL of S3
    admin: str  # URL of health, metrics and status


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The root account's access key."""

    access_key_id: str
    secret_access_key: str
    generated: bool  # False: given by the environment, and not to be shown


def lock_directory(directory: Path) -> int:
    """Make the directory if need be and take its lock; returns the file descriptor that holds it.

    Raises ``InUse`` when another supervisor has it, ``ConfigError`` when it cannot be a directory of ours.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(f"cannot use {directory}: {error.strerror}") from error
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise InUse(f"{directory} is in use by another `dolmen dev` (process {owner})") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def load_or_create_state(directory: Path, disks: int | None, scheme: Scheme | None, metadata: str | None = None) -> State:
    """The directory's state; made with the given values, or the defaults, at the first start.

    Raises ``ConfigError`` when values are given that differ from what the directory has: data lies in that shape.
    """
    path = directory / STATE_FILE
    if not path.exists():
        wanted_disks = disks or DISKS_DEFAULT
        wanted_scheme = scheme or SCHEME_DEFAULT
        check_geometry(wanted_disks, wanted_scheme)
        state = State(
            format=STATE_FORMAT,
            cluster_id=secrets.token_hex(16),
            scheme=str(wanted_scheme),
            disks=wanted_disks,
            metadata=metadata or EMBEDDED,
        )
        write_durably(path, msgspec.json.format(msgspec.json.encode(state)) + b"\n", mode=0o644)
        return state
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if state.format != STATE_FORMAT:
        raise ConfigError(f"{path} has format {state.format}; this version reads format {STATE_FORMAT}")
    if disks is not None and disks != state.disks:
        raise ConfigError(f"{directory} was made with {state.disks} disks; it cannot be started with {disks}")
    if scheme is not None and scheme != parse_scheme(state.scheme):
        raise ConfigError(f"{directory} was made with {state.scheme}; it cannot be started with {scheme}")
    if metadata is not None and metadata != state.metadata:
        raise ConfigError(
            f"{directory} has its metadata in {state.metadata}; to move it: stop, `dolmen metadata copy`, "
            f"then change `metadata` in {path}"
        )
    return state


def prepare(directory: Path) -> None:
    """The folders and the cluster key that every start needs. Disks are left to the datanodes."""
    shutil.rmtree(directory / "run", ignore_errors=True)
    for name, mode in (("run", 0o700), ("logs", 0o755), ("metadata", 0o700), ("disks", 0o755)):
        (directory / name).mkdir(mode=mode, exist_ok=True)
    key = directory / CLUSTER_KEY_FILE
    if not key.exists():
        write_durably(key, f"{secrets.token_hex(32)}\n".encode(), mode=0o600)
    keyring = directory / ENCRYPTION_KEY_FILE
    if not keyring.exists():
        line = f"key-1:{base64.b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode()}\n"
        write_durably(keyring, line.encode(), mode=0o600)


def metadata_of(directory: Path) -> str:
    """Where a directory's metadata is, for programs that run elsewhere. Raises ``ConfigError``."""
    try:
        state = msgspec.json.decode((directory / STATE_FILE).read_bytes(), type=State)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{directory} is no directory of `dolmen dev`") from error
    return f"embedded:{directory / METADATA_FILE}" if state.metadata == EMBEDDED else state.metadata


def migrate(metadata: str, directory: Path) -> None:
    """Bring a cluster's schema up to date; a file does that itself when it is opened. Raises ``ConfigError``."""
    if metadata == EMBEDDED:
        return
    argv = [sys.executable, "-P", "-m", "dolmen.gateway.metadata.command", "migrate", "--metadata", metadata]
    done = subprocess.run(argv, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise ConfigError(lines[-1] if lines else f"the schema of {metadata} could not be brought up to date")


def root_keys(directory: Path, environ: Mapping[str, str]) -> RootKeys:
    """The keys in force: the environment's, or those kept in the directory (generated at the first start)."""
    given = (environ.get(ENV_ACCESS_KEY_ID, ""), environ.get(ENV_SECRET_ACCESS_KEY, ""))
    if all(given):
        return RootKeys(*given, generated=False)
    if any(given):
        raise ConfigError(f"set both {ENV_ACCESS_KEY_ID} and {ENV_SECRET_ACCESS_KEY}, or neither")
    path = directory / ROOT_KEYS_FILE
    if not path.exists():
        keys = RootKeys(
            "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_ACCESS_KEY_CHARACTERS)),
            "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_CHARACTERS)),
            generated=True,
        )
        write_durably(path, keys_toml(keys), mode=0o600)
        return keys
    try:
        table = tomllib.loads(path.read_text())
        return RootKeys(str(table["access_key_id"]), str(table["secret_access_key"]), generated=True)
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def read_addresses(directory: Path) -> Addresses:
    """Raises ``ConfigError`` when no cluster was ever started there."""
    try:
        return msgspec.json.decode((directory / ADDRESSES_FILE).read_bytes(), type=Addresses)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"no cluster runs in {directory}") from error


def keys_toml(keys: RootKeys) -> bytes:
    """The file that the gateways read; quoted by JSON's rules, which TOML's basic strings share."""
    quoted = (msgspec.json.encode(keys.access_key_id), msgspec.json.encode(keys.secret_access_key))
    return b"access_key_id = %b\nsecret_access_key = %b\n" % quoted


def keys_in_memory(keys: RootKeys) -> int:
    """A file that has no name, for the gateways to inherit: keys that the environment gives never reach a disk."""
    descriptor = os.memfd_create("root-keys")
    os.write(descriptor, keys_toml(keys))
    return descriptor
