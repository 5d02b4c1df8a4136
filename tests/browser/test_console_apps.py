"""The console's list of apps, and what it changes about one: settings, keys, its end."""

import json

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.clients.site import Account
from tests.support.browser import PATIENCE_MS, shows
from tests.support.console import FAILED_REQUEST, flaws, sign_in, walk, watched
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = [pytest.mark.process, pytest.mark.browser]

JSON = {"Content-Type": "application/json"}


def _app(server: ServerProcess, key: str) -> dict[str, object]:
    answer = server.request("GET", f"/api/admin/apps/{key}")
    assert answer.status == 200, answer
    found: dict[str, object] = answer.json
    return found


def _changed_settings(server: ServerProcess, key: str) -> dict[str, object]:
    """The settings that differ from those of an app that nobody has touched."""
    untouched = _app(server, server.register("untouched").key)["settings"]
    settings = _app(server, key)["settings"]
    assert isinstance(settings, dict)
    assert isinstance(untouched, dict)
    return {name: value for name, value in settings.items() if value != untouched[name]}


def _setting(page: Page, label: str) -> Locator:
    return page.locator(".setting").filter(has=page.locator(f"label:text-is('{label}')"))


def _rows(page: Page, table: str) -> Locator:
    return page.get_by_role("table", name=table, exact=True).locator("tbody tr")


def test_a_new_app_is_shown_with_all_that_its_owner_needs(page: Page, server: ServerProcess) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with watched(page, server):
        sign_in(page, server, at="#/apps")
        shows(page, "No apps yet")
        assert flaws(page) == []
        page.get_by_role("button", name="Register an app").first.click()
        page.get_by_role("button", name="Register", exact=True).click()
        shows(page, "An app needs a name.")
        page.get_by_label("Name", exact=True).fill("kitchen")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="kitchen is registered")
        expect(dialog).to_be_visible()
        assert flaws(page) == []
        listed = server.request("GET", "/api/admin/apps").json["apps"]
        [app] = listed
        for text in (app["app_key"], app["keys"][0]["secret"], app["auth_password"]):
            expect(dialog.get_by_text(text, exact=True)).to_be_visible()
        dialog.get_by_role("button", name="Copy app secret").click()
        wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == app["keys"][0]["secret"], "the secret")
        dialog.get_by_role("button", name="Show me snippets").click()
        expect(page.get_by_role("heading", name="Push to tags")).to_be_visible(timeout=PATIENCE_MS)
        assert page.url.endswith(f"#/apps/{app['app_key']}/snippets")


def test_an_app_that_moves_here_keeps_its_id_key_and_secret(page: Page, server: ServerProcess) -> None:
    server.request("POST", "/api/admin/apps", b'{"name": "shop", "app_key": "taken-key"}', headers=JSON)
    with watched(page, server, FAILED_REQUEST):
        sign_in(page, server, at="#/apps")
        page.get_by_role("button", name="Register an app").click()
        page.get_by_label("Name", exact=True).fill("kitchen")
        moving = page.get_by_text("Moving from another server?")
        expect(page.get_by_label("App key")).to_be_hidden()
        moving.focus()
        page.keyboard.press("Enter")
        assert flaws(page) == []
        walk(page, 6)
        for label, wrong, said in (
            ("App id", "a/b", "The id of an app has 1 to 64 letters"),
            ("App id", "7" * 65, "This is too long."),
            ("App key", "apps", "The key of an app cannot be 'apps'"),
            ("App key", "taken-key", "The key taken-key belongs to an app here"),
            ("App secret", "two words", "The secret of an app has 1 to 128 visible"),
        ):
            box = page.get_by_label(label)
            box.fill(wrong)
            moving.click()  # a mistake opens it again
            expect(box).to_be_hidden()
            page.get_by_role("button", name="Register", exact=True).click()
            field = page.locator(".field").filter(has=box)
            expect(field.get_by_role("alert")).to_contain_text(said)
            expect(box).to_be_focused()
            box.fill("")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_have_count(1)
        for label, kept in (("App id", "1234567"), ("App key", "278d425bdf160c739803"), ("App secret", "7ad3773142")):
            page.get_by_label(label).fill(f" {kept} ")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="kitchen is registered")
        for kept in ("1234567", "278d425bdf160c739803", "7ad3773142"):
            expect(dialog.get_by_text(kept, exact=True)).to_be_visible()
    Account("1234567", "278d425bdf160c739803", "7ad3773142").backend(server.port).trigger("news", "e", "as before")


