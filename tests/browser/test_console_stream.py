"""The console's stream of one app: what happens in it, as it happens."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pusher
import pytest
from playwright.sync_api import Locator, Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.support.browser import PATIENCE_MS
from tests.support.console import flaws, sign_in, walk, watched
from tests.support.server import DEADLINE_S, ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]

BESIDE = """async () => {
  const { default: view } = await import("/console/static/views/stream.js");
  const feed = { subscribe: (channel, handlers) => ((window.tell = handlers.sightings), () => {}) };
  const { element } = await view({ params: { key: "beside" }, feed });
  document.querySelector("main").replaceChildren(element);
}"""
"""The stream's module in the page, fed by the test: for what takes more than a test can make happen."""


@pytest.fixture
def stream(page: Page, server: ServerProcess, app: TestApp) -> Iterator[Page]:
    """The page at the stream of `app`, listening."""
    with watched(page, server):
        with page.expect_websocket() as feed:
            sign_in(page, server, at=f"#/apps/{app.key}/stream")
        expect(page.get_by_role("heading", name="Listening")).to_be_visible(timeout=PATIENCE_MS)
        # The one who subscribed first is told first: once a reading comes, the stream is watched too.
        feed.value.wait_for_event("framereceived", lambda frame: f"private-app-{app.key}" in str(frame))
        yield page


@pytest.fixture
def beside(page: Page, server: ServerProcess) -> Page:
    """The stream without a server behind it: `_tell` says what it hears."""
    sign_in(page, server)
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=PATIENCE_MS)
    page.evaluate(BESIDE)
    return page


def _tell(page: Page, *sightings: dict[str, Any], seen: int | None = None) -> None:
    said = [{"at_ms": 1_700_000_000_000 + number, **sighting} for number, sighting in enumerate(sightings)]
    page.evaluate("(batch) => tell(batch)", {"seen": len(said) if seen is None else seen, "sightings": said})


def _rows(page: Page) -> Locator:
    return page.locator(".sighting")


def _row(page: Page, *texts: str) -> Locator:
    found = _rows(page)
    for text in texts:
        found = found.filter(has_text=text)
    return found.first


@contextmanager
def _subscriber(server: ServerProcess, app: TestApp, channel: str) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}/app/{app.key}?protocol=7&client=test&version=1") as socket:
        socket.recv(DEADLINE_S)
        socket.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
        socket.recv(DEADLINE_S)
        yield socket


def _backend(server: ServerProcess, app: TestApp) -> pusher.Pusher:
    reply = app.reply
    return pusher.Pusher(
        reply["app_id"], app.key, reply["app_secret"], ssl=False, host="127.0.0.1", port=server.admin_port
    )


def test_what_happens_appears_with_its_kind(stream: Page, server: ServerProcess, app: TestApp) -> None:
    with server.client(app, "A:1"), _subscriber(server, app, "news"):
        expect(_row(stream, "Connected", "A:1")).to_be_visible(timeout=PATIENCE_MS)
        expect(_row(stream, "Subscribed", "news")).to_be_visible(timeout=PATIENCE_MS)
        server.push(app, "hello, stream", "^A:")
        expect(_row(stream, "Push", "^A:", "hello, stream", "→ 1")).to_be_visible(timeout=PATIENCE_MS)
        _backend(server, app).trigger("news", "published", {"title": "It works"})
        expect(_row(stream, "Event", "news", "published", "It works")).to_be_visible(timeout=PATIENCE_MS)
        server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "A(1"}, app.auth)
        expect(_row(stream, "Refused", "invalid_pattern")).to_be_visible(timeout=PATIENCE_MS)
    expect(_row(stream, "Disconnected", "A:1")).to_be_visible(timeout=PATIENCE_MS)


def test_it_is_filtered_by_kind_and_by_text(stream: Page, server: ServerProcess, app: TestApp) -> None:
    with server.client(app, "A:1"), server.client(app, "B:1"):
        server.push(app, "to all")
        expect(_rows(stream)).to_have_count(3, timeout=PATIENCE_MS)
        stream.get_by_role("group", name="Kinds").get_by_role("button", name="Connected", exact=True).click()
        expect(_rows(stream)).to_have_count(2)
        stream.get_by_role("searchbox").fill("b:")
        expect(_rows(stream)).to_have_count(1)
        expect(_row(stream, "B:1")).to_be_visible()
        expect(stream.get_by_text("1 match the filter")).to_be_visible()
        stream.get_by_role("searchbox").fill("nobody")
        expect(stream.get_by_text("Nothing matches the filter.")).to_be_visible()
        stream.get_by_role("searchbox").fill("")
        stream.get_by_role("group", name="Kinds").get_by_role("button", name="Connected", exact=True).click()
        expect(_rows(stream)).to_have_count(3)


