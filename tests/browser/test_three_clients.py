"""The whole story with three clients that have nothing in common: the command line, a browser, a library."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed

from tests.support.browser import PATIENCE_MS, open_tour
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = [pytest.mark.process, pytest.mark.browser]


@contextmanager
def _listener(server: ServerProcess, app: TestApp, tag: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "pushery", "listen", app.key, tag, "--url", server.url],
        cwd=server.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PUSHERY_")},
    ) as listening:
        try:
            yield listening
        finally:
            listening.kill()


def test_command_line_browser_and_library_agree_with_every_total(
    page: Page, server: ServerProcess, app: TestApp
) -> None:
    open_tour(page, server, app, "A:2")
    with _listener(server, app, "A:1") as listening, server.client(app, "B:1") as library:
        wait_until(lambda: server.online(app) == ["A:1", "A:2", "B:1"], "all three to be online")
        assert server.push(app, "to all") == 3
        assert server.push(app, "to A", "^A:") == 2
        assert server.push(app, "to A:1", "A:1") == 1
        bad = server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "A(1"}, app.auth)
        assert (bad.status, bad.json["error"]["position"]) == (400, 1)
        pages = [
            server.request("GET", f"/api/{app.key}/listonlineuser/2/{number}", auth=app.auth).json["user_tags"]
            for number in (1, 2, 3)
        ]
        assert pages == [["A:1", "A:2"], ["B:1"], []]
        listed = server.request("GET", "/api/app-list/10/1").json
        assert [row["app_key"] for row in listed["data"]] == [app.key]
        assert server.request("DELETE", f"/api/{app.key}/unregister", auth=app.auth).json == {"message": "Scuess"}
        assert library.recv(DEADLINE_S) == "to all"
        with pytest.raises(ConnectionClosed, match=r"4001 .* app unregistered"):
            library.recv(DEADLINE_S)
        said, complained = listening.communicate(timeout=DEADLINE_S)
    assert said.splitlines() == ["to all", "to A", "to A:1"]
    assert "4001 app unregistered" in complained
    rows = page.get_by_role("listitem")
    expect(rows).to_have_count(2, timeout=PATIENCE_MS)
    assert rows.locator(".text").all_text_contents() == ["to all", "to A"]
    expect(page.get_by_text("4001", exact=False).first).to_be_visible(timeout=PATIENCE_MS)
