"""Clients that others wrote, their hosts, and the stage they act on. Most live as long as the test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.clients.driver import NodeHost, Scene, node_host
from tests.clients.site import FOLDER, Stage, stage
from tests.conftest import REQUIRE_ALL, program
from tests.support.browser import browser_page


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node, with the packages of `node/` beside it."""
    found = program("node", "nodejs")
    if not (FOLDER / "node_modules" / "pusher-js").is_dir():
        message = "pusher-js is not installed"
        if REQUIRE_ALL:
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def set_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The one stage of all tests that do not stop its server."""
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture
def own_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage that a test may do anything with."""
    with stage(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def scene(node: str) -> Iterator[Scene]:
    """pusher-js in Node."""
    with node_host(node, FOLDER / "pusher-js.mjs") as host:
        yield Scene(host)


@pytest.fixture(scope="session")
def echoes(node: str) -> Iterator[Scene]:
    """laravel-echo in Node."""
    with node_host(node, FOLDER / "echo.mjs") as host:
        yield Scene(host)


@pytest.fixture(scope="session")
def node_backend(node: str) -> Iterator[NodeHost]:
    """The library `pusher` of npm."""
    with node_host(node, FOLDER / "backend.mjs") as host:
        yield host


@pytest.fixture
def page(chromium: str, node: str) -> Iterator[Page]:
    """An empty page; whatever a script of it throws fails the test. The page's scripts come from npm."""
    with browser_page(chromium) as page:
        yield page
