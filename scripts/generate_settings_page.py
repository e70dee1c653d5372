#!/usr/bin/env python3
"""Write docs/reference/settings.md from the settings that the processes declare; with --check fail when it is stale."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dolmen.core.settings import Setting

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "settings.md"


class Program(NamedTuple):
    """Where a program declares its settings."""

    title: str
    module: str
    note: str


PROGRAMS = (
    Program("dolmen dev DIR", "dolmen.cli.dev.options", "A whole cluster on one machine."),
    Program("dolmen gateway", "dolmen.gateway.app", "Serves S3."),
    Program("dolmen maintenance", "dolmen.gateway.maintenance.app", "Publishes the map, repairs, collects garbage."),
    Program("dolmen kms ACTION", "dolmen.gateway.kms.command", "Keys of encryption."),
    Program("dolmen metadata ACTION", "dolmen.gateway.metadata.command.arguments", "The metadata store."),
    Program("dolmen metadata rebuild", "dolmen.gateway.maintenance.rebuild.command", "Makes rows anew from the volumes."),
    Program("dolmen datanode", "dolmen.datanode.app", "Serves fragments from disks."),
)

HEAD = """# Settings

Written by `scripts/generate_settings_page.py` from what the programs declare. A flag wins over the environment variable, which wins
over the default; a repeated setting is a comma-separated list in the environment.
"""


def cell(text: object) -> str:
    """Text inside a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def default_of(setting: Setting) -> str:
    """The default as a person would type it."""
    if setting.required:
        return "required"
    if setting.default is None or setting.default == "":
        return ""
    if isinstance(setting.default, tuple):
        return f"`{'+'.join(map(str, setting.default))}`"
    if isinstance(setting.default, float) and setting.default.is_integer():
        return f"`{int(setting.default)}`"
    return f"`{setting.default}`"


def row(setting: Setting) -> str:
    """One setting."""
    repeated = " (repeatable)" if setting.repeated else ""
    columns = (
        f"`--{setting.flag}`{repeated}<br>`{setting.variable}`",
        setting.unit,
        default_of(setting),
        setting.help,
        setting.reason,
    )
    return f"| {' | '.join(cell(column) for column in columns)} |"


def page() -> str:
    """The whole document."""
    parts = [HEAD]
    for program in PROGRAMS:
        settings: Sequence[Setting] | None = getattr(importlib.import_module(program.module), "SETTINGS", None)
        if settings is None:
            print(f"{program.module} declares no SETTINGS", file=sys.stderr)
            continue
        parts.append(f"## `{program.title}`\n\n{program.note}\n")
        table = ["| setting | unit | default | what it does | why this default |", "| --- | --- | --- | --- | --- |"]
        parts.append("\n".join([*table, *map(row, settings)]) + "\n")
    return "\n".join(parts)


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != wanted:
            print(f"{PAGE.name} is stale: run make generate", file=sys.stderr)
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
