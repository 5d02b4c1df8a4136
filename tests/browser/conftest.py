"""The browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.support.browser import browser_page


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """An empty page; whatever a script of it throws fails the test."""
    with browser_page(chromium) as page:
        yield page
