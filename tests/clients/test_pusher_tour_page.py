"""examples/pusher-tour.html in a real browser: pusher-js as a reader of the docs would use it."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from tests.clients.site import Stage
from tests.support.browser import shows

pytestmark = [pytest.mark.process, pytest.mark.browser]


@pytest.fixture
def tour(page: Page) -> Iterator[Page]:
    """An empty page that in the end has asked nothing of other machines."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))] == []


def open_tour(page: Page, stage: Stage, **fields: str) -> None:
    address = {"server": stage.server.url, "key": stage.rich.key} | fields
    page.goto(f"{stage.website.url}/pusher-tour.html?{urlencode(address)}")


def test_it_shows_what_is_published_as_the_text_it_is(tour: Page, set_stage: Stage) -> None:
    open_tour(tour, set_stage, channel="tour-news")
    shows(tour, "subscribed to tour-news")
    backend = set_stage.backend(set_stage.rich)
    backend.trigger("tour-news", "headline", {"text": "héllo 🙂"})
    backend.trigger("tour-news", "markup", "<img src=x onerror=\"document.title='owned'\">")
    shows(tour, '{"text":"héllo 🙂"}')
    shows(tour, "<img src=x")
    assert tour.locator("ol img").count() == 0
    assert tour.title() == "Pushery tour with pusher-js"


def test_it_says_why_it_is_refused(tour: Page, set_stage: Stage) -> None:
    open_tour(tour, set_stage, key="0" * 32)
    shows(tour, "4001")
    shows(tour, "Not connected")


def test_it_connects_and_disconnects_by_its_button(tour: Page, set_stage: Stage) -> None:
    tour.goto(f"{set_stage.website.url}/pusher-tour.html")
    tour.get_by_label("Server address").fill(set_stage.server.url)
    tour.get_by_label("App key").fill(set_stage.rich.key)
    tour.get_by_label("Channel", exact=True).fill("tour-other")
    tour.get_by_label("Channel", exact=True).press("Enter")
    shows(tour, "subscribed to tour-other")
    tour.get_by_role("button", name="Disconnect").click()
    shows(tour, "Not connected")
