"""The routes of the admin API as values: who may, what is asked, what is answered."""

import base64
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from pushery.core.apps import App, Directory, KeyPair
from pushery.core.appsettings import AppSettings, Webhook
from pushery.core.basicauth import credentials
from pushery.core.effects import ChangeApp, ListApps, Outcome, RegisterApp, Reload, Reloaded, UnregisterApp
from pushery.core.exchange import Refusal, Reply, Request
from pushery.dialects.admin import Admin, AdminOptions, guards
from pushery.dialects.admin.rest import DEFAULT_LIMIT, MASK, MAX_LIMIT

T = TypeVar("T")
Auth = tuple[str, str] | None

SUPER = ("admin", "correct horse")
OPTIONS = AdminOptions(*SUPER, mask_passwords=False)
KEY, SECOND, UNKNOWN = "a" * 32, "b" * 32, "0" * 32

LIST = "GET /api/admin/apps"
REGISTER = "POST /api/admin/apps"
SHOW = "GET /api/admin/apps/{app_key}"
CHANGE = "PATCH /api/admin/apps/{app_key}"
UNREGISTER = "DELETE /api/admin/apps/{app_key}"
ROTATE = "POST /api/admin/apps/{app_key}/keys"
REVOKE = "DELETE /api/admin/apps/{app_key}/keys/{key}"
RELOAD = "POST /api/admin/reload"
WHOAMI = "GET /api/admin/whoami"
OPENAPI = "GET /api/admin/openapi.json"
WITH_AUTH = [LIST, REGISTER, SHOW, CHANGE, UNREGISTER, ROTATE, REVOKE, RELOAD, WHOAMI]
OF_ONE_APP = [SHOW, CHANGE, UNREGISTER, ROTATE, REVOKE]
WITH_BODY = [REGISTER, CHANGE]
BODIES = {REGISTER: {"name": "shop"}, CHANGE: {"settings": {"max_batch": 20}}}


class Still:
    """Time that stands, and names that are always the same."""

    def monotonic(self) -> float:
        return 0.0

    def wall_ms(self) -> int:
        return 1440473952104

    def app_key(self) -> str:
        return "c" * 32

    def secret(self) -> str:
        return "5" * 40

    def publication_id(self) -> str:
        return "1"

    def socket_id(self) -> str:
        return "1.1"


def app(key: str = KEY, number: int = 1, *, keys: tuple[str, ...] = (KEY, SECOND), **settings: Any) -> App:
    """An app with two keys."""
    return App(
        id=str(number),
        key=key,
        secret="5" * 40,
        name="shop",
        auth_account="scott",
        auth_password="tiger",
        request_ip="127.0.0.1:50040",
        registered_ms=1440473952104,
        settings=AppSettings(**settings),
        keys=tuple(KeyPair(key=key, secret="6" * 40, created_ms=7) for key in keys),
    )


def admin(options: AdminOptions = OPTIONS, *apps: App) -> Admin:
    """The API over these apps."""
    return Admin(options, Directory(apps or [app()]), Still(), Still())


def ask(
    route: str,
    auth: Auth = SUPER,
    body: object = ...,
    api: Admin | None = None,
    kind: bytes = b"application/json",
    query: str = "",
    **params: str,
) -> Outcome:
    """Call a route as the router does. `body` defaults to what the route takes; bytes are sent as they are."""
    known = {f"{route.method} {route.path}": route for route in (api or admin()).routes()}[route]
    headers = {b"content-type": kind} if route in WITH_BODY else {}
    if auth is not None:
        headers[b"authorization"] = b"Basic " + base64.b64encode(":".join(auth).encode())
    if body is ...:
        body = BODIES.get(route, b"")
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(known.method, known.path, query, headers, sent, peer="203.0.113.9:4711")
    return known.handle(request, {"app_key": KEY, "key": SECOND} | params)


