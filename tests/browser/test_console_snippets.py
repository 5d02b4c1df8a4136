"""The console's snippets do what they say: each is run as it is copied, against the server that offered it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clients.plain import plain_socket
from tests.clients.site import Account
from tests.conftest import program
from tests.support.browser import PATIENCE_MS, TOUR
from tests.support.console import flaws, sign_in, watched
from tests.support.server import DEADLINE_S, ServerProcess, TestApp
from tests.support.snippets import copied

pytestmark = [pytest.mark.process, pytest.mark.browser]

AUTH = ("it's me", "p'a$HOME\\\"ss`id`&word")
"""Nothing of this may mean anything to a shell."""


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    """An app whose admin has a password that is hard to quote."""
    return server.register("snippets", AUTH)


def _account(app: TestApp) -> Account:
    return Account(app.reply["app_id"], app.key, app.reply["app_secret"])


def _run(command: list[str], directory: Path) -> str:
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_curl_pushes_to_tags(page: Page, server: ServerProcess, app: TestApp, tmp_path: Path) -> None:
    program("curl")
    with server.client(app, "A:1") as client, server.client(app, "B:1"):
        sign_in(page, server, at=f"#/apps/{app.key}/snippets")
        said = _run(["sh", "-c", copied(page, "curl", "Push to tags")], tmp_path)
        assert '"total":"1"' in said
        assert client.recv(DEADLINE_S) == "Hello from curl"


def test_curl_signs_and_publishes_an_event(page: Page, server: ServerProcess, app: TestApp, tmp_path: Path) -> None:
    program("curl")
    program("openssl")
    with plain_socket(server.port, _account(app)) as reader:
        reader.subscribe("news")
        sign_in(page, server, at=f"#/apps/{app.key}/snippets")
        assert _run(["sh", "-c", copied(page, "curl", "Publish an event on channels")], tmp_path) == "{}"
        assert reader.next() == ("news", "headline", {"text": "Hello from curl"})


def test_python_publishes_an_event(page: Page, server: ServerProcess, app: TestApp, tmp_path: Path) -> None:
    with plain_socket(server.port, _account(app)) as reader:
        reader.subscribe("news")
        sign_in(page, server, at=f"#/apps/{app.key}/snippets")
        said = _run([sys.executable, "-c", copied(page, "Python", "Publish an event")], tmp_path)
        assert said == "{'channels': {'news': {}}}\n"
        assert reader.next() == ("news", "headline", {"text": "Hello from Python"})


def test_a_browser_listens_under_a_tag(page: Page, server: ServerProcess, app: TestApp) -> None:
    sign_in(page, server, at=f"#/apps/{app.key}/snippets")
    snippet = copied(page, "WebSocket", "Listen under a tag")
    page.goto(TOUR.as_uri())  # any page that may run a script of ours
    page.on("console", lambda message: None)  # else nothing would be heard between the two below
    with page.expect_console_message(lambda message: message.text == "listening", timeout=PATIENCE_MS):
        page.add_script_tag(content=snippet, type="module")
    with page.expect_console_message(lambda message: message.text == "pushed: hello", timeout=PATIENCE_MS):
        assert server.push(app, "hello", "^A:1$") == 1


def test_secrets_are_dots_until_somebody_asks(page: Page, server: ServerProcess, app: TestApp) -> None:
    secret = app.reply["app_secret"]
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/snippets")
        for language in ("curl", "Laravel Echo", "Python", "PHP"):
            page.get_by_role("group", name="Language").get_by_role("button", name=language).click()
            expect(page.locator(".secret-part").first).to_have_text("•" * 12)
            assert secret not in page.content()
        page.get_by_role("switch", name="Show secrets").focus()
        page.keyboard.press("Space")
        expect(page.locator(".secret-part")).to_have_text(f"'{secret}'")
        assert flaws(page) == []
        assert f"PUSHER_APP_SECRET={secret}\n" in copied(page, "Laravel Echo", ".env")


def test_clients_are_sent_to_the_address_for_clients(page: Page, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ServerProcess(tmp_path, listen=f"127.0.0.1:{port}", admin_listen="127.0.0.1:0") as server:
        app = server.register()
        sign_in(page, server, at=f"#/apps/{app.key}/snippets")
        assert f'"ws://127.0.0.1:{port}/ws/{app.key}/"' in copied(page, "WebSocket", "Listen under a tag")
        assert f"port={server.admin_port}," in copied(page, "Python", "Publish an event")
