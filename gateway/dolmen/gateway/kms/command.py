"""``dolmen kms``: keys of encryption, on the metadata store and the keyring themselves. It may run while the store does.

Exit codes: 0, 1 when something could not be done, 2 for bad use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop

from dolmen.core.clock import Clock, SystemClock
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.settings import Setting, declare, make_parser, take
from dolmen.core.telemetry.log import configure
from dolmen.gateway.kms import actions
from dolmen.gateway.kms.choose import key_service
from dolmen.gateway.kms.names import setting_of_name
from dolmen.gateway.kms.present import Progress, Result, json_of, lines_of
from dolmen.gateway.kms.service import KeyService, KmsKeyExists
from dolmen.gateway.kms.settings import KMS_SETTINGS, kms_settings
from dolmen.gateway.metadata.choose import METADATA_UNIT, open_metadata, require_existing
from dolmen.gateway.metadata.store import MetadataStore

PROGRAM = "dolmen kms"
DESCRIPTION = "Keys that encrypt objects: list, create, rotate, disable, wrap anew. Works while the store runs."
EPILOG = "`dolmen kms ACTION --directory DIR` takes --metadata and --encryption-key-file from a directory of `dolmen dev`."
GRACE_SECONDS = 900.0  # of garbage notes, of which nothing here makes any
INTERRUPTED = 130  # as a shell tells SIGINT

SETTINGS: tuple[Setting, ...] = (
    Setting(flag="metadata", required=True, help="Where the metadata is", unit=METADATA_UNIT),
    *KMS_SETTINGS,
    Setting(
        flag="log-level",
        default="error",
        help="debug, info, warning or error",
        unit="level",
        reason="results and progress are told anyway",
    ),
)

ACTIONS = {
    "list": "Show named keys, and which cluster keys wrap them.",
    "create": "Make a named key.",
    "rotate": "Give a named key a new version, which seals from now on.",
    "enable": "Let a named key be used again.",
    "disable": "Let a named key neither seal nor open.",
    "rewrap": "Seal the keys of all objects by the newest versions, now; goes on where it was cut short.",
    "rotate-cluster-key": "Put a new key first into the encryption key file, and wrap all named keys by it.",
}
_NAMED = ("create", "rotate", "enable", "disable")


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``ConfigError``; ``--help`` prints and exits."""
    parser = make_parser(PROGRAM, DESCRIPTION)
    parser.epilog = EPILOG
    choices = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, summary in ACTIONS.items():
        one = choices.add_parser(action, help=summary, description=summary, epilog=EPILOG, allow_abbrev=False)
        if action in _NAMED:
            one.add_argument("name", metavar="NAME", help="name of the key")
        if action == "rotate-cluster-key":
            how = one.add_mutually_exclusive_group()
            how.add_argument("--prepare", action="store_true", help="only add a key that wraps nothing yet, for several hosts")
            how.add_argument("--use", metavar="ID", default="", help="make the prepared key ID the current one")
            how.add_argument("--drop-old", action="store_true", help="remove the former keys; refused while one is needed")
        one.add_argument("--output", choices=("table", "json"), default="table", help="default table")
        declare(one, SETTINGS)
    found = parser.parse_args(argv)
    take(f"{PROGRAM} {found.action}", SETTINGS, found)
    if found.action == "create":
        setting_of_name(found.name)
    return found


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.gateway.kms``; returns the exit code."""
    try:
        arguments = arguments_of(argv)
        configure(arguments.log_level, "kms")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(_run(arguments))
        text = json_of(result) if arguments.output == "json" else "\n".join(lines_of(arguments.action, result))
        print(text, flush=True)  # noqa: T201 - what the caller asked for
    except ConfigError as error:
        return _complain(str(error), 2)
    except DolmenError as error:
        return _complain(str(error) or type(error).__name__, 1)
    except KeyboardInterrupt:
        return _complain("interrupted; what was done stays done", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing may be flushed to it at exit
        return 1
    return 0


def _complain(message: str, exit_code: int) -> int:
    line = " ".join(message.split())
    print(line if line.startswith(PROGRAM) else f"{PROGRAM}: {line}", file=sys.stderr)  # noqa: T201 - the line that the caller sees
    return exit_code


async def _run(arguments: argparse.Namespace) -> Result:
    clock = SystemClock()
    require_existing(arguments.metadata)  # opening would make an empty one
    store = open_metadata(arguments.metadata, clock, GRACE_SECONDS)
    service = key_service(kms_settings(arguments), store, clock)
    if service is None:
        raise ConfigError("--encryption-key-file (or DOLMEN_ENCRYPTION_KEY_FILE) or --kms-vault-url is required")
    await store.open()
    try:
        return await _act(arguments, store, service, clock)
    finally:
        await service.close()
        await store.close()


async def _act(arguments: argparse.Namespace, store: MetadataStore, service: KeyService, clock: Clock) -> Result:
    action, keyring = arguments.action, arguments.encryption_key_file
    if action == "list":
        return await actions.list_keys(service, actions.local_keys(store, clock, keyring), keyring)
    if action == "rewrap":
        progress = Progress(sys.stderr)
        try:
            return await actions.rewrap(store, service, clock, progress.show)
        finally:
            progress.close()
    if action == "rotate-cluster-key":
        path = actions.needs_keyring(keyring)
        if arguments.prepare:
            return actions.prepare_cluster_key(path)
        if arguments.drop_old:
            return await actions.drop_old_cluster_keys(store, clock, path)
        return await actions.rotate_cluster_key(store, clock, path, arguments.use)
    await _change(service, action, arguments.name)
    return await actions.changed(service, arguments.name)


async def _change(service: KeyService, action: str, name: str) -> None:
    if action == "create":
        try:
            await service.create(name)
        except KmsKeyExists:
            raise KmsKeyExists(f"there is a key {name} already") from None
    elif action == "rotate":
        await service.rotate(name)
    else:
        await service.set_enabled(name, enabled=action == "enable")
