"""The admin API over a real server: its routes do what they say, and what its OpenAPI document says of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from websockets.exceptions import InvalidStatus

from pushery.dialects.admin.openapi import document
from pushery.dialects.admin.rest import OPERATIONS
from tests.support.server import ADMIN, Answer, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    return server.register()


def ask(server: ServerProcess, method: str, path: str, body: object = None) -> Answer:
    """One request of the super admin."""
    data = None if body is None else json.dumps(body).encode()
    return server.request(method, f"/api/admin{path}", data, headers={"Content-Type": "application/json"})


def asked(server: ServerProcess, method: str, path: str, body: object = None, status: int = 200) -> Any:
    """What such a request is answered with."""
    answer = ask(server, method, path, body)
    assert answer.status == status, answer
    return answer.json


def can_connect(server: ServerProcess, key: str) -> bool:
    """Whether a client gets in with this key."""
    try:
        with server.client(TestApp(key, ADMIN), "A:1"):
            return True
    except InvalidStatus:
        return False


def test_an_app_lives_its_whole_life(server: ServerProcess) -> None:
    made = asked(server, "POST", "/apps", {"name": "shop", "auth_password": "secret"}, 201)
    key = made["app_key"]
    auth = ("shop", "secret")
    assert server.request("POST", f"/api/push/{key}", {"content": "x"}, auth).json["total"] == "0"
    changed = asked(
        server, "PATCH", f"/apps/{key}", {"name": "kiosk", "settings": {"max_batch": 20, "watchlist": True}}
    )
    assert (changed["name"], changed["settings"]["max_batch"], changed["settings"]["enabled"]) == ("kiosk", 20, True)
    changed = asked(server, "PATCH", f"/apps/{key}", {"settings": {"watchlist": None}})
    assert changed == asked(server, "GET", f"/apps/{key}")
    assert changed["settings"] == made["settings"] | {"max_batch": 20}
    listed = asked(server, "GET", "/apps?limit=1000")
    assert changed in listed["apps"]
    assert listed["total"] == len(listed["apps"])
    assert asked(server, "DELETE", f"/apps/{key}") == {"app_key": key}
    assert asked(server, "GET", f"/apps/{key}", status=404)["error"]["code"] == "unknown_app"


def test_a_setting_holds_from_the_answer_on(server: ServerProcess, app: TestApp) -> None:
    for enabled in (False, True, False):
        asked(server, "PATCH", f"/apps/{app.key}", {"settings": {"enabled": enabled}})
        answer = server.request("POST", f"/api/push/{app.key}", {"content": "x"}, app.auth)
        assert answer.status == (200 if enabled else 403)
        assert can_connect(server, app.key) == enabled


def test_keys_are_rotated_without_a_gap(server: ServerProcess, app: TestApp) -> None:
    new = asked(server, "POST", f"/apps/{app.key}/keys", status=201)["key"]
    assert can_connect(server, app.key)
    assert can_connect(server, new)
    left = asked(server, "DELETE", f"/apps/{app.key}/keys/{app.key}")
    assert [pair["key"] for pair in left["keys"]] == [new]
    assert not can_connect(server, app.key)
    assert can_connect(server, new)
    error = asked(server, "DELETE", f"/apps/{app.key}/keys/{new}", status=409)["error"]
    assert error["code"] == "last_key"
    for status in (201, 201, 201, 201, 409):
        asked(server, "POST", f"/apps/{new}/keys", status=status)


def test_nothing_of_a_change_is_made_when_a_part_of_it_is_wrong(server: ServerProcess, app: TestApp) -> None:
    before = asked(server, "GET", f"/apps/{app.key}")
    patch = {"name": "kiosk", "settings": {"max_batch": 20, "max_batches": 1, "cache_ttl": "long"}}
    error = asked(server, "PATCH", f"/apps/{app.key}", patch, 400)["error"]
    assert error["code"] == "invalid_settings"
    assert len(error["problems"]) == 2
    assert asked(server, "GET", f"/apps/{app.key}") == before


def test_changes_are_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ServerProcess(tmp_path_factory.mktemp("restarted")) as server:
        app = server.register()
        asked(server, "PATCH", f"/apps/{app.key}", {"settings": {"client_events": True}})
        asked(server, "POST", f"/apps/{app.key}/keys", status=201)
        before = asked(server, "GET", f"/apps/{app.key}")
        server.kill()
        server.start()
        assert asked(server, "GET", f"/apps/{app.key}") == before


def test_two_servers_on_one_registry_follow_each_other(
    server: ServerProcess, app: TestApp, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ServerProcess(tmp_path_factory.mktemp("other"), sqldir=server.settings["sqldir"]) as other:
        asked(other, "PATCH", f"/apps/{app.key}", {"settings": {"enabled": False}})
        wait_until(lambda: not can_connect(server, app.key), "the other server's change")


@pytest.fixture(scope="module")
def known(server: ServerProcess) -> str:
    """An app for requests that would otherwise find none."""
    return server.register("known").key


@schemathesis.openapi.from_dict(document(OPERATIONS)).parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_whatever_is_sent_is_answered_as_the_document_says(case: Any, server: ServerProcess, known: str) -> None:
    removes_the_app = (case.method, case.path) == ("DELETE", "/api/admin/apps/{app_key}")
    if case.path_parameters and not removes_the_app:  # a drawn key names no app, and all answers would be 404
        case.path_parameters = {**case.path_parameters, "app_key": known}
    case.call_and_validate(base_url=server.url, auth=ADMIN, checks=CHECKS)


def test_an_app_can_be_registered_with_settings(server: ServerProcess) -> None:
    body = {"name": "set up", "settings": {"client_events": True, "max_batch": 20}}
    made = ask(server, "POST", "/apps", body)
    assert made.status == 201
    shown = ask(server, "GET", f"/apps/{made.json['app_key']}").json["settings"]
    assert (shown["client_events"], shown["max_batch"], shown["watchlist"]) == (True, 20, False)
    refused = ask(server, "POST", "/apps", {"name": "odd", "settings": {"max_batch": 0}})
    assert (refused.status, refused.json["error"]["code"]) == (400, "invalid_settings")