def test_apps_are_searched_and_paged(page: Page, server: ServerProcess) -> None:
    for number in range(53):
        server.request("POST", "/api/admin/apps", json.dumps({"name": f"app {number:02d}"}).encode(), headers=JSON)
    with watched(page, server):
        sign_in(page, server, at="#/apps")
        shows(page, "1–50 of 53")
        page.get_by_role("button", name="Next page").click()
        shows(page, "51–53 of 53")
        expect(_rows(page, "Apps")).to_have_count(3)
        page.get_by_label("Search apps").fill("app 07")
        shows(page, "1 found")
        expect(_rows(page, "Apps")).to_have_count(1)
        page.get_by_label("Search apps").fill("no such thing")
        shows(page, "Nothing found")
        page.get_by_label("Search apps").fill("app 1")
        expect(_rows(page, "Apps")).to_have_count(10)
        _rows(page, "Apps").nth(3).click()
        expect(page.get_by_role("heading", name="app 13", level=1)).to_be_visible(timeout=PATIENCE_MS)


def test_only_changed_settings_are_saved_and_a_default_comes_back(
    page: Page, server: ServerProcess, app: TestApp
) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/settings")
        page.get_by_label("Max channels").fill("50")
        page.get_by_role("switch", name="Client events", exact=True).focus()
        page.keyboard.press("Space")
        origins = _setting(page, "Allowed origins")
        origins.get_by_role("button", name="Add").click()
        origins.get_by_role("textbox").fill("*.example.com")
        shows(page, "3 changes not saved")
        assert flaws(page) == []
        page.get_by_role("button", name="Save changes").click()
        shows(page, "3 settings saved")
        expected = {"max_channels": 50, "client_events": True, "allowed_origins": ["*.example.com"]}
        assert _changed_settings(server, app.key) == expected
        _setting(page, "Max channels").get_by_role("button", name="Reset").click()
        expect(page.get_by_label("Max channels")).to_have_value("1000")
        page.get_by_role("button", name="Save changes").click()
        shows(page, "1 setting saved")
        assert "max_channels" not in _changed_settings(server, app.key)
        page.get_by_label("Max channels").fill("7")
        page.get_by_role("button", name="Discard").click()
        expect(page.get_by_label("Max channels")).to_have_value("1000")
        expect(page.get_by_role("region", name="Changes")).to_be_hidden()


def test_what_is_wrong_with_a_setting_stands_beside_it(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server, FAILED_REQUEST):
        sign_in(page, server, at=f"#/apps/{app.key}/settings")
        page.get_by_label("Max batch").fill("0")
        page.get_by_role("button", name="Save changes").click()
        expect(_setting(page, "Max batch").get_by_role("alert")).to_have_text(
            "A number from 1 to 1,000, without a fraction."
        )
        page.get_by_label("Max batch").fill("20")
        page.get_by_label("Connect hook").fill("not a url")
        page.get_by_role("button", name="Save changes").click()
        expect(_setting(page, "Connect hook").get_by_role("alert")).to_contain_text("is not an http or https URL")
        expect(_setting(page, "Max batch").get_by_role("alert")).to_be_hidden()
        assert _changed_settings(server, app.key) == {}
        page.get_by_label("Find a setting").fill("presence")
        expect(page.locator(".setting:visible")).to_have_count(2)


def test_an_apps_own_admin_sees_that_app_and_leaves_the_operators_settings(page: Page, server: ServerProcess) -> None:
    server.register("another", ("other", "other password"))
    app = server.register("mine", ("me", "my password"))
    with watched(page, server):
        sign_in(page, server, ("me", "my password"), at="#/apps")
        expect(_rows(page, "Apps")).to_have_count(1)
        expect(page.get_by_role("button", name="Register an app")).to_have_count(0)
        page.goto(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/settings")
        expect(page.get_by_label("Max connections")).to_be_disabled(timeout=PATIENCE_MS)
        expect(page.get_by_label("Token issuer")).to_be_enabled()
        expect(page.get_by_text("Unregister this app")).to_have_count(0)
        page.get_by_label("Name", exact=True).fill("ours")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="ours", level=1)).to_be_visible(timeout=PATIENCE_MS)
        assert flaws(page) == []


