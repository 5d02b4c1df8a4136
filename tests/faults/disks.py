"""A disk that a test fills and frees again: a file system of one MiB where one may be mounted, or a limit."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.server import ServerProcess

MIB = 1 << 20
KINDS = ("limit", "mount")


class LimitedDisk:
    """No file of the server may grow any more (EFBIG): what works everywhere."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._before: tuple[int, int] | None = None

    def fill(self, server: ServerProcess) -> None:
        """From now on nothing more can be written."""
        pid = server.process.pid
        self._before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, self._before[1]))

    def free(self, server: ServerProcess) -> None:
        """There is room again."""
        assert self._before is not None
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, self._before)


class SmallDisk:
    """A file system of its own (ENOSPC)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def fill(self, _: ServerProcess | None = None) -> None:
        """Put a file there that takes all the room."""
        filler = os.open(self.directory / "filler", os.O_WRONLY | os.O_CREAT)
        size = MIB
        while size:
            try:
                os.write(filler, bytes(size))
            except OSError:
                size //= 2
        os.close(filler)

    def free(self, _: ServerProcess | None = None) -> None:
        """Remove it."""
        (self.directory / "filler").unlink()

    def make_read_only(self) -> None:
        """Nobody may have a file open there for writing."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.directory)], check=True)


Disk = LimitedDisk | SmallDisk


def _mounted(directory: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "pushery-test", str(directory)]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _unmount(directory: Path) -> None:
    subprocess.run(["umount", "-l", str(directory)], check=True)


@contextlib.contextmanager
def disk(kind: str, directory: Path) -> Iterator[Disk]:
    """A disk of one of `KINDS` with room on it, in an empty directory; where nothing may be mounted, a limit."""
    if kind == "limit" or not _mounted(directory):
        yield LimitedDisk(directory)
        return
    try:
        yield SmallDisk(directory)
    finally:
        _unmount(directory)
