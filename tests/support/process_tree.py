"""The processes of a store as the kernel sees them: who they are, how much memory they took, and the end of them all."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """``pid`` and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def peak_rss_bytes(pid: int) -> int:
    """The largest resident size so far (VmHWM); 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def kill_all(pid: int) -> list[int]:
    """SIGKILL to the whole tree at once: stopped first, so that no parent sees a child die and acts on it."""
    tree = descendants(pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for member in tree:
            try:
                os.kill(member, number)
            except ProcessLookupError:
                continue
    return tree