def effect(kind: type[T], route: str, **more: Any) -> T:
    """What a route asks for."""
    outcome = ask(route, **more)
    assert isinstance(outcome, kind)
    return outcome


def refused(route: str, **more: Any) -> Refusal:
    """Why a route refuses."""
    with pytest.raises(Refusal) as caught:
        ask(route, **more)
    return caught.value


def read(reply: object, status: int = 200) -> Any:
    """What a reply says."""
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content_type) == (status, "application/json")
    return json.loads(reply.body)


def changed(before: App, **more: Any) -> App:
    """What a PATCH makes of an app."""
    return effect(ChangeApp, CHANGE, **more).edit(before)


def test_a_reload_tells_what_came_of_it() -> None:
    done = Reloaded(applied=["ping_idle"], need_restart=["listen"], problems=["the certificate is broken"])
    assert read(effect(Reload, RELOAD).answer(done)) == {
        "applied": ["ping_idle"],
        "need_restart": ["listen"],
        "problems": ["the certificate is broken"],
    }


def test_who_asks_is_told_as_whom_the_server_sees_it() -> None:
    assert read(ask(WHOAMI)) == {
        "address": "203.0.113.9:4711",
        "secure": False,
        "x_forwarded_for": "",
        "x_forwarded_proto": "",
        "forwarded": "",
    }


# Who may.


@pytest.mark.parametrize("route", WITH_AUTH)
@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("scott", "tiger"), ("", "")])
def test_nobody_but_the_super_admin_may(route: str, auth: Auth) -> None:
    for key in (KEY, UNKNOWN):
        refusal = refused(route, auth=auth, app_key=key, body=b"{")
        assert (refusal.status, refusal.code) == (401, "unauthorized")
        assert refusal.headers[0][0] == "WWW-Authenticate"


def test_a_super_admin_without_credentials_lets_nobody_in() -> None:
    api = admin(AdminOptions("", "", mask_passwords=False))
    for auth in (None, ("", ""), SUPER):
        assert refused(LIST, auth=auth, api=api).status == 401


def test_changed_options_hold_for_the_next_request() -> None:
    api = admin()
    api.configure(AdminOptions("root", "new", mask_passwords=True))
    assert refused(LIST, api=api).status == 401
    assert read(ask(SHOW, auth=("root", "new"), api=api))["auth_password"] == MASK


@pytest.mark.parametrize("route", OF_ONE_APP)
def test_an_unknown_app_is_told(route: str) -> None:
    for key in (UNKNOWN, "", KEY.upper()):
        refusal = refused(route, app_key=key)
        assert (refusal.status, refusal.code) == (404, "unknown_app")


@pytest.mark.parametrize("route", [CHANGE, UNREGISTER, ROTATE, REVOKE])
def test_any_valid_key_names_an_app_and_so_does_its_first(route: str) -> None:
    rotated = admin(OPTIONS, app(keys=(SECOND,)))
    for key in (KEY, SECOND):
        asked = ask(route, api=rotated, app_key=key)
        assert isinstance(asked, ChangeApp | UnregisterApp)
        assert asked.app_key == KEY


@pytest.mark.parametrize("route", [CHANGE, ROTATE, REVOKE])
def test_an_app_that_somebody_else_has_just_removed_is_unknown(route: str) -> None:
    assert read(effect(ChangeApp, route).answer(None), 404)["error"]["code"] == "unknown_app"


# List and show.


def test_an_app_is_shown_with_every_setting() -> None:
    hook = Webhook(url="http://a/")
    shown = read(ask(SHOW, api=admin(OPTIONS, app(client_events=True, webhooks=(hook,)))))
    assert list(shown) == [
        *("app_key", "app_id", "name", "auth_account", "auth_password", "request_ip", "registered_ms"),
        *("keys", "settings"),
    ]
    assert (shown["app_key"], shown["app_id"], shown["auth_password"]) == (KEY, "1", "tiger")
    assert shown["keys"][1] == {"key": SECOND, "secret": "6" * 40, "created_ms": 7}
    plain = asdict(AppSettings(client_events=True)) | {"webhooks": [{"url": "http://a/"}]}
    assert shown["settings"] == plain | {"allowed_origins": [], "token_keys": []}


