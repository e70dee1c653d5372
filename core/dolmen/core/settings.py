"""Settings: a flag, an environment variable, a default, and the reason for it.

Each process declares its settings once as a tuple of ``Setting``. The same tuple makes its command line (``parse``) and the
reference page (``docs/reference/settings.md``, generated), so that neither can lie about the other. A flag wins over the
environment (``DOLMEN_`` and the flag's name in capitals), which wins over the default.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dolmen.core.errors import ConfigError

ENVIRONMENT_PREFIX = "DOLMEN_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a process."""

    flag: str  # "garbage-grace-seconds": --garbage-grace-seconds, DOLMEN_GARBAGE_GRACE_SECONDS, .garbage_grace_seconds
    help: str  # what it does, one sentence
    default: Any = None  # None: nothing unless ``required``
    unit: str = ""  # "seconds", "bytes", "HOST:PORT" ...
    reason: str = ""  # why the default is what it is
    parse: Callable[[str], Any] = str  # raises ValueError or ConfigError
    required: bool = False
    repeated: bool = False  # may be given several times; a tuple

    @property
    def name(self) -> str:
        """The attribute of the parsed settings."""
        return self.flag.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()


class _Parser(argparse.ArgumentParser):
    """A wrong command line is told in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}")


def at_least(minimum: float, kind: Callable[[str], Any] = int) -> Callable[[str], Any]:
    """A parser of numbers that refuses those below ``minimum``."""

    def parse(text: str) -> Any:  # noqa: ANN401 - int or float as ``kind`` makes them
        value = kind(text)
        if not value >= minimum:
            raise ValueError(f"{text} is less than {minimum}")
        return value

    return parse


def boolean(text: str) -> bool:
    """``true`` or ``false`` (also 1, 0, yes, no). Raises ``ValueError``."""
    lower = text.strip().lower()
    if lower in ("true", "1", "yes"):
        return True
    if lower in ("false", "0", "no"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def parse(
    program: str, description: str, settings: Sequence[Setting], argv: Sequence[str], environ: Mapping[str, str] | None = None
) -> argparse.Namespace:
    """Raises ``ConfigError`` with one line; ``--help`` prints and exits."""
    parser = make_parser(program, description)
    declare(parser, settings)
    found = parser.parse_args(argv)
    take(program, settings, found, environ)
    return found


def make_parser(program: str, description: str) -> argparse.ArgumentParser:
    """A parser without settings yet, for programs with actions; so are its sub-parsers."""
    return _Parser(prog=program, description=description, allow_abbrev=False)


def declare(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """Add the flags of the settings."""
    for setting in settings:
        text = f"{setting.help}{f' ({setting.unit})' if setting.unit else ''}{_default_text(setting)}"
        parser.add_argument(
            f"--{setting.flag}",
            dest=setting.name,
            metavar=(setting.unit or "VALUE").upper().replace(" ", "-"),
            action="append" if setting.repeated else "store",
            help=text.replace("%", "%%"),
        )


def take(
    program: str, settings: Sequence[Setting], found: argparse.Namespace, environ: Mapping[str, str] | None = None
) -> None:
    """Put the values of declared settings into ``found``: flag, environment or default. Raises ``ConfigError``."""
    environ = os.environ if environ is None else environ
    for setting in settings:
        setattr(found, setting.name, _value(program, setting, getattr(found, setting.name), environ))


def _default_text(setting: Setting) -> str:
    return "" if setting.default is None else f"; default {setting.default}"


def _value(program: str, setting: Setting, given: Any, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - as parsed
    source = f"--{setting.flag}"
    if given is None and environ.get(setting.variable):
        source = setting.variable
        given = environ[setting.variable].split(",") if setting.repeated else environ[setting.variable]
    if given is None:
        if setting.required:
            raise ConfigError(f"{program}: --{setting.flag} (or {setting.variable}) is required")
        return () if setting.repeated and setting.default is None else setting.default
    try:
        return tuple(setting.parse(text) for text in given) if setting.repeated else setting.parse(given)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{program}: {source}: {error}") from error
