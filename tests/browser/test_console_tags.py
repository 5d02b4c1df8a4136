"""The console's pattern tester, and what is pushed from its page."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Locator, Page, expect
from websockets.sync.client import ClientConnection

from tests.clients.plain import plain_socket
from tests.clients.site import register
from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import flaws, sign_in, watched
from tests.support.server import DEADLINE_S, ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]

TAGS = ("A:1", "A:10", "B:1", "user:anna@example.com", "häuser/1", "<b>tag</b>")


@pytest.fixture
def online(server: ServerProcess, app: TestApp) -> Iterator[dict[str, ClientConnection]]:
    """A client under each of `TAGS`."""
    with ExitStack() as clients:
        yield {tag: clients.enter_context(server.client(app, tag)) for tag in TAGS}


def _tags(page: Page) -> Locator:
    return page.get_by_role("table", name="Tags").locator("code.tag")


def _try(page: Page, pattern: str, *expected: str) -> None:
    page.get_by_label("Pattern", exact=True).fill(pattern)
    expect(_tags(page)).to_have_text(list(expected), timeout=PATIENCE_MS)


@pytest.mark.usefixtures("online")
def test_matches_follow_the_typing_and_what_matched_is_marked(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/tags")
        expect(_tags(page)).to_have_text(sorted(TAGS), timeout=PATIENCE_MS)
        shows(page, "6 tags online")
        _try(page, "A:1", "A:1", "A:10")
        shows(page, "2 of 6 tags")
        assert _tags(page).locator("mark").all_text_contents() == ["A:1", "A:1"]
        _try(page, r"(?i)ANNA\@", "user:anna@example.com")
        assert _tags(page).locator("mark").all_text_contents() == ["anna@"]
        _try(page, r"\p{Ll}\Q/\E(?P<n>[[:digit:]])\z", "häuser/1")
        assert _tags(page).locator("mark").all_text_contents() == ["r/1"]
        _try(page, r"(?U)^A:\d*$", "A:1", "A:10")
        expect(_tags(page).locator("mark")).to_have_count(0)
        assert flaws(page) == []
        page.get_by_label("Pattern", exact=True).fill("^nobody$")
        shows(page, "No tag matches")


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("pattern", "position"), [("^A:(1", 3), ("é🙂(", 2), ("[z-a]", 1)])
def test_trouble_is_marked_under_its_character(
    page: Page, server: ServerProcess, app: TestApp, pattern: str, position: int
) -> None:
    told = server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": pattern}, app.auth)
    assert told.json["error"]["position"] == position
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/tags")
        page.get_by_label("Pattern", exact=True).fill(pattern)
        trouble = page.locator(".pattern-trouble")
        expect(trouble).to_contain_text(f"at character {position + 1}", timeout=PATIENCE_MS)
        expect(trouble.locator("code").first).to_have_text(pattern)
        expect(trouble.locator("b")).to_have_text(pattern[position])
        marked, caret = (trouble.locator(each).bounding_box() for each in ("b", ".caret i"))
        assert marked is not None
        assert caret is not None
        assert abs(marked["x"] - caret["x"]) < 1
        assert caret["y"] > marked["y"]
        expect(page.get_by_role("link", name="Push to these")).to_be_hidden()
        assert flaws(page) == []


def test_a_push_to_what_was_tried_reaches_them_alone(
    page: Page, server: ServerProcess, app: TestApp, online: dict[str, ClientConnection]
) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/tags")
        _try(page, "^A:", "A:1", "A:10")
        page.get_by_role("link", name="Push to these").click()
        expect(page.get_by_label("Pattern", exact=True)).to_have_value("^A:", timeout=PATIENCE_MS)
        shows(page, "Matches 2 of 6 tags online")
        page.get_by_role("button", name="Send", exact=True).click()
        shows(page, "A push needs a content.")
        page.get_by_label("Content").fill('{"table":')
        shows(page, "Not valid JSON")
        page.get_by_label("Content").fill('{"table":4}')
        shows(page, "Valid JSON")
        page.get_by_label("Content").press("Control+Enter")
        shows(page, "Handed to 2 sockets.")
        assert {online[tag].recv(DEADLINE_S) for tag in ("A:1", "A:10")} == {'{"table":4}'}
        page.get_by_label("Pattern", exact=True).fill("")
        expect(page.get_by_text("Handed to")).to_have_count(0)  # that was of the push before
        page.get_by_role("button", name="Send", exact=True).click()
        shows(page, "Handed to 6 sockets.")
        assert online["B:1"].recv(DEADLINE_S) == '{"table":4}'
        expect(page.locator(".sent > li")).to_have_count(2)
        page.get_by_label("Content").fill("other")
        page.get_by_role("button", name="Use again").last.click()
        expect(page.get_by_label("Content")).to_have_value('{"table":4}')
        expect(page.get_by_label("Pattern", exact=True)).to_have_value("^A:")
        assert flaws(page) == []


def test_an_event_reaches_who_is_subscribed(page: Page, server: ServerProcess) -> None:
    account = register(server, "news")
    with watched(page, server), plain_socket(server.port, account) as reader:
        reader.subscribe("news")
        sign_in(page, server, at=f"#/apps/{account.key}/channels/news")
        page.get_by_role("link", name="Send an event here").click()
        expect(page.get_by_role("textbox", name="Channels")).to_have_value("news", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Send", exact=True).click()
        shows(page, "An event needs a name.")
        page.get_by_label("Event", exact=True).fill("headline")
        page.get_by_label("Data").fill('{"text":"héllo"}')
        page.get_by_role("button", name="Send", exact=True).click()
        shows(page, "Handed to 1 socket.")
        assert reader.next() == ("news", "headline", {"text": "héllo"})
        page.get_by_role("textbox", name="Channels").fill("nobody, is-here")
        page.get_by_role("button", name="Send", exact=True).click()
        shows(page, "nobody was there to get it")
        assert flaws(page) == []
