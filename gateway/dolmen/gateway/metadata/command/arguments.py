"""The command line of ``dolmen metadata``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dolmen.core.errors import ConfigError
from dolmen.core.settings import Setting, at_least, declare, make_parser, take

PROGRAM = "dolmen metadata"
DESCRIPTION = "The metadata store itself: schema, checks, copies to another backend, export and import."
EPILOG = (
    "`dolmen metadata ACTION --directory DIR` takes --metadata (for copy: --from) from a directory of `dolmen dev`. "
    "`dolmen metadata rebuild --help` tells how rows are made anew from the volumes."
)
UNIT = "embedded:PATH or cassandra://HOST,HOST/KEYSPACE"
SCRUB_ROWS_PER_SECOND = 2000.0

STORE = Setting(flag="metadata", required=True, help="Where the metadata is", unit=UNIT)
LOG = Setting(
    flag="log-level", default="error", help="debug, info, warning or error", unit="level", reason="results are told anyway"
)
RATE = Setting(
    flag="rows-per-second",
    default=SCRUB_ROWS_PER_SECOND,
    help="Rows judged in a second at most; 0: as fast as it goes",
    unit="rows",
    reason="leaves most of a small cluster to its clients",
    parse=at_least(0, float),
)

SETTINGS = (STORE, RATE, LOG)  # of the actions that have them: for the page of settings

ACTIONS = {
    "migrate": "Bring the schema to the version of this program.",
    "check": "Judge configuration and schema, and compare lists with the truth; changes nothing. Exit code 1: something is wrong.",
    "scrub": "Compare lists with the truth, and make wrong rows anew.",
    "copy": "Copy everything to another backend while the store serves; then what changed meanwhile.",
    "export": "Write everything into one file.",
    "import": "Load a file of `export` into an empty store.",
}
_BUCKETS = ("check", "scrub")


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``; ``--help`` prints and exits."""
    parser = make_parser(PROGRAM, DESCRIPTION)
    parser.epilog = EPILOG
    choices = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, summary in ACTIONS.items():
        one = choices.add_parser(action, help=summary, description=summary, epilog=EPILOG, allow_abbrev=False)
        if action in _BUCKETS:
            one.add_argument("buckets", metavar="BUCKET", nargs="*", help="names of buckets, as stored; default all")
        if action in ("export", "import"):
            one.add_argument("file", metavar="FILE", type=Path, help="the file")
        if action == "import":
            one.add_argument("--over", action="store_true", help="go on with an import that was cut short")
        if action == "copy":
            _add_copy(one)
        one.add_argument("--output", choices=("table", "json"), default="table", help="default table")
        declare(one, _settings(action))
    found = parser.parse_args(argv)
    take(f"{PROGRAM} {found.action}", _settings(found.action), found)
    if found.action == "copy" and found.source == found.target:
        raise ConfigError("--from and --to are the same store")
    return found


def _settings(action: str) -> tuple[Setting, ...]:
    return (
        *(() if action == "copy" else (STORE,)),
        *((RATE,) if action in _BUCKETS else ()),
        LOG,
    )


def _add_copy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", metavar="STORE", required=True, help=f"what is copied ({UNIT})")
    parser.add_argument("--to", dest="target", metavar="STORE", required=True, help=f"the other one; empty at first ({UNIT})")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--final", action="store_true", help="nobody writes any more: move what is left")
    how.add_argument("--verify", action="store_true", help="compare both stores item by item; changes nothing")
    how.add_argument("--end", action="store_true", help="forget the copy: changes are no longer logged")
