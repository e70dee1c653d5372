"""The command line of ``dolmen dev``: a directory and the settings of ``options.SETTINGS``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dolmen.cli.dev.options import SETTINGS, DevOptions, cores
from dolmen.cli.dev.run import run
from dolmen.core.errors import ConfigError
from dolmen.core.settings import Setting


class _Value(click.ParamType[Any]):
    """A setting's own parser behind click."""

    envvar_list_splitter = ","

    def __init__(self, setting: Setting) -> None:
        self.name = setting.unit or "text"
        self._parse = setting.parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, ConfigError) as error:
            self.fail(str(error), param, ctx)


def _option(setting: Setting) -> click.Option:
    return click.Option(
        [f"--{setting.flag}", setting.name],
        type=_Value(setting),
        default=setting.default,
        show_default=setting.default is not None,
        envvar=setting.variable,
        multiple=setting.repeated,
        metavar=setting.unit.replace(" ", "-") or None,
        help=f"{setting.help}.",
    )


def _run(directory: Path, workers: int | None, domain: tuple[str, ...], **settings: Any) -> int:  # noqa: ANN401 - by SETTINGS
    return run(DevOptions(directory=directory, workers=workers or cores(), domains=domain, **settings))


command = click.Command(
    "dev",
    callback=_run,
    params=[
        click.Argument(["directory"], type=click.Path(path_type=Path, file_okay=False), metavar="DIR"),
        *(_option(setting) for setting in SETTINGS),
    ],
    help="Run a whole cluster on this machine, its data in DIR.\n\n"
    "Starts and supervises gateways, datanodes and maintenance, and prints what to paste into a client. A second start goes on "
    "with the same data, whatever ended the first. Ctrl-C stops it. The root account's key is made at the first start and kept "
    "in DIR; DOLMEN_ROOT_ACCESS_KEY_ID and DOLMEN_ROOT_SECRET_ACCESS_KEY set another.",
)
