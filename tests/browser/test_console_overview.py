"""The console's overview: that of the server, and that of one app, live."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_SOCKET, LOOK_AWAY, flaws, sign_in, walk, watched
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = [pytest.mark.process, pytest.mark.browser]

JSON = {"Content-Type": "application/json"}

PAINTED = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
}"""

NOTE_LABELS = """
  window.labels = [];
  const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    this.times = [];
    clearRect.apply(this, box);
  };
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    fillText.call(this, text, x, y);
    if (!String(text).includes(":")) return;
    const half = this.measureText(text).width / 2;
    const times = (this.times ??= []);
    labels.push([text, x - half, x + half, this.canvas.width, [...times]]);
    times.push([x - half, x + half]);
  };
"""
"""Note the times that are drawn, with their edges and those of the ones before them in the same chart."""

FIVE_MINUTES = [
    {
        "at_ms": 1000 * (3_999_999_960 - 299 + second),
        "connections": 40 + second % 7,
        "apps": 1,
        "tags": 1,
        "channels": 1,
        "users": 0,
        "opened_per_s": 1,
        "pushes_per_s": 10,
        "deliveries_per_s": 400 + 10 * (second % 9),
        "bytes_out_per_s": 1000,
        "requests_per_s": 12,
        "p50_ms": 0.2,
        "p99_ms": 0.9,
        "slow_per_s": 0,
        "errors_per_s": 0,
        "errors": {},
        "totals": {"pushes": 1, "deliveries": 1, "slow_clients": 0, "errors": 0},
        "buffered_bytes": 0,
        "lag_ms": 0.1,
    }
    for second in range(300)
]
"""They end with a full minute, so that a time stands at the very edge, and in the future: nothing comes after them."""


def _figure(page: Page, name: str) -> Locator:
    heading = page.get_by_role("heading", name=name, exact=True, level=2)
    return page.locator(".figure").filter(has=heading).locator(".figure-value")


def _while_pushing(server: ServerProcess, app: TestApp, condition: Callable[[], bool], what: str) -> None:
    """Push until `condition` holds: rates are of the last second, and a single push is soon forgotten."""

    def push_and_ask() -> bool:
        server.push(app, "tick")
        return condition()

    wait_until(push_and_ask, what, DEADLINE_S)


def test_a_server_without_apps_says_what_to_do_first(page: Page, server: ServerProcess) -> None:
    with watched(page, server):
        sign_in(page, server)
        shows(page, "Register your first app")
        page.get_by_role("button", name="Register an app").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        server.register("from elsewhere")
        expect(page.get_by_text("Register your first app")).to_be_hidden(timeout=PATIENCE_MS)
        expect(page.get_by_role("table", name="Apps by activity").get_by_text("from elsewhere")).to_be_visible()


def test_what_happens_is_seen_within_seconds(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server), server.client(app, "A:1"):
        sign_in(page, server)
        expect(_figure(page, "Connections")).to_have_text("1", timeout=PATIENCE_MS)
        deliveries = _figure(page, "Deliveries")
        _while_pushing(server, app, lambda: not deliveries.inner_text().startswith(("0", "–")), "deliveries per second")
        latency = _figure(page, "Latency, p99")
        _while_pushing(server, app, lambda: "ms" in latency.inner_text(), "a latency")
        drawn = page.locator("canvas")
        expect(drawn).to_have_count(10, timeout=PATIENCE_MS)
        assert all(canvas.evaluate(PAINTED) for canvas in drawn.all()[6:])
        row = page.get_by_role("table", name="Apps by activity").get_by_role("row").filter(has_text="test")
        _while_pushing(server, app, lambda: row.get_by_role("cell").nth(2).inner_text() not in ("–", "0"), "a rate")


def test_the_busiest_app_is_found_among_hundreds(page: Page, server: ServerProcess) -> None:
    for number in range(150):
        server.request("POST", "/api/admin/apps", json.dumps({"name": f"app {number}"}).encode(), headers=JSON)
    last = server.register("the last one")
    with watched(page, server), server.client(last, "A:1"):
        sign_in(page, server)
        rows = page.get_by_role("table", name="Apps by activity").locator("tbody tr")
        expect(rows).to_have_count(8)
        expect(rows.first).to_contain_text("the last one")
        rate = rows.first.get_by_role("cell").nth(3)
        _while_pushing(server, last, lambda: rate.inner_text() not in ("–", "0"), "a rate")
        expect(rows.first).to_contain_text("the last one")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_times_below_the_charts_have_one_form(page: Page, server: ServerProcess, width: int) -> None:
    server.register()
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(NOTE_LABELS)
    page.route("**/console/api/overview", lambda route: route.fulfill(json={"readings": FIVE_MINUTES}))
    with watched(page, server):
        sign_in(page, server)
        expect(page.locator(".chart-canvas canvas")).to_have_count(4)
        wait_until(lambda: len(page.evaluate("labels")) >= 8, "the labels of four charts")
        labels = page.evaluate("labels")
    assert [text for text, *_ in labels if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", text)] == []
    for text, left, right, most, others in labels:
        assert 0 <= left < right <= most, f"{text} is cut off"
        assert all(right + 4 < start or end + 4 < left for start, end in others), f"{text} stands on another one"


def test_errors_are_told_by_kind(page: Page, server: ServerProcess, app: TestApp) -> None:
    sign_in(page, server)
    shows(page, "None. All is well.")
    assert server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "A(1"}, app.auth).status == 400
    expect(page.locator(".bars").get_by_text("invalid_pattern")).to_be_visible(timeout=PATIENCE_MS)


