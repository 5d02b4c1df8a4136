"""The console's webhooks: editing them, and what becomes of events that nobody takes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.clients.plain import plain_socket
from tests.clients.site import Account, register
from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_REQUEST, flaws, sign_in, watched
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = [pytest.mark.process, pytest.mark.browser]


def _webhooks(server: ServerProcess, key: str) -> list[dict[str, Any]]:
    hooks: list[dict[str, Any]] = server.request("GET", f"/api/admin/apps/{key}").json["settings"]["webhooks"]
    return hooks


def _letters(page: Page) -> Locator:
    return page.get_by_role("table", name="Dead letters").locator("tbody tr")


@contextmanager
def _receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of a webhook that accepts everything, and the bodies it was sent."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        threading.Thread(target=receiver.serve_forever).start()
        yield f"http://127.0.0.1:{receiver.server_port}/hook", bodies
        receiver.shutdown()


def _occupy(server: ServerProcess, account: Account, *channels: str) -> None:
    with plain_socket(server.port, account) as socket:
        for channel in channels:
            socket.subscribe(channel)


def test_a_webhook_is_added_changed_and_removed(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server, FAILED_REQUEST):
        sign_in(page, server, at=f"#/apps/{app.key}/webhooks")
        shows(page, "No webhooks")
        page.get_by_role("button", name="Add a webhook").first.click()
        dialog = page.get_by_role("dialog", name="Add a webhook")
        dialog.get_by_label("URL").fill("ftp://example.com")
        dialog.get_by_role("button", name="Add", exact=True).click()
        shows(page, "An http:// or https:// URL.")
        dialog.get_by_label("URL").fill("https://example.com/hook")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog).to_have_count(0, timeout=PATIENCE_MS)
        assert _webhooks(server, app.key) == [{"url": "https://example.com/hook"}]
        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Edit webhook")
        for event in dialog.get_by_role("checkbox").all():
            event.set_checked(event.get_attribute("name") in ("member_added", "connected"))
        dialog.get_by_label("Channels begin with").fill("presence-")
        dialog.get_by_role("button", name="Add a header").click()
        dialog.get_by_label("Name of the header").fill("Host")
        dialog.get_by_label("Value of the header").fill("abc")
        assert flaws(page) == []
        dialog.get_by_role("button", name="Save").click()
        shows(page, "is set by the server")
        dialog.get_by_label("Name of the header").fill("X-Token")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0, timeout=PATIENCE_MS)
        [hook] = _webhooks(server, app.key)
        assert hook.pop("headers") == {"X-Token": "abc"}
        assert hook == {
            "url": "https://example.com/hook",
            "events": ["member_added", "connected"],
            "channel_prefix": "presence-",
        }
        page.get_by_role("switch", name="Send several events").focus()
        page.keyboard.press("Space")
        shows(page, "Saved")
        assert len(_webhooks(server, app.key)) == 1
        page.get_by_role("button", name="Remove https://example.com/hook").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        shows(page, "No webhooks")
        assert _webhooks(server, app.key) == []


def test_dead_letters_are_read_replayed_and_dropped(page: Page, tmp_path: Path) -> None:
    with _receiver() as (url, bodies), ServerProcess(tmp_path, webhook_hold_back="10ms") as server:
        account = register(server, "hooked", webhooks=[{"url": url, "events": ["channel_occupied"]}])
        _occupy(server, account, "one", "two", "three")
        with watched(page, server):
            sign_in(page, server, at=f"#/apps/{account.key}/webhooks")
            expect(_letters(page)).to_have_count(3, timeout=PATIENCE_MS)
            assert flaws(page) == []
            _letters(page).filter(has_text="two").get_by_role("button", name="Inspect").click()
            panel = page.get_by_role("dialog", name="channel_occupied")
            expect(panel.locator("pre")).to_contain_text('"two"')
            expect(panel.get_by_text("is not a public address")).to_be_visible()
            assert flaws(page) == []
            page.keyboard.press("Escape")
            server.reload(webhook_private_addresses=True)
            wait_until(lambda: server.logged("reloaded"), "the new settings")
            _letters(page).filter(has_text="two").get_by_role("checkbox").check()
            page.get_by_role("button", name="Replay 1 letter").click()
            wait_until(lambda: len(bodies) == 1, "the letter to be told")
            assert [event["channel"] for event in bodies[0]["events"]] == ["two"]
            expect(_letters(page)).to_have_count(2, timeout=PATIENCE_MS)
            _letters(page).filter(has_text="one").get_by_role("checkbox").check()
            page.get_by_role("button", name="Drop 1 letter").click()
            page.get_by_role("dialog").get_by_role("button", name="Drop").click()
            expect(_letters(page)).to_have_count(1, timeout=PATIENCE_MS)
            page.get_by_role("button", name="Replay all").click()
            wait_until(lambda: len(bodies) == 2, "the last letter to be told")
            assert [event["channel"] for event in bodies[1]["events"]] == ["three"]
            shows(page, "What a webhook never accepts ends here.")
            assert flaws(page) == []
