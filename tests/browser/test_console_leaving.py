"""Settings that were changed and not saved hold back whoever leaves them."""

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_REQUEST, flaws, sign_in, walk, watched
from tests.support.server import ServerProcess, TestApp

pytestmark = [pytest.mark.process, pytest.mark.browser]


def _tab(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Parts of the app").get_by_role("link", name=name, exact=True)


def _question(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Save what you changed?")


def _open_tab(page: Page, name: str) -> None:
    expect(page.locator(".tabs [aria-current]")).to_have_text(name, timeout=PATIENCE_MS)


def _change(page: Page, server: ServerProcess, app: TestApp) -> None:
    """Come from the tab Keys, and change a setting."""
    sign_in(page, server, at=f"#/apps/{app.key}/keys")
    _open_tab(page, "Keys")
    _tab(page, "Settings").click()
    page.get_by_label("Max channels").fill("50")
    shows(page, "1 change not saved")


def _max_channels(server: ServerProcess, app: TestApp) -> int:
    found: int = server.request("GET", f"/api/admin/apps/{app.key}").json["settings"]["max_channels"]
    return found


def test_a_tab_is_not_left_before_somebody_has_chosen(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        _change(page, server, app)
        _tab(page, "Webhooks").click()
        expect(_question(page)).to_be_visible()
        expect(_question(page).get_by_role("button", name="Save")).to_be_focused()
        assert flaws(page) == []
        walk(page, 5)
        page.keyboard.press("Escape")
        expect(_question(page)).to_have_count(0)
        expect(page).to_have_url(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/settings")
        expect(page.get_by_label("Max channels")).to_have_value("50")
        _open_tab(page, "Settings")
        _tab(page, "Webhooks").click()
        _question(page).get_by_role("button", name="Discard").click()
        _open_tab(page, "Webhooks")
        assert _max_channels(server, app) == 1000
        _tab(page, "Settings").click()
        expect(page.get_by_label("Max channels")).to_have_value("1000")


def test_the_question_saves_and_goes_on(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        _change(page, server, app)
        page.get_by_label("Name", exact=True).fill("renamed")  # the other form of this tab
        _tab(page, "Webhooks").focus()
        page.keyboard.press("Enter")
        expect(_question(page)).to_be_visible()
        page.keyboard.press("Enter")
        _open_tab(page, "Webhooks")
        expect(page.get_by_role("heading", name="renamed", level=1)).to_be_visible()
        assert _max_channels(server, app) == 50
        _tab(page, "Keys").click()
        _open_tab(page, "Keys")  # nothing is asked any more


def test_what_cannot_be_saved_stays_and_says_why(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server, FAILED_REQUEST):
        _change(page, server, app)
        page.get_by_label("Connect hook").fill("not a url")
        page.get_by_role("link", name="Overview", exact=True).first.click()
        _question(page).get_by_role("button", name="Save").click()
        problem = page.locator(".setting").filter(has=page.get_by_label("Connect hook")).get_by_role("alert")
        expect(problem).to_contain_text("is not an http or https URL")
        expect(page).to_have_url(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/settings")
        expect(page.get_by_label("Connect hook")).to_be_focused()
        assert _max_channels(server, app) == 1000


def test_the_way_back_is_held_up_too_and_stays_where_it_leads(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        _change(page, server, app)
        page.go_back()
        _question(page).get_by_role("button", name="Keep editing").click()
        expect(page).to_have_url(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/settings")
        expect(page.get_by_label("Max channels")).to_have_value("50")
        page.go_back()
        expect(_question(page)).to_be_visible()
        page.go_forward()  # which is an answer as well
        expect(_question(page)).to_have_count(0)
        expect(page.get_by_label("Max channels")).to_have_value("50")
        page.go_back()
        _question(page).get_by_role("button", name="Discard").click()
        _open_tab(page, "Keys")
        page.go_forward()
        _open_tab(page, "Settings")


def test_the_way_back_to_a_list_whose_panel_was_open_is_held_up_once(
    page: Page, server: ServerProcess, app: TestApp
) -> None:
    with watched(page, server), server.client(app, "A:1"):
        sign_in(page, server, at=f"#/apps/{app.key}/keys")
        _open_tab(page, "Keys")
        _tab(page, "Sockets").click()
        page.get_by_role("row").filter(has_text="A:1").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        _tab(page, "Settings").click()
        page.get_by_label("Max channels").fill("50")
        page.go_back()
        _question(page).get_by_role("button", name="Keep editing").click()
        expect(page).to_have_url(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/settings")
        expect(_question(page)).to_have_count(0)
        expect(page.get_by_label("Max channels")).to_have_value("50")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_question_fits_on_a_phone(page: Page, server: ServerProcess, app: TestApp, scheme: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with watched(page, server):
        _change(page, server, app)
        _tab(page, "Keys").click()
        dialog = _question(page)
        for name in ("Discard", "Keep editing", "Save"):
            expect(dialog.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
        assert dialog.evaluate("(element) => element.querySelector('footer').scrollWidth <= element.clientWidth")
        assert flaws(page) == []


def test_what_is_not_changed_or_taken_back_holds_nobody_back(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        _change(page, server, app)
        page.get_by_label("Max channels").fill("1000")
        _tab(page, "Keys").click()
        _open_tab(page, "Keys")
        expect(_question(page)).to_have_count(0)


def test_the_browser_asks_before_the_page_itself_is_left(page: Page, server: ServerProcess, app: TestApp) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    _change(page, server, app)
    page.get_by_label("Max channels").fill("1000")
    page.get_by_label("Name", exact=True).fill("renamed")
    page.on("dialog", answer)
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("test", timeout=PATIENCE_MS)
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("test", timeout=PATIENCE_MS)
    assert asked == ["beforeunload"]


def test_an_app_that_is_unregistered_asks_for_nothing(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        _change(page, server, app)
        page.get_by_role("button", name="Unregister…").click()
        dialog = page.get_by_role("dialog", name="Unregister test?")
        dialog.get_by_role("textbox").fill("test")
        dialog.get_by_role("button", name="Unregister").click()
        shows(page, "No apps yet")
        expect(_question(page)).to_have_count(0)
