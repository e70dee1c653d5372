"""CPU time and peak memory of a tree of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that are needed. CPU in seconds."""

    parent: int
    cpu_seconds: float  # of the process itself, all threads
    reaped_seconds: float  # of its children that ended and were waited for


@dataclass(frozen=True, slots=True)
class Usage:
    """One process: its name, CPU since it started, peak resident memory since the last reset."""

    name: str
    cpu_seconds: float
    reaped_seconds: float
    peak_rss_bytes: int


def parse_stat(text: str) -> Stat:
    """``pid (name, which may hold spaces and brackets) state ppid ...``; see proc(5)."""
    fields = text[text.rindex(")") + 2 :].split()
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return Stat(int(fields[1]), own / TICKS_PER_SECOND, reaped / TICKS_PER_SECOND)


def parse_peak_rss(status: str) -> int:
    """VmHWM of /proc/PID/status in bytes; 0 for a zombie, which has none."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def name_of(command: list[str]) -> str:
    """A short name from a command line: the module run by ``-m``, the program otherwise, with what tells twins apart."""
    if "-m" in command and command.index("-m") + 1 < len(command):
        at = command.index("-m") + 1
        name = command[at].removeprefix("dolmen.")
        arguments = command[at + 1 :]
    else:
        words = [word for word in command if not word.startswith("-")]
        is_python = len(words) > 1 and Path(words[0]).name.startswith("python")
        name = Path(words[1] if is_python else words[0]).name if words else "?"
        arguments = []
    for flag in ("--node", "--name", "--admin-listen"):
        if flag in arguments[:-1]:
            value = arguments[arguments.index(flag) + 1]
            return Path(value.removeprefix("unix:")).name.split(".")[0] if "/" in value or flag == "--node" else f"{name} {value}"
    return name


def tree(root_pid: int) -> list[int]:
    """The process and all its descendants that run now, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(parse_stat((entry / "stat").read_text()).parent, []).append(int(entry.name))
            except (OSError, ValueError):
                continue  # it ended meanwhile
    found = [root_pid]
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def usage(root_pid: int) -> dict[int, Usage]:
    """Every process of the tree by pid."""
    told = {}
    for pid in tree(root_pid):
        folder = PROC / str(pid)
        try:
            stat = parse_stat((folder / "stat").read_text())
            command = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            peak = parse_peak_rss((folder / "status").read_text())
        except OSError:
            continue
        told[pid] = Usage(name_of([word for word in command if word]), stat.cpu_seconds, stat.reaped_seconds, peak)
    return told


def cpu_seconds(root_pids: Iterable[int]) -> float:
    """CPU time of these processes and all below them since they started."""
    return sum(each.cpu_seconds + each.reaped_seconds for pid in root_pids for each in usage(pid).values())


def machine_busy_seconds(stat: str | None = None) -> float:
    """CPU time of everything on this machine since it started, from the first line of /proc/stat; stolen time included."""
    fields = [int(word) for word in (stat or (PROC / "stat").read_text()).splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def reset_peaks(root_pid: int) -> None:
    """Start peak memory afresh for each process of the tree."""
    for pid in tree(root_pid):
        try:
            (PROC / str(pid) / "clear_refs").write_text("5")
        except OSError:
            continue  # it ended, or belongs to somebody else: the peak then is that since its start


@dataclass(frozen=True, slots=True)
class Spent:
    """What a tree used between two moments."""

    cpu_seconds: float
    cpu_by_name: dict[str, float]
    peak_by_name: dict[str, int]  # bytes, the largest of its namesakes
    peak_total_bytes: int  # sum of the peaks: shared pages are counted once for each process
    restarted: bool  # a process came or went


def spent(before: dict[int, Usage], after: dict[int, Usage]) -> Spent:
    """CPU of processes that ended in between is found in their parent's reaped time."""
    total = sum(u.cpu_seconds + u.reaped_seconds for u in after.values())
    total -= sum(u.cpu_seconds + u.reaped_seconds for u in before.values())
    cpu: dict[str, float] = {}
    peak: dict[str, int] = {}
    for pid, used in after.items():
        earlier = before[pid].cpu_seconds if pid in before else 0.0
        cpu[used.name] = cpu.get(used.name, 0.0) + used.cpu_seconds - earlier
        peak[used.name] = max(peak.get(used.name, 0), used.peak_rss_bytes)
    return Spent(total, cpu, peak, sum(u.peak_rss_bytes for u in after.values()), before.keys() != after.keys())
