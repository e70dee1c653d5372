"""The seam to the disk: everything that touches data goes through ``DiskIo``, so that a simulated disk can stand in."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from typing import Protocol

from typing_extensions import Buffer

_PUNCH_HOLE_KEEP_SIZE = 0x01 | 0x02
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class DiskIo(Protocol):
    """Operations on one directory; names are relative to it. All raise ``OSError``."""

    def create(self, name: str) -> int: ...

    def open(self, name: str) -> int: ...

    def close(self, fd: int) -> None: ...

    def pwrite(self, fd: int, parts: list[Buffer], offset: int) -> None:
        """Write all of ``parts`` one after the other, or raise."""
        ...

    def pread(self, fd: int, length: int, offset: int) -> bytes: ...

    def fdatasync(self, fd: int) -> None: ...

    def sync_directory(self) -> None: ...

    def punch_hole(self, fd: int, offset: int, length: int) -> None: ...

    def size(self, fd: int) -> int: ...

    def next_data(self, fd: int, offset: int) -> int:
        """The first offset from ``offset`` on that is not in a hole; the size of the file when there is none."""
        ...

    def next_hole(self, fd: int, offset: int) -> int:
        """The first offset from ``offset`` on that is in a hole; the size of the file when there is none."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def unlink(self, name: str) -> None: ...

    def names(self) -> list[str]: ...

    def free_bytes(self) -> tuple[int, int]:
        """(free, capacity) of the file system."""
        ...

    def identity(self, name: str) -> int | None:
        """Inode of a file by its path now; None when it is gone."""
        ...


IOV_MAX = 1024  # Linux's limit of one pwritev
RWF_DONTCACHE = 0x80  # pwritev2: pages are dropped once they are written back (Linux 6.14)
UNCACHED_BYTES_MIN = 128 * 1024  # larger fragments leave the page cache: half the CPU of a write


class OsDiskIo:
    """The real disk: one directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._uncached = True  # until the system refuses it

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def create(self, name: str) -> int:
        return os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, name: str) -> int:
        return os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        os.close(fd)

    def pwrite(self, fd: int, parts: list[Buffer], offset: int) -> None:
        views = [memoryview(part) for part in parts]
        large = any(view.nbytes >= UNCACHED_BYTES_MIN for view in views)
        while views:
            written = self._pwritev(fd, views[:IOV_MAX], offset, large)
            offset += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]

    def _pwritev(self, fd: int, views: list[memoryview], offset: int, large: bool) -> int:
        """One call; what is large does not stay in the page cache, where the system can do that."""
        if large and self._uncached:
            try:
                return os.pwritev(fd, views, offset, RWF_DONTCACHE)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                self._uncached = False  # an older kernel, or a file system without it: nothing was written
        return os.pwritev(fd, views, offset)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def punch_hole(self, fd: int, offset: int, length: int) -> None:
        if _libc.fallocate(fd, _PUNCH_HOLE_KEEP_SIZE, offset, length) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def next_data(self, fd: int, offset: int) -> int:
        try:
            return os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return max(offset, self.size(fd))

    def next_hole(self, fd: int, offset: int) -> int:
        return os.lseek(fd, offset, os.SEEK_HOLE)

    def unlink(self, name: str) -> None:
        os.unlink(self._path(name))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._path(new))

    def names(self) -> list[str]:
        return sorted(os.listdir(self._directory))

    def free_bytes(self) -> tuple[int, int]:
        info = os.statvfs(self._directory)
        return info.f_bavail * info.f_frsize, info.f_blocks * info.f_frsize

    def identity(self, name: str) -> int | None:
        try:
            return os.stat(self._path(name)).st_ino
        except FileNotFoundError:
            return None


TEMPORARY_SUFFIX = ".new"


def replace_file(io: DiskIo, name: str, raw: bytes) -> None:
    """Put ``raw`` into file ``name``, old or new contents and nothing between after a crash. Raises ``OSError``."""
    temporary = name + TEMPORARY_SUFFIX
    with suppress(FileNotFoundError):
        io.unlink(temporary)
    fd = io.create(temporary)
    try:
        io.pwrite(fd, [raw], 0)
        io.fdatasync(fd)
    finally:
        io.close(fd)
    io.rename(temporary, name)
    io.sync_directory()
