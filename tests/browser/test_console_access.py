"""Who gets into the console, what they see of it, and how they leave."""

import pytest
from playwright.sync_api import Page, expect

from pushery.console import visitors
from pushery.testing import run_server
from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_REQUEST, FAILED_SOCKET, LOOK_AWAY, flaws, sign_in, walk, watched
from tests.support.server import ADMIN, ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]

OTHER_AUTH = ("other_admin", "other password")


def _console(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.admin_port}/console"


def test_a_stranger_is_asked_who_they_are_and_a_wrong_password_is_told(page: Page, server: ServerProcess) -> None:
    with watched(page, server, FAILED_REQUEST):
        page.goto(_console(server))
        expect(page).to_have_url(f"{_console(server)}/sign-in")
        page.get_by_label("Account").fill(ADMIN[0])
        page.get_by_label("Password").fill("guessed")
        page.get_by_label("Password").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("do not fit")
        page.get_by_label("Account").fill(ADMIN[0])
        page.get_by_label("Password").fill(ADMIN[1])
        page.get_by_label("Password").press("Enter")
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=PATIENCE_MS)
        expect(page).to_have_url(_console(server))


def test_after_signing_out_the_console_is_closed(page: Page, server: ServerProcess) -> None:
    with watched(page, server):
        sign_in(page, server)
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{_console(server)}/sign-in")
        page.goto(f"{_console(server)}#/apps")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_session_that_has_ended_leads_back_to_the_form(page: Page, server: ServerProcess) -> None:
    with watched(page, server, FAILED_SOCKET):
        sign_in(page, server)
        page.context.clear_cookies()  # what the page asks for next, it is refused
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)


def test_a_page_that_nobody_looks_at_is_at_the_form_once_its_session_has_ended(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_server() as server:  # in this process, so that its sessions can be made to end
        page.goto(f"{server.url}/console/sign-in")
        page.get_by_label("Account").fill(server.auth[0])
        page.get_by_label("Password").fill(server.auth[1])
        page.get_by_label("Password").press("Enter")
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        page.evaluate(LOOK_AWAY, True)
        page.wait_for_load_state("networkidle")
        monkeypatch.setattr(visitors, "IDLE_S", 0.0)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
        expect(page).to_have_url(f"{server.url}/console/sign-in")


def test_the_admin_of_an_app_sees_that_app_and_nothing_else(page: Page, server: ServerProcess, app: TestApp) -> None:
    other = server.register("not yours", OTHER_AUTH)
    with watched(page, server, FAILED_REQUEST):
        sign_in(page, server, app.auth)
        expect(page.get_by_role("heading", name="test", level=1)).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("navigation", name="Console").get_by_role("link", name="Overview")).to_have_count(0)
        page.goto(f"{_console(server)}#/")
        expect(page).to_have_url(f"{_console(server)}#/apps/{app.key}")
        page.goto(f"{_console(server)}#/apps/{other.key}")
        shows(page, "There is no such app")
        assert flaws(page) == []
        page.goto(f"{_console(server)}#/apps")
        expect(page.get_by_role("table").get_by_text("test", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_text("not yours")).to_have_count(0)


def test_who_signs_in_next_is_not_shown_what_the_one_before_looked_at(
    page: Page, server: ServerProcess, app: TestApp
) -> None:
    other = server.register("not yours", OTHER_AUTH)
    sign_in(page, server, at=f"#/apps/{other.key}")
    recent = page.get_by_role("navigation", name="Recent apps")
    expect(recent.get_by_text("not yours")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{_console(server)}/sign-in")
    sign_in(page, server, app.auth)
    expect(recent.get_by_text("test")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("not yours")).to_have_count(0)


def test_an_address_that_leads_nowhere_says_so(page: Page, server: ServerProcess) -> None:
    with watched(page, server):
        sign_in(page, server, at="#/nothing/%E0%A4%A")
        shows(page, "There is nothing at this address")
        assert flaws(page) == []
        page.get_by_role("link", name="Go to the start").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=PATIENCE_MS)


def test_a_chosen_theme_is_remembered(page: Page, server: ServerProcess) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="light")
    sign_in(page, server)
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_can_be_used_by_everybody(page: Page, server: ServerProcess, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with watched(page, server):
        page.goto(f"{_console(server)}/sign-in")
        assert flaws(page) == []
        walk(page, 4)
