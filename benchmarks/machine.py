"""The machine a run happens on: its facts for the header, its cores, its limits."""

import os
import platform
import resource
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUSY = 0.5
"""Load average from which on a run says that it did not have the machine for itself."""


def cores() -> tuple[set[int], set[int]] | None:
    """(the server's core, the generators' cores), or None where there is only one."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return ({first}, set(rest)) if rest else None


def raise_file_limit() -> int:
    """Allow as many open files as this user may have; children inherit it. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def facts() -> dict[str, str]:
    """What a reader needs to know to compare two runs."""
    pinned = cores()
    where = f"server on core {min(pinned[0])}, load generators on {_spans(pinned[1])}" if pinned else "one core for all"
    load = os.getloadavg()[0]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "uvloop": _version("uvloop"),
        "cores": where,
        "load": f"{load:.2f} at the start" + (" (busy: read the ratios only)" if load > BUSY else ""),
    }


class Neighbours:
    """How much of the machine went to programs that are not ours, from its creation on."""

    def __init__(self) -> None:
        self._begin, self._busy, self._own = time.monotonic(), _busy_s(), _own_s()

    def share(self) -> str:
        """Percent of all cores. Whoever still runs among our children is counted as a stranger: ask at the end."""
        whole = (time.monotonic() - self._begin) * (os.cpu_count() or 1)
        strangers = _busy_s() - self._busy - (_own_s() - self._own)
        return f"{max(0.0, strangers / whole):.0%} of the CPU time went to other programs during the run"


def _busy_s() -> float:
    """CPU seconds that all programs (and, in a virtual machine, its neighbours) have used since boot."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    """CPU seconds of this process and the children that have ended."""
    return sum(os.times()[:4])


def _spans(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"core {low}" if low == high else f"cores {low}-{high}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
