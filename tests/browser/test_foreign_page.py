"""Another site's page in a real browser that knows the operator's password."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import PATIENCE_MS, browser_page, shows
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]

NAMES = ("127.0.0.1", "push.test")
"""The server's: to the machine itself a browser tells the site of a page, to others by plain HTTP the origin only."""


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """An empty page, of a browser that finds every name on this machine."""
    with browser_page(chromium, "--host-resolver-rules=MAP *.test 127.0.0.1") as page:
        yield page


class EvilPage(BaseHTTPRequestHandler):
    """A page with a form that leads elsewhere."""

    def __init__(self, action: str, policy: str, *rest: object) -> None:
        self.action, self.policy = action, policy
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Show it."""
        form = f'<form method="post" action="{self.action}"><input name="content" value="gotcha"><button>Win</button>'
        body = f"<!doctype html><title>Evil</title>{form}</form>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", self.policy)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@contextmanager
def evil_page(action: str, policy: str) -> Iterator[str]:
    """The address of such a page, whose form is sent to `action`."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(EvilPage, action, policy))
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://evil.test:{web.server_port}/"
    finally:
        web.shutdown()
        web.server_close()
        thread.join(DEADLINE_S)


def tell_password(page: Page, server: ServerProcess, name: str) -> None:
    """Have the browser ask for the admin's password and keep it, as its own prompt does."""
    who = ":".join(quote(word) for word in ADMIN)
    page.goto(f"http://{who}@{name}:{server.port}/api/admin/whoami")
    shows(page, "x_forwarded_for")


@pytest.mark.parametrize("policy", ["unsafe-url", "no-referrer"])
@pytest.mark.parametrize("name", NAMES)
def test_its_form_cannot_push(page: Page, server: ServerProcess, app: TestApp, name: str, policy: str) -> None:
    tell_password(page, server, name)
    target = f"http://{name}:{server.port}/api/push/{app.key}"
    with server.client(app, "A:1") as client, evil_page(target, policy) as evil:
        page.goto(evil)
        page.get_by_role("button").click()
        shows(page, "foreign_page")
        server.push(app, "the first")
        assert client.recv(DEADLINE_S) == "the first"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_the_server_itself_may_use_them(page: Page, server: ServerProcess, app: TestApp, name: str) -> None:
    tell_password(page, server, name)
    page.goto(f"http://{name}:{server.port}/console/sign-in")
    push = f"fetch('/api/push/{app.key}', {{method: 'POST', body: new URLSearchParams({{content: 'own'}})}})"
    assert page.evaluate(f"{push}.then(reply => reply.status)") == 200


@pytest.mark.parametrize("name", NAMES)
def test_one_signs_in_to_the_console_also_where_a_proxy_has_asked_for_a_password(
    page: Page, server: ServerProcess, name: str
) -> None:
    asked = base64.b64encode(b"proxy:password").decode()
    page.context.set_extra_http_headers({"Authorization": f"Basic {asked}"})
    page.goto(f"http://{name}:{server.port}/console")
    page.get_by_label("Account").fill(ADMIN[0])
    page.get_by_label("Password").fill(ADMIN[1])
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
