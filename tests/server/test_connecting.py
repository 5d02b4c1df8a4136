"""Who may connect, over real sockets: origins, connect tokens, connect hooks, and the age of signed requests."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery.core.tokens import LEEWAY_S
from tests.core.minting import hs256, signer
from tests.dialects.pusher.backend import signed
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until
from tests.workers.gatekeeper import Gatekeeper, a_gatekeeper

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), webhook_private_addresses=True) as server:
        yield server


def an_app(server: ServerProcess, **settings: object) -> TestApp:
    """An app with these settings."""
    body = json.dumps({"name": "test", "auth_account": "a", "auth_password": "b", "settings": settings}).encode()
    answer = server.request("POST", "/api/admin/apps", body, headers={"Content-Type": "application/json"})
    assert answer.status == 201, answer
    told = answer.json
    reply = {"app_id": told["app_id"], "secret": told["keys"][0]["secret"]}
    return TestApp(told["app_key"], ("a", "b"), reply)


@contextmanager
def client(server: ServerProcess, path: str, **options: Any) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}{path}", open_timeout=DEADLINE_S, **options) as socket:
        yield socket


def refused(server: ServerProcess, path: str, **options: Any) -> tuple[int, str]:
    """The status of a handshake that is refused, and the code of the error."""
    with pytest.raises(InvalidStatus) as caught, client(server, path, **options):
        raise AssertionError("it was let in")
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"]


def test_the_origin_is_looked_at_before_the_upgrade(server: ServerProcess) -> None:
    app = an_app(server, allowed_origins=["*.example.com"])
    path = f"/ws/{app.key}/A"
    assert refused(server, path, origin="https://evil.example") == (403, "origin_not_allowed")
    with client(server, path, origin="https://a.example.com"), client(server, path):
        wait_until(lambda: server.push(app, "x") == 2, "both clients")


def test_a_token_lets_in_with_its_tag_by_query_or_header(server: ServerProcess) -> None:
    key = signer("ES256")
    app = an_app(server, require_token=True, token_keys=[key.pem])
    path, exp = f"/ws/{app.key}/A:1", int(time.time()) + 600
    assert refused(server, path) == (401, "token_required")
    assert refused(server, f"{path}?token=x") == (401, "invalid_token")
    assert refused(server, f"{path}?token={key.token({'app': app.key, 'tag': 'A:2', 'exp': exp})}") == (
        403,
        "tag_not_allowed",
    )
    assert refused(server, f"{path}?token={hs256(app.reply['secret'], {'tag': 'A:1', 'exp': 1})}") == (
        401,
        "token_expired",
    )
    public = key.token({"app": app.key, "tag_pattern": "A:[0-9]", "exp": exp})
    secret = hs256(app.reply["secret"], {"tag": "A:1", "exp": exp})
    with (
        client(server, f"{path}?token={public}") as one,
        client(server, path, additional_headers={"Authorization": f"Bearer {secret}"}) as two,
    ):
        assert server.push(app, "hello", "^A:1$") == 2
        assert [socket.recv(timeout=DEADLINE_S) for socket in (one, two)] == ["hello", "hello"]
    for token in (public, secret):
        assert token not in server.log
        assert token.rpartition(".")[2] not in server.log


def test_a_socket_is_closed_when_its_token_expires(server: ServerProcess) -> None:
    app = an_app(server)
    token = hs256(app.reply["secret"], {"tag": "A:1", "exp": time.time() - LEEWAY_S + 1})
    with client(server, f"/ws/{app.key}/A:1?token={token}") as socket, client(server, f"/ws/{app.key}/A:2") as other:
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=DEADLINE_S)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4011, "connect token expired")
        wait_until(lambda: server.online(app) == ["A:2"], "the place to be free")
        other.ping().wait(DEADLINE_S)


def test_a_change_of_the_settings_holds_at_once_for_who_comes(server: ServerProcess) -> None:
    app = an_app(server)
    with client(server, f"/ws/{app.key}/A"):
        body = b'{"settings":{"require_token":true}}'
        headers = {"Content-Type": "application/merge-patch+json"}
        assert server.request("PATCH", f"/api/admin/apps/{app.key}", body, headers=headers).status == 200
        assert refused(server, f"/ws/{app.key}/A") == (401, "token_required")
        assert server.push(app, "x") == 1


# Hooks.


@pytest.fixture
def keeper() -> Iterator[Gatekeeper]:
    with a_gatekeeper() as keeper:
        yield keeper


def test_the_backend_of_an_app_says_who_may_connect(server: ServerProcess, keeper: Gatekeeper) -> None:
    fields = {
        "app_name": "n",
        "auth_account": "a",
        "auth_password": "b",
        "connect_hook": f"{keeper.url}/say",
    }
    answer = server.request("POST", "/api/register", fields)
    app = TestApp(answer.json["app_key"], ("a", "b"))
    before = server.metric('pushery_connect_hooks_total{outcome="admitted"}')
    with client(server, f"/ws/{app.key}/A%3A1?token=for%20A%3A1") as socket:
        assert server.push(app, "hello") == 1
        assert socket.recv(timeout=DEADLINE_S) == "hello"
    assert refused(server, f"/ws/{app.key}/A%3A1?token=for%20A%3A2") == (403, "not_admitted")
    assert refused(server, f"/ws/{app.key}/A%3A1") == (403, "not_admitted")
    assert server.metric('pushery_connect_hooks_total{outcome="admitted"}') == before + 1
    assert keeper.bodies == [b"token=for+A%3A1", b"token=for+A%3A2"]
    assert "for A:1" not in server.log
    assert "for+A" not in server.log


def test_an_app_may_go_while_its_backend_is_asked(server: ServerProcess, keeper: Gatekeeper) -> None:
    app = an_app(server, connect_hook=f"{keeper.url}/wait")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(refused, server, f"/ws/{app.key}/A?token=for%20A")
        wait_until(lambda: keeper.at_once.get("/wait"), "the question")
        assert server.request("DELETE", f"/api/{app.key}/unregister").status == 200
        keeper.release()
        assert asked.result(DEADLINE_S) == (404, "unknown_app")


def test_a_stop_does_not_wait_for_a_backend_that_hangs(tmp_path: Path, keeper: Gatekeeper) -> None:
    with ServerProcess(tmp_path, webhook_private_addresses=True, connect_hook_timeout=60) as server:
        app = an_app(server, connect_hook=f"{keeper.url}/hang")
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(refused, server, f"/ws/{app.key}/A?token=for%20A")
            wait_until(lambda: keeper.at_once.get("/hang"), "the question")
            assert server.push(app, "x") == 0
            started = time.monotonic()
            assert server.stop() == 0, server.said
            assert time.monotonic() - started < 8
            assert asked.result(DEADLINE_S) == (503, "stopping")


# The age of signed requests.


def test_how_old_a_signed_request_may_be_is_a_setting_that_reloads(server: ServerProcess) -> None:
    app = an_app(server)

    def status(age_s: int) -> int:
        path, at = f"/apps/{app.reply['app_id']}/channels", int(time.time()) - age_s
        request = signed("GET", path, secret=app.reply["secret"], key=app.key, timestamp=at)
        return server.request("GET", f"{path}?{request.query}", auth=None).status

    assert (status(0), status(60), status(700)) == (200, 200, 401)
    server.reload(signature_max_age=30)
    wait_until(lambda: status(60) == 401, "the reload")
    assert status(0) == 200
    server.reload(signature_max_age=600)
    wait_until(lambda: status(60) == 200, "the reload")