def test_what_is_shown_can_be_sent_back_and_changes_nothing() -> None:
    before = app(client_events=True, webhooks=(Webhook(url="http://a/", events=("connected",)),))
    shown = read(ask(SHOW, api=admin(OPTIONS, before)))
    assert changed(before, body={"name": shown["name"], "settings": shown["settings"]}) == before


@pytest.mark.parametrize("route", [SHOW, CHANGE, REVOKE])
def test_passwords_and_secrets_are_masked_when_told_to(route: str) -> None:
    masked = admin(AdminOptions(*SUPER, mask_passwords=True))
    outcome = ask(route, api=masked)
    reply = outcome.answer(app()) if isinstance(outcome, ChangeApp) else outcome
    shown = read(reply)
    assert (shown["auth_password"], shown["keys"][0]["secret"]) == (MASK, MASK)
    assert "tiger" not in json.dumps(shown)
    listed = read(effect(ListApps, LIST, api=masked).answer([app()]))
    assert listed["apps"][0]["auth_password"] == MASK


def test_what_is_new_is_told_once_even_when_masked() -> None:
    masked = admin(AdminOptions(*SUPER, mask_passwords=True))
    assert read(effect(RegisterApp, REGISTER, api=masked).answer(app()), 201)["auth_password"] == "tiger"
    assert read(effect(ChangeApp, ROTATE, api=masked).answer(app()), 201)["secret"] == "5" * 40


@pytest.mark.parametrize(
    ("query", "limit", "offset", "numbers"),
    [
        ("", DEFAULT_LIMIT, 0, range(100)),
        ("limit=3", 3, 0, range(3)),
        ("offset=240", DEFAULT_LIMIT, 240, range(240, 250)),
        ("limit=1000&offset=1", MAX_LIMIT, 1, range(1, 250)),
        ("limit=2&offset=300", 2, 300, range(0)),
        ("limit=1&limit=2", 1, 0, range(1)),
    ],
)
def test_the_list_comes_in_pages(query: str, limit: int, offset: int, numbers: range) -> None:
    apps = [app(f"{number:032x}", number) for number in range(250)]
    page = read(effect(ListApps, LIST, query=query).answer(apps))
    assert list(page) == ["total", "limit", "offset", "apps"]
    assert (page["total"], page["limit"], page["offset"]) == (250, limit, offset)
    assert [int(each["app_id"]) for each in page["apps"]] == list(numbers)


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "²", "9" * 5000, "%00", "1001x"])
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_a_page_is_asked_for_with_whole_numbers(name: str, value: str) -> None:
    refusal = refused(LIST, query=f"{name}={value}")
    assert (refusal.status, refusal.code, refusal.extra) == (400, "malformed_parameter", {"parameter": name})
    for wrong in ("limit=0", "limit=1001", "offset=1000000001"):
        assert refused(LIST, query=wrong).status == 400


# Register.


def test_register_needs_a_name_only() -> None:
    asked = effect(RegisterApp, REGISTER)
    assert (asked.name, asked.auth_account, asked.auth_password) == ("shop", "shop", "5" * 40)
    assert asked.request_ip == "203.0.113.9:4711"
    assert read(asked.answer(app()), 201)["app_key"] == KEY
    asked = effect(RegisterApp, REGISTER, body={"name": "a", "auth_account": "b", "auth_password": "c:d"})
    assert (asked.name, asked.auth_account, asked.auth_password) == ("a", "b", "c:d")
    assert (asked.app_key, asked.app_id, asked.app_secret) == (None, None, None)


