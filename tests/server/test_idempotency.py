"""A publish that is tried again is delivered once, in both dialects, and gets the answer that it got."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.support.server import Answer, ServerProcess, TestApp

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), fanout_slice=2) as running:
        yield running


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    return server.register()


def push(server: ServerProcess, app: TestApp, key: str, content: str, user_tag: str = "") -> Answer:
    fields = urlencode({"content": content, "user_tag": user_tag}).encode()
    headers = {"Idempotency-Key": key, "Content-Type": "application/x-www-form-urlencoded"}
    return server.request("POST", f"/api/push/{app.key}", fields, app.auth, headers)


def test_a_push_that_is_tried_again_is_delivered_once_and_answered_as_before(
    server: ServerProcess, app: TestApp
) -> None:
    with server.client(app, "A:1") as client:
        first = push(server, app, "one", "hello")
        with server.client(app, "A:2"):
            again = push(server, app, "one", "hello")
        assert first.body == again.body
        assert again.json["total"] == "1"
        push(server, app, "two", "the end")
        assert [client.recv(5), client.recv(5)] == ["hello", "the end"]


def test_a_broadcast_that_is_tried_again_is_delivered_once(server: ServerProcess, app: TestApp) -> None:
    with server.client(app, "1") as one, server.client(app, "2"), server.client(app, "3"):
        assert [push(server, app, "wide", "hello").json["total"] for _ in range(2)] == ["3", "3"]
        push(server, app, "last", "the end")
        assert [one.recv(5), one.recv(5)] == ["hello", "the end"]


def test_a_key_that_comes_with_another_push_is_refused(server: ServerProcess, app: TestApp) -> None:
    assert push(server, app, "k", "hello").status == 200
    for other in (push(server, app, "k", "bye"), push(server, app, "k", "hello", "A")):
        assert (other.status, other.json["error"]["code"]) == (422, "idempotency_key_reused")


def test_keys_of_one_app_mean_nothing_to_another(server: ServerProcess, app: TestApp) -> None:
    assert push(server, app, "k", "hello").status == 200
    assert push(server, server.register("other"), "k", "bye").status == 200


def test_a_push_that_was_refused_may_be_mended_under_its_key(server: ServerProcess, app: TestApp) -> None:
    assert push(server, app, "k", "hello", "(").status == 400
    assert push(server, app, "k", "hello", "A").status == 200


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
def test_what_is_no_key_is_refused(server: ServerProcess, app: TestApp, key: str) -> None:
    refused = push(server, app, key, "hello")
    assert (refused.status, refused.json["error"]["code"]) == (400, "invalid_idempotency_key")
