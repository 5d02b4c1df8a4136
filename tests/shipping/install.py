"""Builds and installs what we ship, as its readers would: in directories of their own, from the package index."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_ALL, program
from tests.support.server import DEADLINE_S, wait_until

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EPOCH = "1700000000"
"""The time that is written into what we build (SOURCE_DATE_EPOCH)."""

_UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError")
_FROM_OUTSIDE = re.compile(r"PUSHERY_.*|PYTHON.*|VIRTUAL_ENV|MAKE.*|MFLAGS|SOURCE_DATE_EPOCH")


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what would lead a program back to the source here."""
    return {k: v for k, v in os.environ.items() if not _FROM_OUTSIDE.fullmatch(k)} | more


def run(command: list[str] | str, directory: Path, environ: Mapping[str, str] | None = None, code: int = 0) -> str:
    """What a program says that ends with `code`; text is given to a shell. Skips the test when no index is in reach."""
    ran = subprocess.run(
        command,
        cwd=directory,
        env=environment() if environ is None else environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        shell=isinstance(command, str),  # the Dockerfile's own lines
    )
    said = ran.stdout + ran.stderr
    if ran.returncode and _UNREACHABLE.search(said) and not REQUIRE_ALL:
        pytest.skip("no package index is within reach")
    assert ran.returncode == code, f"{command} ended with {ran.returncode}:\n{said}"
    return ran.stdout


def copy_source(directory: Path) -> Path:
    """What the package is built from, and nothing else, in a directory that is no clone."""
    names = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    for name in (*names, "pyproject.toml", "Makefile"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    return directory


def make_wheel(directory: Path) -> Path:
    """`make wheel`; returns dist/."""
    # What it builds with is installed here already.
    command = [program("make"), "-o", f"{sys.prefix}/.runtime", f"VENV={sys.prefix}", "wheel"]
    run(command, directory, environment(SOURCE_DATE_EPOCH=EPOCH))
    return directory / "dist"


@contextmanager
def once(directory: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """`directory`, which the first of several processes has made; the others wait for it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = directory.with_suffix(".whole")  # a venv cannot be moved once it is made, so a file tells that it is
        if not whole.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            make(directory)
            whole.touch()
    yield directory


@contextmanager
def serving(command: list[str], directory: Path, environ: Mapping[str, str]) -> Iterator[int]:
    """A server that others have installed; gives its port, and sees that it stops in order."""
    output = directory.parent / f"{directory.name}.said"
    with output.open("wb") as said:
        process = subprocess.Popen(command, cwd=directory, env=environ, stdout=said, stderr=said)

    def port() -> int:
        assert process.poll() is None, output.read_text()
        found = re.search(r"listens on https?://\S+:(\d+)", output.read_text())
        return int(found[1]) if found else 0

    try:
        yield wait_until(port, "the server")
    finally:
        process.terminate()
        code = process.wait(DEADLINE_S)
    assert code == 0, output.read_text()
