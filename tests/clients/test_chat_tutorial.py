"""The chat of docs/tutorial/chat.md: its blocks are run as a reader would, and two people chat over what they made."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.clients.site import FOLDER
from tests.docs.pages import ROOT, blocks
from tests.docs.shell import Shell
from tests.support.browser import PATIENCE_MS, shows

pytestmark = [pytest.mark.process, pytest.mark.browser]

TUTORIAL = ROOT / "docs" / "tutorial" / "chat.md"
LIBRARY = FOLDER / "node_modules" / "pusher-js" / "dist" / "web" / "pusher.min.js"


@pytest.fixture
def chat(tmp_path: Path, node: str) -> Iterator[str]:
    """The address of the chat, made by the tutorial."""
    clone = tmp_path / "clone"
    clone.mkdir()
    shell = Shell(clone)
    try:
        shell.play(blocks(TUTORIAL))
        shutil.copy(LIBRARY, clone / "scratch" / "chat")
        yield f"http://localhost:{shell.backend_port}/"
    finally:
        shell.close()


def come_in(page: Page, address: str, name: str) -> Page:
    page.goto(address)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Come in").click()
    return page


def here(page: Page, *names: str) -> None:
    """Wait until the page shows exactly these as present."""
    expect(page.locator("#here")).to_have_text(", ".join(names), timeout=PATIENCE_MS)


def test_two_people_chat_and_see_each_other(page: Page, chat: str) -> None:
    browser = page.context.browser
    assert browser is not None
    anna, ben, again = page, browser.new_page(), browser.new_page()
    asked: list[str] = []
    for window in (anna, ben, again):
        window.on("request", lambda request: asked.append(request.url))
    here(come_in(anna, chat, "Anna"), "Anna")
    here(come_in(ben, chat, "Ben"), "Anna", "Ben")
    here(anna, "Anna", "Ben")

    ben.get_by_label("Say").press_sequentially("hel")
    shows(anna, "Ben is typing")
    ben.get_by_label("Say").fill("<b>hello</b>")
    ben.get_by_role("button", name="Send").click()
    for window in (anna, ben):
        shows(window, "Ben: <b>hello</b>")
    assert anna.locator("#said b").count() == 0

    here(come_in(again, chat, "Ben"), "Anna", "Ben")
    ben.close()
    here(again, "Anna", "Ben")
    here(anna, "Anna", "Ben")
    again.close()
    here(anna, "Anna")
    assert [url for url in asked if not url.startswith((chat, "ws://localhost:"))] == []
    assert f"{chat}pusher.min.js" in asked
