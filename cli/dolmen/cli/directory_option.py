"""``--directory DIR`` of commands that work on what a directory of ``dolmen dev`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dolmen.core.errors import ConfigError

OPTION = "--directory"


def taken(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The other words of a command line, and the directory that it names. Raises ``ConfigError``."""
    rest: list[str] = []
    directory: str | None = None
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name != OPTION:
            rest.append(word)
            continue
        directory = value if equals else next(words, "")
        if not directory:
            raise ConfigError(f"{OPTION} needs the directory of a `dolmen dev`")
    return rest, None if directory is None else Path(directory)
