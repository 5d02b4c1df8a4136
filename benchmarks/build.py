"""Compiles the load generators and the bound from `native/` into `bin/`, when a source is newer than its program."""

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.errors import BenchError

HERE = Path(__file__).parent
SOURCES = HERE / "native"
PROGRAMS = HERE / "bin"
NAMES = ("wsload", "limit", "httpload", "pusherload")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Wno-misleading-indentation")


def program(name: str) -> str:
    """The path of a compiled program."""
    return str(PROGRAMS / name)


def build() -> None:
    """Bring all programs up to date. Raises BenchError without a C compiler or when one does not compile."""
    newest_header = max(header.stat().st_mtime for header in SOURCES.glob("*.h"))
    PROGRAMS.mkdir(exist_ok=True)
    for name in NAMES:
        source, target = SOURCES / f"{name}.c", PROGRAMS / name
        if not target.exists() or target.stat().st_mtime < max(source.stat().st_mtime, newest_header):
            _compile(source, target)


def _compile(source: Path, target: Path) -> None:
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        raise BenchError("no C compiler: the load generators are C programs (Debian: apt install gcc libc6-dev)")
    done = subprocess.run([compiler, *FLAGS, "-o", target, source], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise BenchError(f"{source.name} does not compile: {reason[0]}")
