"""The ``dolmen`` command.

Each command's module is imported only when it is called: ``dolmen --help`` answers within 200 ms. Every error is one line on
standard error: exit code 2 for bad use, 1 for everything else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from dolmen.core.errors import ConfigError, DolmenError


class Entry(NamedTuple):
    """Where a command lives, and what it says in the list of commands."""

    module: str
    summary: str


COMMANDS = {
    "dev": Entry("dolmen.cli.dev.command", "Run a whole cluster on this machine, its data in one directory."),
    "kms": Entry("dolmen.cli.kms", "List, create, rotate and disable the keys of encryption."),
    "metadata": Entry("dolmen.cli.metadata", "Migrate, check, copy, export and rebuild the metadata store."),
    "status": Entry("dolmen.cli.status", "Show disks, groups, repairs and garbage of a running cluster."),
    "version": Entry("dolmen.cli.version", "Print the version."),
}
# Servers are started by name too, as container images do; they parse their own command lines.
SERVERS = {
    "datanode": Entry("dolmen.datanode", "Run a datanode process."),
    "gateway": Entry("dolmen.gateway", "Run a gateway process."),
    "maintenance": Entry("dolmen.gateway.maintenance", "Run the maintenance process."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *SERVERS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in SERVERS:
            return _server_command(cmd_name, SERVERS[cmd_name])
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in (("Commands", COMMANDS), ("Servers", SERVERS)):
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in entries.items()])


def _server_command(name: str, entry: Entry) -> click.Command:
    @click.command(
        name,
        help=entry.summary,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def server(arguments: tuple[str, ...]) -> None:
        os.execv(sys.executable, [sys.executable, "-P", "-m", entry.module, *arguments])

    return server


@click.command(
    cls=LazyGroup,
    name="dolmen",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def root(ctx: click.Context) -> None:
    """Dolmen: an S3-compatible, erasure-coded object store."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code."""
    try:
        outcome = root.main(args=list(arguments), prog_name="dolmen", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except ConfigError as error:
        return _complain(str(error), 2)
    except DolmenError as error:
        return _complain(str(error), 1)
    except BrokenPipeError:
        # The reader of our output went away (`dolmen status | head`); nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return outcome if isinstance(outcome, int) else 0


def _complain(message: str, exit_code: int) -> int:
    print(f"dolmen: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - the one line that the caller sees
    return exit_code


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
