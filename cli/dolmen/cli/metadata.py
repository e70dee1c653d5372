"""``dolmen metadata``: programs of the gateway, to which this only tells where a directory of ``dolmen dev`` keeps things."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from dolmen.cli import directory_option
from dolmen.cli.dev.home import CLUSTER_KEY_FILE, ENCRYPTION_KEY_FILE, load_or_create_state, metadata_of
from dolmen.cli.dev.plan import ENV_ENCRYPTION_KEY_FILE
from dolmen.core.errors import ConfigError

MODULE = "dolmen.gateway.metadata.command"
REBUILD_MODULE = "dolmen.gateway.maintenance.rebuild"  # reads data volumes, so that it is a program of its own
REBUILD = "rebuild"
_SETTINGS = {"copy": "--from"}  # what the metadata of a directory is to an action; elsewhere it is --metadata


@click.command(
    "metadata",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Migrate, check, scrub, copy, export, import and rebuild the metadata store."""
    module, words = expanded(arguments, os.environ)
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *words])


def expanded(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The program and its command line: ``--directory DIR`` becomes settings. Raises ``ConfigError``."""
    rest, home = directory_option.taken(arguments)
    action = rest[0] if rest else ""
    if action == REBUILD:
        return REBUILD_MODULE, [*rest[1:], *([] if home is None else _rebuilt(home, environ))]
    if home is None or not action:  # without an action there is nothing to do
        return MODULE, rest
    return MODULE, [*rest, _SETTINGS.get(action, "--metadata"), metadata_of(home)]


def _rebuilt(home: Path, environ: Mapping[str, str]) -> list[str]:
    """What a rebuild needs: its datanodes run, gateways and maintenance need not."""
    metadata = metadata_of(home)
    # Beside each socket of a datanode there is one of its admin address.
    found = sorted((home / "run").glob("datanode-*.sock"))
    sockets = [path for path in found if not path.name.endswith(".admin.sock")]
    if not sockets:
        raise ConfigError(f"no datanode of {home} runs: `dolmen metadata {REBUILD}` reads their volumes")
    keyring = home / (environ.get(ENV_ENCRYPTION_KEY_FILE) or ENCRYPTION_KEY_FILE)
    return [
        *("--metadata", metadata),
        *("--cluster-id", load_or_create_state(home, None, None).cluster_id),
        *("--cluster-key-file", str(home / CLUSTER_KEY_FILE)),
        *("--encryption-key-file", str(keyring)),
        *(word for socket in sockets for word in ("--datanode", f"unix:{socket}")),
    ]
