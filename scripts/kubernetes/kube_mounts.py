"""Which kind of file system a path is on."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")


def file_system_of(path: Path, mounts: str | None = None) -> str:
    """Such as ``ext4`` or ``overlay``: of the longest mount point above ``path``, the last one mounted there. Empty if unknown.

    ``mounts``: the content of /proc/self/mounts (proc_pid_mounts(5)), which writes a space as ``\\040``.
    """
    text = MOUNTS.read_text() if mounts is None else mounts
    best, kind = -1, ""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if (path == point or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind
