"""The console's channels and sockets, with sockets of both dialects behind them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from websockets.exceptions import ConnectionClosed

from tests.clients.plain import plain_socket
from tests.clients.site import Account, register
from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_REQUEST, flaws, sign_in, watched
from tests.support.server import DEADLINE_S, ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]


@pytest.fixture
def account(server: ServerProcess) -> Iterator[Account]:
    """An app in which Anna and Ben are in a room, and something is kept in a cache channel."""
    account = register(server, "rooms")
    backend = account.backend(server.port)
    with plain_socket(server.port, account) as anna, plain_socket(server.port, account) as ben:
        for socket, user in ((anna, "anna"), (ben, "ben")):
            member = {"user_id": user, "user_info": {"name": user.title()}}
            socket.subscribe("presence-room", backend.authenticate("presence-room", socket.id, member))
        anna.subscribe("news")
        backend.trigger("cache-scores", "goal", {"home": 2})
        ben.subscribe("cache-scores")
        yield account


def _rows(page: Page, table: str) -> Locator:
    return page.get_by_role("table", name=table).locator("tbody tr")


def _names(page: Page) -> list[str]:
    return page.get_by_role("table", name="Channels").locator(".row-lead").all_text_contents()


def test_channels_are_found_by_how_they_begin(page: Page, server: ServerProcess, account: Account) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{account.key}/channels")
        expect(_rows(page, "Channels")).to_have_count(3, timeout=PATIENCE_MS)
        assert _names(page) == ["cache-scores", "news", "presence-room"]
        page.get_by_label("Channels that begin with").fill("ne")
        expect(_rows(page, "Channels")).to_have_count(1)
        assert _names(page) == ["news"]
        page.get_by_role("button", name="Presence", exact=True).click()
        expect(_rows(page, "Channels")).to_have_text(["presence-roompresence22"])
        page.get_by_label("Channels that begin with").fill("nobody")
        shows(page, "No such channel now")
        assert flaws(page) == []


def test_a_channel_shows_who_is_present_and_what_it_keeps(page: Page, server: ServerProcess, account: Account) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{account.key}/channels")
        page.get_by_role("button", name="presence-room").press("Enter")
        panel = page.get_by_role("dialog", name="presence-room")
        expect(panel.locator(".people li")).to_have_count(2, timeout=PATIENCE_MS)
        expect(panel.get_by_text('{"name":"Anna"}')).to_be_visible()
        expect(page).to_have_url(re.compile("/channels/presence-room$"))
        assert flaws(page) == []
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(page).to_have_url(re.compile("/channels$"))
        page.get_by_role("button", name="cache-scores").click()
        expect(page.get_by_role("dialog", name="cache-scores").locator("pre")).to_contain_text('"home": 2')


def test_a_member_who_comes_is_seen_by_who_looks(page: Page, server: ServerProcess, account: Account) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{account.key}/channels/presence-room")
        people = page.get_by_role("dialog", name="presence-room").locator(".people li")
        expect(people).to_have_count(2, timeout=PATIENCE_MS)
        with plain_socket(server.port, account) as carla:
            proof = account.backend(server.port).authenticate("presence-room", carla.id, {"user_id": "carla"})
            carla.subscribe("presence-room", proof)
            expect(people).to_have_count(3, timeout=PATIENCE_MS)
        expect(people).to_have_count(2, timeout=PATIENCE_MS)


def test_a_socket_tells_what_it_listens_to_and_leads_there(page: Page, server: ServerProcess, account: Account) -> None:
    with watched(page, server), plain_socket(server.port, account) as third:
        third.subscribe("news")
        sign_in(page, server, at=f"#/apps/{account.key}/sockets")
        expect(_rows(page, "Sockets")).to_have_count(3, timeout=PATIENCE_MS)
        page.get_by_label("Search sockets").fill(third.id)
        expect(_rows(page, "Sockets")).to_have_count(1)
        page.get_by_role("button", name=third.id).click()
        panel = page.get_by_role("dialog", name=f"Socket {third.id}")
        expect(panel.get_by_text("Subscriptions (1)")).to_be_visible(timeout=PATIENCE_MS)
        expect(panel.get_by_text("0 B")).to_be_visible()
        assert flaws(page) == []
        panel.get_by_role("link", name="news").click()
        expect(page.get_by_role("dialog", name="news")).to_be_visible(timeout=PATIENCE_MS)


def test_a_socket_is_disconnected_once_that_is_confirmed(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server, FAILED_REQUEST), server.client(app, "A:1") as client:
        sign_in(page, server, at=f"#/apps/{app.key}/sockets")
        page.locator(".row-lead").click()
        page.get_by_role("button", name="Disconnect").click()
        question = page.get_by_role("dialog", name="Disconnect this socket?")
        question.get_by_role("button", name="Cancel").click()
        assert server.push(app, "still here") == 1
        assert client.recv(DEADLINE_S) == "still here"
        page.get_by_role("button", name="Disconnect").click()
        question.get_by_role("button", name="Disconnect").click()
        with pytest.raises(ConnectionClosed):
            client.recv(DEADLINE_S)
        shows(page, "Nobody is connected")
        assert flaws(page) == []
