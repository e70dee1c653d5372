"""What may go wrong, told in one line each; ``exit_code`` is that of the command line."""

from __future__ import annotations


class KubeToolError(Exception):
    """A cluster failed, was late, or cannot be had on this machine."""

    exit_code = 1


class CommandFailed(KubeToolError):
    """A program that was run to its end failed: what it was, how it ended, what it said."""

    def __init__(self, program: str, returncode: int, stdout: str, stderr: str) -> None:
        said = [line for line in (stderr or stdout).splitlines() if line.strip()]
        super().__init__(f"{program}: {said[-1].strip() if said else 'it said nothing'} (exit {returncode})")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class WrongUse(KubeToolError):
    """Asked for what cannot be: an unknown node, more nodes than there are addresses, a directory without a cluster."""

    exit_code = 2
