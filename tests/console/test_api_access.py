"""Who may ask the console's API for what: sessions, the CSRF word, own apps and those of others."""

import socket
from contextlib import closing

import pytest

from pushery import __version__
from tests.console.signedin import Visitor, refusal
from tests.support.server import ADMIN, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

KEY = "{key}"
LOOKS = [
    "/apps/{key}",
    "/apps/{key}/now",
    "/apps/{key}/channels",
    "/apps/{key}/channels/news",
    "/apps/{key}/tags",
    "/apps/{key}/sockets",
    "/apps/{key}/sockets/1.1",
    "/apps/{key}/dead-letters",
]
CHANGES = [
    ("PATCH", "/apps/{key}"),
    ("POST", "/apps/{key}/keys"),
    ("DELETE", "/apps/{key}/keys/{key}"),
    ("DELETE", "/apps/{key}/sockets/1.1"),
    ("POST", "/apps/{key}/push"),
    ("POST", "/apps/{key}/events"),
    ("POST", "/apps/{key}/dead-letters/replay"),
    ("POST", "/apps/{key}/dead-letters/drop"),
]
OF_APPS = [*(("GET", path) for path in LOOKS), *CHANGES]
OF_OPERATORS = [("GET", "/overview"), ("POST", "/apps"), ("DELETE", "/apps/{key}")]
OF_ALL = [("GET", "/me"), ("GET", "/schema"), ("GET", "/apps")]
EVERY = [*OF_APPS, *OF_OPERATORS, *OF_ALL]


@pytest.fixture(scope="module")
def shop(shared: ServerProcess) -> TestApp:
    """The app of whoever looks."""
    return shared.register("shop", ("scott", "tiger"))


@pytest.fixture(scope="module")
def other(shared: ServerProcess) -> TestApp:
    """Somebody else's."""
    return shared.register("other", ("other", "secret"))


@pytest.fixture(scope="module")
def operator(shared: ServerProcess) -> Visitor:
    return Visitor(shared)


@pytest.fixture(scope="module")
def scott(shared: ServerProcess, shop: TestApp, other: TestApp) -> Visitor:
    """The admin of the shop."""
    return Visitor(shared, shop.auth)


@pytest.mark.parametrize(("method", "path"), EVERY)
@pytest.mark.parametrize("key", ["shop", "0" * 32])
def test_without_a_session_nothing_is_told_not_even_what_exists(
    shared: ServerProcess, shop: TestApp, method: str, path: str, key: str
) -> None:
    path = path.replace(KEY, shop.key if key == "shop" else key)
    assert refusal(shared.request(method, f"/console/api{path}", auth=None)) == (401, "unauthorized")
    headers = {"Cookie": "pushery_console=" + "0" * 40}
    assert refusal(shared.request(method, f"/console/api{path}", None, None, headers)) == (401, "unauthorized")


def test_passwords_are_for_the_sign_in_form_alone(shared: ServerProcess) -> None:
    assert refusal(shared.request("GET", "/console/api/me")) == (401, "unauthorized")


@pytest.mark.parametrize(("method", "path"), [each for each in EVERY if each[0] != "GET"])
@pytest.mark.parametrize("word", ["", "0" * 40])
def test_nothing_is_changed_without_the_word_of_the_session(
    operator: Visitor, shop: TestApp, method: str, path: str, word: str
) -> None:
    answer = operator.ask(method, path.replace(KEY, shop.key), {}, csrf=word)
    assert refusal(answer) == (403, "csrf_token_missing")
    assert operator.get(f"/apps/{shop.key}").status == 200


@pytest.mark.parametrize(("method", "path"), OF_APPS)
def test_the_apps_of_others_are_not_there_for_an_apps_admin(
    scott: Visitor, other: TestApp, method: str, path: str
) -> None:
    theirs, nobodys = (scott.ask(method, path.replace(KEY, key), {}) for key in (other.key, "0" * 32))
    assert refusal(theirs) == (404, "unknown_app")
    assert theirs.json == nobodys.json


@pytest.mark.parametrize("path", LOOKS)
def test_an_apps_admin_sees_his_own_app(scott: Visitor, shop: TestApp, path: str) -> None:
    answer = scott.get(path.replace(KEY, shop.key))
    assert answer.status == (404 if path.endswith("1.1") else 200)


@pytest.mark.parametrize(("method", "path"), OF_OPERATORS)
def test_what_is_for_operators_is_refused_to_an_apps_admin(
    scott: Visitor, shop: TestApp, method: str, path: str
) -> None:
    assert refusal(scott.ask(method, path.replace(KEY, shop.key), {"name": "x"})) == (403, "operators_only")


def test_an_apps_admin_can_change_features_and_not_how_much_the_app_may_use(scott: Visitor, shop: TestApp) -> None:
    path = f"/apps/{shop.key}"
    assert scott.done("PATCH", path, {"settings": {"client_events": True}})["settings"]["client_events"]
    for settings in ({"max_connections": 7}, {"client_events": False, "enabled": True}, None):
        assert refusal(scott.ask("PATCH", path, {"settings": settings})) == (403, "operators_only")
    assert scott.seen(path)["settings"]["client_events"], "half of a change is not made"


def test_everybody_is_told_who_they_are(operator: Visitor, scott: Visitor, shop: TestApp) -> None:
    me = operator.seen("/me")
    assert me == {
        "account": ADMIN[0],
        "operator": True,
        "csrf": operator.csrf,
        "version": __version__,
        "client_port": None,
        "tls": False,
        "apps": [],
        "app_prefix": "",
    }
    his = scott.seen("/me")
    assert (his["account"], his["operator"], his["apps"]) == ("scott", False, [shop.key])
    assert his["csrf"] != me["csrf"]


def test_where_clients_have_an_address_of_their_own_its_port_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    listening = {"listen": f"127.0.0.1:{port}", "admin_listen": "127.0.0.1:0"}
    with ServerProcess(tmp_path_factory.mktemp("doors"), **listening) as server:
        assert server.request("GET", "/console/api/me", auth=None, port=server.port).status == 404
        assert Visitor(server).seen("/me")["client_port"] == port


def test_the_overview_is_the_last_minutes_of_the_server(operator: Visitor) -> None:
    readings = wait_until(lambda: operator.seen("/overview")["readings"], "the first reading")
    assert {"at_ms", "connections", "pushes_per_s", "p99_ms", "totals"} <= readings[0].keys()
