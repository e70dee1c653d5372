"""``dolmen metadata``: the operations on the metadata store itself. All but the last round of a copy may run while the store does.

Exit codes: 0, 1 when something is wrong or could not be done, 2 for bad use, 130 when it was interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop

from dolmen.core.clock import SystemClock
from dolmen.core.errors import ConfigError, DolmenError
from dolmen.core.telemetry.log import configure
from dolmen.gateway.metadata.command.actions import act
from dolmen.gateway.metadata.command.arguments import PROGRAM, arguments_of
from dolmen.gateway.metadata.command.progress import Progress
from dolmen.gateway.metadata.command.results import exit_code_of, json_of, lines_of

INTERRUPTED = 130  # as a shell tells SIGINT


def main(argv: Sequence[str]) -> int:
    """Entry point of ``python -m dolmen.gateway.metadata.command``; returns the exit code."""
    progress = Progress(sys.stderr)
    try:
        arguments = arguments_of(argv)
        configure(arguments.log_level, "metadata")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                result = runner.run(act(arguments, SystemClock(), progress))
        finally:
            progress.close()
        print(json_of(result) if arguments.output == "json" else "\n".join(lines_of(result)), flush=True)  # noqa: T201 - asked for
        return exit_code_of(arguments.action, result)
    except ConfigError as error:
        return _complain(str(error), 2)
    except (DolmenError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing may be flushed to it at exit
            return 1
        return _complain(str(error) or type(error).__name__, 1)
    except KeyboardInterrupt:
        return _complain("interrupted; run it again and it goes on", INTERRUPTED)


def _complain(message: str, exit_code: int) -> int:
    line = " ".join(message.split())
    print(line if line.startswith(PROGRAM) else f"{PROGRAM}: {line}", file=sys.stderr)  # noqa: T201 - the line that the caller sees
    return exit_code
