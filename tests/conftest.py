"""Fixtures and the account of what was skipped."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.server import ServerProcess, TestApp

settings.register_profile("pushery", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pushery")

REQUIRE_ALL = os.environ.get("PUSHERY_TEST_REQUIRE_ALL") == "1"
"""Set where every outside program is installed: a test that would be skipped fails instead."""

_MISSING = re.compile(r"(\S+) is not installed$")


def program(*names: str) -> str:
    """The path of the first of these outside programs that is installed; the test is skipped when none is."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    if REQUIRE_ALL:
        pytest.fail(f"{names[0]} is not installed")
    pytest.skip(f"{names[0]} is not installed")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """End with one line on the outside programs that were missing, from what the reports of all workers say."""
    yield
    skipped: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if missing := _MISSING.search(reason):
            skipped[missing[1]] += 1
    if skipped:
        what = ", ".join(f"{name} (tests skipped: {count})" for name, count in sorted(skipped.items()))
        terminalreporter.write_line(f"Not installed: {what}", yellow=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    return program("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of its own for one test."""
    with ServerProcess(tmp_path) as running:
        yield running


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    """An app registered on `server`."""
    return server.register()