def test_nothing_is_drawn_while_nobody_looks(page: Page, server: ServerProcess, app: TestApp) -> None:
    with page.expect_websocket() as feed:
        sign_in(page, server)
    connections = _figure(page, "Connections")
    expect(connections).to_have_text("0", timeout=PATIENCE_MS)
    page.evaluate(LOOK_AWAY, True)
    with server.client(app, "A:1"):
        for _ in range(2):  # by the second one, the first has long been taken in
            feed.value.wait_for_event("framereceived", lambda frame: '\\"connections\\":1,' in str(frame))
        assert connections.inner_text() == "0"
        page.evaluate(LOOK_AWAY, False)
        assert connections.inner_text() == "1"


def test_a_server_that_goes_is_missed_and_one_that_comes_back_asks_anew(page: Page, server: ServerProcess) -> None:
    with watched(page, server, FAILED_SOCKET):
        sign_in(page, server)
        server.settings["listen"] = f"127.0.0.1:{server.port}"
        server.stop()
        expect(page.get_by_role("status").get_by_text("Reconnecting")).to_be_visible(timeout=PATIENCE_MS)
        server.start()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)


def test_a_connection_that_breaks_is_made_again_and_tells_on(page: Page, server: ServerProcess, app: TestApp) -> None:
    feeds: list[WebSocketRoute] = []

    def routed(feed: WebSocketRoute) -> None:
        feed.connect_to_server()
        feeds.append(feed)

    page.route_web_socket(re.compile("/console/feed"), routed)
    with watched(page, server):
        sign_in(page, server)
        expect(_figure(page, "Connections")).to_have_text("0", timeout=PATIENCE_MS)
        feeds[0].close()
        with server.client(app, "A:1"):
            expect(_figure(page, "Connections")).to_have_text("1", timeout=PATIENCE_MS)
            expect(page.get_by_text("Live", exact=True)).to_be_visible()
        assert len(feeds) == 2


def test_the_keyboard_leads_everywhere(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=PATIENCE_MS)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("a")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("a")
        expect(page.get_by_role("heading", name="Apps", level=1)).to_be_focused(timeout=PATIENCE_MS)
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("go")
        expect(page.get_by_role("heading", name="Apps", level=1)).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("g")
        page.keyboard.press("o")
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_focused(timeout=PATIENCE_MS)


def test_the_page_of_an_app_comes_alive_with_its_first_client(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}")
        shows(page, "Nobody is connected yet")
        with server.client(app, "A:1"):
            expect(_figure(page, "Connections")).to_have_text("1", timeout=PATIENCE_MS)
            expect(page.get_by_text("Nobody is connected yet")).to_be_hidden()
            pushes = _figure(page, "Pushes")
            _while_pushing(server, app, lambda: not pushes.inner_text().startswith(("0", "–")), "pushes per second")
            assert page.locator("canvas").first.evaluate(PAINTED)
        page.get_by_role("link", name="Stream", exact=True).click()
        expect(page).to_have_title("Stream · test · Pushery", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_used_by_everybody(page: Page, server: ServerProcess, app: TestApp, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with watched(page, server):
        sign_in(page, server)
        expect(page.get_by_role("table", name="Apps by activity").get_by_text("test")).to_be_visible()
        assert flaws(page) == []
        walk(page, 9)
        page.goto(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}")
        expect(page.get_by_role("heading", name="test", level=1)).to_be_visible(timeout=PATIENCE_MS)
        shows(page, "Nobody is connected yet")
        assert flaws(page) == []
        walk(page, 20)


@pytest.mark.parametrize("address", ["#/", "#/apps/{key}", "#/apps/{key}/stream"])
def test_a_phone_is_wide_enough(page: Page, server: ServerProcess, app: TestApp, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, server, at=address.format(key=app.key))
    expect(page.locator("main h1")).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.get_by_role("navigation", name="Console").get_by_role("link", name="Apps")).to_be_in_viewport()