def test_it_stands_still_while_paused_and_catches_up(stream: Page, server: ServerProcess, app: TestApp) -> None:
    server.push(app, "before")
    expect(_row(stream, "before")).to_be_visible(timeout=PATIENCE_MS)
    stream.keyboard.press("p")
    server.push(app, "meanwhile")
    expect(stream.get_by_text("Paused · 1 waiting")).to_be_visible(timeout=PATIENCE_MS)
    expect(_rows(stream)).to_have_count(1)
    stream.get_by_role("button", name="Resume").click()
    expect(_rows(stream)).to_have_count(2)
    expect(_rows(stream).first).to_contain_text("meanwhile")
    stream.get_by_role("button", name="Clear").click()
    expect(_rows(stream)).to_have_count(0)
    expect(stream.get_by_role("heading", name="Listening")).to_be_visible()


def test_a_row_opens_with_its_payload_set_out(stream: Page, server: ServerProcess, app: TestApp) -> None:
    server.push(app, '{"order":{"id":7,"note":"<b>bold</b>"}}')
    server.push(app, "not JSON")
    _row(stream, "order").click(timeout=PATIENCE_MS)
    details = stream.get_by_role("complementary", name="Details")
    payload = details.locator("pre").text_content() or ""
    assert payload == '{\n  "order": {\n    "id": 7,\n    "note": "<b>bold</b>"\n  }\n}'
    assert details.locator("b").count() == 0
    stream.context.grant_permissions(["clipboard-read", "clipboard-write"])
    details.get_by_role("button", name="Copy the payload").click()
    assert stream.evaluate("navigator.clipboard.readText()") == '{"order":{"id":7,"note":"<b>bold</b>"}}'
    _row(stream, "order").focus()
    stream.keyboard.press("ArrowUp")
    expect(details.locator("pre")).to_have_text("not JSON")
    stream.keyboard.press("Escape")
    expect(details).to_be_hidden()
    expect(_row(stream, "not JSON")).to_be_focused()


def test_what_looks_like_html_is_shown_as_the_text_it_is(stream: Page, server: ServerProcess, app: TestApp) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with server.client(app, hostile):
        server.push(app, hostile)
        expect(_row(stream, "Push", hostile)).to_be_visible(timeout=PATIENCE_MS)
        expect(_row(stream, "Connected", hostile)).to_be_visible(timeout=PATIENCE_MS)
    assert stream.locator("main img, main script").count() == 0
    assert stream.title() == "Stream · test · Pushery"


def test_what_is_encrypted_stays_a_secret(beside: Page) -> None:
    _tell(beside, {"kind": "event", "channel": "private-encrypted-x", "event": "e", "encrypted": True, "size": 90})
    _row(beside, "end-to-end encrypted").click()
    details = beside.get_by_role("complementary", name="Details")
    expect(details).to_contain_text("only the clients of this channel have the key")
    expect(details.locator("pre")).to_have_count(0)


def test_a_sample_says_that_it_is_one(beside: Page) -> None:
    _tell(beside, {"kind": "push", "data": "one of many"}, seen=1_200)
    expect(beside.get_by_text("1 of 1,200 shown: sampled")).to_be_visible()


def test_a_thousand_are_kept_and_the_oldest_go(beside: Page) -> None:
    for hundred in range(11):
        _tell(beside, *({"kind": "push", "data": f"number {hundred * 100 + one}."} for one in range(100)))
    expect(_rows(beside)).to_have_count(1_000)
    expect(_rows(beside).first).to_contain_text("number 1099.")
    expect(_rows(beside).last).to_contain_text("number 100.")
    expect(beside.get_by_text("the latest 1,000 are kept")).to_be_visible()


def test_nothing_moves_under_somebody_who_reads_further_down(beside: Page) -> None:
    _tell(beside, *({"kind": "push", "data": f"number {one}."} for one in range(100)))
    beside.locator(".sightings").evaluate("(list) => (list.scrollTop = 600)")
    _tell(beside, {"kind": "push", "data": "the newest"})
    expect(_rows(beside)).to_have_count(100)
    assert beside.locator(".sightings").evaluate("(list) => list.scrollTop") == 600
    beside.get_by_role("button", name="1 new").click()
    expect(_rows(beside)).to_have_count(101)
    expect(_rows(beside).first).to_contain_text("the newest")
    assert beside.locator(".sightings").evaluate("(list) => list.scrollTop") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_used_by_everybody(beside: Page, scheme: str) -> None:
    beside.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    kinds = ("connected", "disconnected", "subscribed", "signed_in", "push", "event", "client_event", "refused")
    _tell(beside, *({"kind": kind, "tag": "A:1", "data": '{"a": [1, true, "x"]}', "receivers": 3} for kind in kinds))
    _row(beside, "Push").click()
    beside.locator("main").evaluate("(main) => main.prepend(document.createElement('h1'))")
    assert flaws(beside) == []
    walk(beside, 28)
