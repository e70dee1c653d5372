"""A PostgreSQL cluster of a test: it refuses to run as root, so root's tests run it as Debian's user ``postgres``."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from dev_server import free_port

COMMAND_SECONDS = 120.0
USER = "postgres"  # of the database, and of the system when we are root


class Cluster:
    """A context; ``directory`` belongs to whoever runs the server, ``data`` is below it. ``bin``: where initdb is."""

    def __init__(self, bin_directory: Path) -> None:
        self.bin = bin_directory
        # Not below pytest's directories, which only their owner may enter.
        self.directory = Path(tempfile.mkdtemp(prefix="dolmen-postgresql-"))
        self.data = self.directory / "data"
        self.port = free_port()
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            self._as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
        self.environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.directory), "LANG": "C.UTF-8"}

    def __enter__(self) -> Self:
        self.give(self.directory)
        self.run("initdb", "--auth=trust", f"--username={USER}", "--no-sync", "-D", self.data)
        return self

    def __exit__(self, *_: object) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def give(self, path: Path) -> None:
        """Make the user of the server the owner of everything at ``path``."""
        if self._as_user:
            account = pwd.getpwnam(USER)
            for found in (path, *path.rglob("*")):
                os.chown(found, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def run(self, *arguments: object, **environment: str) -> str:
        """Run a command as the server's user; its standard output. AssertionError with all that it said when it fails."""
        command = [*self._as_user, *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def configure(self, **settings: str) -> None:
        """Append to postgresql.conf."""
        given = {"port": str(self.port), "listen_addresses": "", "unix_socket_directories": str(self.directory), **settings}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in given.items())

    def start(self) -> None:
        # The log is a file: the server would keep a pipe of ours open.
        self.run("pg_ctl", "-D", self.data, "-l", self.directory / "server.log", "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def sql(self, statement: str) -> str:
        """What ``psql`` prints for it, unaligned, without headers."""
        connection = ("-h", self.directory, "-p", self.port, "-U", USER, "-d", "postgres")
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *connection, "-c", statement).strip()