def test_keys_are_rotated_in_order(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/keys")
        expect(page.get_by_role("button", name="Revoke")).to_be_disabled(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Make a new key").click()
        dialog = page.get_by_role("dialog", name="A new key")
        expect(dialog).to_be_visible(timeout=PATIENCE_MS)
        key, secret = dialog.locator("code").all_text_contents()
        Account(app.reply["app_id"], key, secret).backend(server.port).trigger("news", "e", "signed with the new one")
        assert flaws(page) == []
        dialog.get_by_role("button", name="Done").click()
        shows(page, "a rotation is under way")
        page.get_by_role("button", name="Revoke").first.click()
        question = page.get_by_role("dialog", name="Revoke this key?")
        question.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Revoke")).to_have_count(2)
        page.get_by_role("button", name="Revoke").first.click()
        question.get_by_role("button", name="Revoke").click()
        expect(page.get_by_role("button", name="Revoke")).to_have_count(1)
        keys = _app(server, app.key)["keys"]
        assert isinstance(keys, list)
        assert [pair["key"] for pair in keys] == [key]
        expect(page.get_by_text(secret)).to_have_count(0)
        page.get_by_role("button", name="Show secret").click()
        expect(page.get_by_text(secret, exact=True)).to_be_visible()


def test_an_app_is_unregistered_by_who_types_its_name(page: Page, server: ServerProcess) -> None:
    app = server.register("the kitchen")
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/settings")
        page.get_by_role("button", name="Unregister…").click()
        question = page.get_by_role("dialog", name="Unregister the kitchen?")
        go = question.get_by_role("button", name="Unregister")
        expect(go).to_be_disabled()
        question.get_by_role("textbox").fill("the kitche")
        expect(go).to_be_disabled()
        question.get_by_role("textbox").fill("the kitchen")
        assert flaws(page) == []
        go.click()
        shows(page, "No apps yet")
        assert server.request("GET", "/api/admin/apps").json["total"] == 0
        expect(page.get_by_role("navigation", name="Recent apps").get_by_text("the kitchen")).to_have_count(0)


def test_a_tab_that_there_is_not_leads_back_to_the_app(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/quark")
        shows(page, "This app has no such tab")
        assert flaws(page) == []
        page.get_by_role("link", name="See its overview").click()
        expect(page.locator(".tabs [aria-current]")).to_have_text("Overview", timeout=PATIENCE_MS)


def test_a_tab_that_was_left_while_it_came_takes_nothing_from_the_next(
    page: Page, server: ServerProcess, app: TestApp
) -> None:
    held: list[Route] = []
    page.route("**/views/channels.js", lambda route: held.append(route))
    with watched(page, server):
        sign_in(page, server, at=f"#/apps/{app.key}/keys")
        shows(page, "Rotat")
        page.evaluate("hash => { location.hash = hash; window.left = performance.now() }", f"#/apps/{app.key}/channels")
        expect(page.locator(".tabs [aria-current]")).to_have_text("Channels")
        page.evaluate("hash => { location.hash = hash }", f"#/apps/{app.key}/tags")
        shows(page, "Pattern tester")
        wait_until(lambda: page.evaluate("performance.now() > left + 400"), "the first to say that it is coming")
        shows(page, "Pattern tester")
        held[0].continue_()
        page.wait_for_load_state("networkidle")
        expect(page.locator(".tab-body .skeleton")).to_have_count(0)
        shows(page, "Pattern tester")


def test_every_tab_is_walked_with_the_keyboard(page: Page, server: ServerProcess, app: TestApp) -> None:
    with watched(page, server):
        sign_in(page, server, at="#/apps")
        expect(_rows(page, "Apps")).to_have_count(1)
        walk(page, 12)
        for tab in ("channels", "tags", "sockets", "push", "webhooks", "settings", "keys", "snippets"):
            page.goto(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/{tab}")
            expect(page.locator(".tabs [aria-current]")).to_have_text(tab.title(), timeout=PATIENCE_MS)
            expect(page.locator(".tab-body > *:not(.skeleton)")).to_be_visible(timeout=PATIENCE_MS)
            walk(page, 24)
            assert flaws(page) == [], tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_tab_without_scrolling_sideways(
    page: Page, server: ServerProcess, app: TestApp, scheme: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    with watched(page, server), server.client(app, "A:1"):
        sign_in(page, server, at="#/apps")
        expect(_rows(page, "Apps")).to_have_count(1)
        for tab in ("channels", "tags", "sockets", "push", "webhooks", "settings", "keys", "snippets"):
            page.goto(f"http://127.0.0.1:{server.admin_port}/console#/apps/{app.key}/{tab}")
            expect(page.locator(".tabs [aria-current]")).to_have_text(tab.title(), timeout=PATIENCE_MS)
            expect(page.locator(".tab-body > *:not(.skeleton)")).to_be_visible(timeout=PATIENCE_MS)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
            assert flaws(page) == [], tab