def test_key_id_and_secret_may_be_those_of_another_server() -> None:
    kept = {"app_key": "app-key", "app_id": "7", "app_secret": "app-secret"}
    asked = effect(RegisterApp, REGISTER, body={"name": "a", **kept})
    assert (asked.app_key, asked.app_id, asked.app_secret) == ("app-key", "7", "app-secret")
    for name, value in kept.items():
        asked = effect(RegisterApp, REGISTER, body={"name": "a", name: value})
        assert [part for part in (asked.app_key, asked.app_id, asked.app_secret) if part is not None] == [value]


@pytest.mark.parametrize(("name", "what"), [("app_key", "key"), ("app_id", "id"), ("app_secret", "secret")])
def test_a_key_id_or_secret_that_cannot_be_is_refused_by_name(name: str, what: str) -> None:
    refusal = refused(REGISTER, body={"name": "a", name: "a b"})
    assert (refusal.status, refusal.code, refusal.extra) == (400, "malformed_parameter", {"parameter": name})
    assert refusal.message.startswith(f"The {what} of an app has 1 to ")
    for bad in ("", None, 7, "x" * 129):
        assert refused(REGISTER, body={"name": "a", name: bad}).code == "malformed_body"
    if what != "secret":
        assert refused(REGISTER, body={"name": "a", name: "admin"}).code == "malformed_parameter"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "malformed_body"),
        ({"name": ""}, "malformed_body"),
        ({"name": "x" * 201}, "malformed_body"),
        ({"name": None}, "malformed_body"),
        ({"name": "x", "more": 1}, "malformed_body"),
        ({"name": "a\nb"}, "malformed_parameter"),
        ({"name": "a:b"}, "malformed_parameter"),
        ({"name": "a", "auth_account": "a:b"}, "malformed_parameter"),
        ({"name": "a", "auth_password": "\x00"}, "malformed_parameter"),
    ],
)
def test_what_cannot_be_registered_is_refused(body: object, code: str) -> None:
    refusal = refused(REGISTER, body=body)
    assert (refusal.status, refusal.code) == (400, code)


# Change.


def test_a_change_takes_the_place_of_what_it_names_only() -> None:
    before = app(client_events=True, max_batch=3)
    after = changed(before, body={"name": "kiosk", "settings": {"max_batch": 20, "watchlist": True}})
    settings = replace(before.settings, max_batch=20, watchlist=True)
    assert after == replace(before, name="kiosk", settings=settings)
    after = changed(before, body={"auth_account": "root", "auth_password": "new"})
    assert after == replace(before, auth_account="root", auth_password="new")
    assert changed(before, body={}) == before


def test_null_resets_a_setting_and_null_for_all_resets_all() -> None:
    before = app(client_events=True, max_batch=3)
    assert changed(before, body={"settings": {"max_batch": None}}).settings == AppSettings(client_events=True)
    assert changed(before, body={"settings": None}).settings == AppSettings()
    assert changed(before, body={"settings": {}}) == before


def test_a_change_is_made_to_what_the_app_is_then() -> None:
    asked = effect(ChangeApp, CHANGE, body={"settings": {"max_batch": 20}})
    meanwhile = app(client_events=True, keys=(SECOND,))
    assert asked.edit(meanwhile) == replace(meanwhile, settings=AppSettings(client_events=True, max_batch=20))
    assert read(asked.answer(meanwhile))["keys"][0]["key"] == SECOND


def test_settings_that_cannot_be_are_refused_with_all_that_is_wrong() -> None:
    refusal = refused(CHANGE, body={"settings": {"max_batch": 0, "client_event": 1, "webhooks": [{"url": "x"}]}})
    assert (refusal.status, refusal.code, refusal.extra["parameter"]) == (400, "invalid_settings", "settings")
    assert refusal.extra["problems"] == [
        "max_batch: expected int >= 1",
        "there is no setting 'client_event'; did you mean 'client_events'?",
        "webhooks[0]: 'x' is not an http or https URL with a host",
    ]


