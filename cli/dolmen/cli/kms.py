"""``dolmen kms``: a program of the gateway, to which this only tells where a directory of ``dolmen dev`` keeps things."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from dolmen.cli import directory_option
from dolmen.cli.dev.home import ENCRYPTION_KEY_FILE, metadata_of
from dolmen.cli.dev.plan import ENV_ENCRYPTION_KEY_FILE

MODULE = "dolmen.gateway.kms"


@click.command(
    "kms",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """List, create, rotate and disable the keys of encryption."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", MODULE, *expanded(arguments, os.environ)])


def expanded(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """``--directory DIR`` as the settings of the program. Raises ``ConfigError``."""
    rest, home = directory_option.taken(arguments)
    if home is None or not rest:  # without an action there is nothing to do
        return rest
    metadata = metadata_of(home)
    # A keyring of the operator's own: its path is seen from the directory, as the processes see it.
    keyring = home / (environ.get(ENV_ENCRYPTION_KEY_FILE) or ENCRYPTION_KEY_FILE)
    return [*rest, "--metadata", metadata, "--encryption-key-file", str(keyring)]
