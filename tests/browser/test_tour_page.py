"""examples/tour.html in a real browser, against a real server."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import PATIENCE_MS, TOUR, open_tour, shows
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = [pytest.mark.process, pytest.mark.browser]


def test_a_push_appears_and_so_does_the_end_of_the_server(page: Page, server: ServerProcess, app: TestApp) -> None:
    open_tour(page, server, app, "A:1")
    assert server.push(app, "hello, page", "^A:") == 1
    assert server.push(app, "not for this page", "^B:") == 0
    assert server.push(app, "the second") == 1
    expect(page.get_by_role("listitem")).to_have_count(2, timeout=PATIENCE_MS)
    rows = page.get_by_role("listitem").locator(".text").all_text_contents()
    assert rows == ["hello, page", "the second"]
    assert server.stop() == 0
    shows(page, "Closed with 1012: service restart.")
    shows(page, "Reconnecting")


def test_it_comes_back_when_the_server_does(page: Page, tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        app = server.register()
        open_tour(page, server, app, "A:1")
        server.settings["listen"] = f"127.0.0.1:{server.port}"
        server.stop()
        shows(page, "Reconnecting")
        server.start()
        expect(page.get_by_text("Connected", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        wait_until(lambda: server.online(app) == ["A:1"], "the page to be online again")


def test_what_looks_like_html_is_shown_as_the_text_it_is(page: Page, server: ServerProcess, app: TestApp) -> None:
    open_tour(page, server, app, "A:1")
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> & \"quotes\""
    foreign = "héllo 你好 🙂 שלום\n  second line"
    assert server.push(app, hostile) == 1
    assert server.push(app, foreign) == 1
    expect(page.get_by_role("listitem")).to_have_count(2, timeout=PATIENCE_MS)
    assert page.get_by_role("listitem").locator(".text").all_text_contents() == [hostile, foreign]
    assert page.locator("ol img, ol script").count() == 0
    assert page.title() == "Pushery tour"


def test_a_tag_of_any_characters_arrives_whole(page: Page, server: ServerProcess, app: TestApp) -> None:
    open_tour(page, server, app, "a/b?c=ü #1&%")
    assert server.online(app) == ["a/b?c=ü #1&%"]


def test_an_unregistered_app_is_not_connected_to_again(page: Page, server: ServerProcess, app: TestApp) -> None:
    open_tour(page, server, app, "A:1")
    assert server.request("DELETE", f"/api/{app.key}/unregister").status == 200
    shows(page, "Closed with 4001: app unregistered.")
    expect(page.get_by_role("button", name="Connect", exact=True)).to_be_visible()


def test_it_is_worked_with_the_keyboard_alone(page: Page, server: ServerProcess, app: TestApp) -> None:
    page.goto(TOUR.as_uri())
    page.get_by_label("Server address").fill(f"http://127.0.0.1:{server.port}/")
    page.get_by_label("App key").fill(app.key)
    page.get_by_label("Tag").fill("B:1")
    page.get_by_label("Tag").press("Enter")
    expect(page.get_by_text("Connected", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert server.online(app) == ["B:1"]
    page.get_by_role("button", name="Disconnect").press("Enter")
    shows(page, "Not connected")
    wait_until(lambda: server.online(app) == [], "the tag to be gone")