@pytest.mark.parametrize("name", ["name", "auth_account", "auth_password"])
def test_a_name_account_or_password_is_held_to_the_same_rules_as_at_first(name: str) -> None:
    for bad in ("", "x" * 201, None, 1):
        assert refused(CHANGE, body={name: bad}).code == "malformed_body"
    refusal = refused(CHANGE, body={name: "a\nb"})
    assert (refusal.code, refusal.extra) == ("malformed_parameter", {"parameter": name})


# Bodies.


@pytest.mark.parametrize("route", WITH_BODY)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name":"\\ud800"}', b"[" * 100_000, b'{"name":1}']
)
def test_a_body_that_is_no_json_object_is_refused(route: str, body: bytes) -> None:
    refusal = refused(route, body=body)
    assert (refusal.status, refusal.code) == (400, "malformed_body")


@pytest.mark.parametrize("route", WITH_BODY)
def test_only_json_is_taken(route: str) -> None:
    for kind in (b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        assert refused(route, kind=kind).status == 415
    for kind in (b"application/json; charset=utf-8", b"Application/JSON", b"application/merge-patch+json"):
        assert not isinstance(ask(route, kind=kind), Reply)


@given(st.sampled_from(WITH_BODY), st.binary() | st.text().map(lambda text: json.dumps({"name": text}).encode()))
def test_no_body_breaks_a_route(route: str, body: bytes) -> None:
    try:
        outcome: object = ask(route, body=body)
    except Refusal as refusal:
        outcome = refusal
    assert isinstance(outcome, RegisterApp | ChangeApp | Refusal)


# Unregister, rotate, revoke.


def test_unregister_answers_with_the_app_that_is_no_more() -> None:
    asked = effect(UnregisterApp, UNREGISTER, app_key=SECOND)
    assert asked.app_key == KEY
    assert read(asked.answer(True)) == {"app_key": KEY}
    assert read(asked.answer(False), 404)["error"]["code"] == "unknown_app"


def test_rotate_adds_a_pair_and_answers_with_it() -> None:
    asked = effect(ChangeApp, ROTATE)
    after = asked.edit(app())
    pair = KeyPair(key="c" * 32, secret="5" * 40, created_ms=1440473952104)
    assert after == replace(app(), keys=(*app().keys, pair))
    assert read(asked.answer(after), 201) == asdict(pair)


def test_revoke_takes_a_pair_away_but_not_the_last() -> None:
    asked = effect(ChangeApp, REVOKE, key=KEY)
    assert [pair.key for pair in asked.edit(app()).keys] == [SECOND]
    for key, keys, code in ((KEY, (KEY,), "last_key"), (UNKNOWN, (KEY, SECOND), "unknown_key")):
        with pytest.raises(Refusal) as caught:
            effect(ChangeApp, REVOKE, key=key).edit(app(keys=keys))
        assert caught.value.code == code


def test_anybody_may_read_what_the_api_is() -> None:
    described: Mapping[str, Any] = read(ask(OPENAPI, auth=None))
    assert described["openapi"] == "3.1.0"


@pytest.mark.parametrize("route", [CHANGE, ROTATE, REVOKE])
def test_a_change_is_refused_where_the_app_is_not_the_askers_any_more_when_its_turn_comes(route: str) -> None:
    class Admins(guards.BasicGuard):
        """Whoever asks is the app's admin."""

        def still(self, request: Request) -> guards.Still:
            return lambda app: app.auth_password == "tiger"

    guard = Admins(credentials(*SUPER))
    api = Admin(OPTIONS, Directory([app()]), Still(), Still(), guard)
    effect = ask(route, api=api, key=SECOND)
    assert isinstance(effect, ChangeApp)
    assert effect.edit(app()).key == KEY
    with pytest.raises(Refusal) as refused:
        effect.edit(replace(app(), auth_password="another"))
    assert refused.value.code == "unknown_app"
