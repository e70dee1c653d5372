"""``dolmen version``."""

from __future__ import annotations

import importlib.metadata
import platform

import click


@click.command("version")
def command() -> None:
    """Print the version."""
    click.echo(f"dolmen {importlib.metadata.version('dolmen')} (Python {platform.python_version()})")
