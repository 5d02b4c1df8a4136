"""The programs that the console offers to copy, as they come to somebody's clipboard."""

from playwright.sync_api import Page, expect

from tests.support.browser import PATIENCE_MS
from tests.support.server import wait_until


def copied(page: Page, language: str, title: str) -> str:
    """What the button "Copy" of this snippet copies; the page has to be at an app's snippets."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('')")
    page.get_by_role("group", name="Language").get_by_role("button", name=language, exact=True).click()
    card = page.locator(".card").filter(has=page.get_by_role("heading", name=title, exact=True))
    expect(card).to_be_visible(timeout=PATIENCE_MS)
    card.get_by_role("button", name="Copy", exact=True).click()
    text: str = wait_until(lambda: page.evaluate("navigator.clipboard.readText()"), "the snippet")
    return text
