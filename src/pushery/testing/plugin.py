"""The test server as pytest fixtures. They are there once Pushery is installed, or with
`pytest_plugins = ["pushery.testing.plugin"]` where plugins are not loaded by themselves.

One server serves a whole run, since apps keep tests apart: whoever asks for `pushery_app` has one to itself.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pushery.testing import Recorder, RunningServer, TestingApp


@pytest.fixture(scope="session")
def pushery_settings() -> dict[str, Any]:
    """Settings of the server. Override it in a `conftest.py` to have others than the test server's defaults."""
    return {}


@pytest.fixture(scope="session")
def pushery_server(pushery_settings: dict[str, Any]) -> "Iterator[RunningServer]":
    """A running server, the same for all tests of the run."""
    from pushery.testing import run_server  # the plugin is loaded in every run, also where nobody needs it

    with run_server(**pushery_settings) as server:
        yield server


@pytest.fixture
def pushery_app(pushery_server: "RunningServer") -> "Iterator[TestingApp]":
    """An app for this test alone, with client events; its clients are closed when the test ends."""
    app = pushery_server.app(client_events=True)
    yield app
    pushery_server.forget(app)


@pytest.fixture
def pushed(pushery_server: "RunningServer") -> "Iterator[Recorder]":
    """What is pushed while this test runs, to any app."""
    with pushery_server.record() as recorder:
        yield recorder
