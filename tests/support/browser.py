"""A real browser for tests, and the page of `examples/` in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.server import ServerProcess, TestApp

TOUR = Path(__file__).parents[2] / "examples" / "tour.html"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000.0
expect.set_options(timeout=PATIENCE_MS)  # five seconds are not much for four browsers at a time


def shows(page: Page, text: str) -> None:
    """Wait until the page shows `text`."""
    expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=PATIENCE_MS)


def open_tour(page: Page, server: ServerProcess, app: TestApp, tag: str) -> None:
    """Open the page by an address that tells it where to connect."""
    query = urlencode({"server": f"ws://127.0.0.1:{server.port}", "key": app.key, "tag": tag})
    page.goto(f"{TOUR.as_uri()}?{query}")
    expect(page.get_by_text("Connected", exact=True)).to_be_visible(timeout=PATIENCE_MS)


@contextmanager
def browser_page(chromium: str, *arguments: str) -> Iterator[Page]:
    """An empty page, of a browser with further arguments; whatever a script of it throws is an error in the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *arguments])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        thrown: list[str] = []
        page.on("pageerror", lambda error: thrown.append(str(error)))
        yield page
        browser.close()
    assert thrown == []
