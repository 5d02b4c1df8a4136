"""Child processes: started on the cores they belong on, measured from /proc, stopped by their own pid."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_S = 10
"""How long a server may take to stop before it is killed."""

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Process:
    """A server that we started. Its output goes to a file, so that a failure can be explained."""

    def __init__(self, argv: Sequence[str], *, folder: Path, cores: set[int] | None) -> None:
        self._log = folder / "output.log"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: pin(cores),
            )
        self.pid = self._child.pid

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def last_words(self) -> str:
        """The last line of its output."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def cpu_s(self) -> float:
        """CPU seconds that it and its children have used so far."""
        return sum(_cpu_s(pid) for pid in _family(self.pid))

    def resident_kb(self) -> float:
        """Memory of its own (anonymous and shared, not mapped files) that it and its children hold, in KB."""
        return sum(_resident_kb(pid) for pid in _family(self.pid))

    def stop(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self.running():
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def pin(cores: set[int] | None) -> None:
    """Keep the calling process on these cores."""
    if cores:
        os.sched_setaffinity(0, cores)


def wait_until(deadline_s: float) -> bool:
    """Sleep a little; False once the deadline (monotonic) has passed."""
    time.sleep(0.02)
    return time.monotonic() < deadline_s


def _family(pid: int) -> list[int]:
    """The process, its children and theirs."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def _cpu_s(pid: int) -> float:
    """From schedstat (nanoseconds, per thread) where the kernel has it, else from stat (ticks)."""
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S


def _resident_kb(pid: int) -> float:
    """Proportional shares, so that memory which two processes share is counted once.

    Pages of mapped files are left out: their share depends on who else has the same libraries open.
    """
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = float(rest.split()[0])
    if "Pss_Anon" not in sizes:
        return sizes["Rss"]
    return sizes["Pss_Anon"] + sizes["Pss_Shmem"]
