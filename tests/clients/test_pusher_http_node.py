"""The server library `pusher` of npm: every method of it, and what it makes of our refusals."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.driver import NodeHost
from tests.clients.plain import PlainSocket, plain_socket
from tests.clients.site import MASTER_KEY, Account, Stage
from tests.support.server import wait_until

pytestmark = pytest.mark.process

_numbers = itertools.count(1)


class Backend:
    """One Pusher object of the library."""

    def __init__(self, host: NodeHost, account: Account, port: int) -> None:
        self._host = host
        self._options = {
            "appId": account.id,
            "key": account.key,
            "secret": account.secret,
            "host": "127.0.0.1",
            "port": port,
            "encryptionMasterKeyBase64": MASTER_KEY,
        }

    def request(self, method: str, *args: Any) -> tuple[int, Any]:
        """Call a method that asks the server; status and body, which is decoded when all is well."""
        reply = self._host.perform({"do": "request", "options": self._options, "method": method, "args": args})
        return reply["status"], json.loads(reply["body"]) if reply["status"] == 200 else reply["body"]

    def get(self, path: str, **params: str) -> tuple[int, Any]:
        """Ask for something below the app."""
        return self.request("get", {"path": path, "params": params})

    def sign(self, method: str, *args: Any) -> dict[str, str]:
        """Call a method that only signs."""
        signed: dict[str, str] = self._host.perform(
            {"do": "sign", "options": self._options, "method": method, "args": args}
        )
        return signed


@pytest.fixture
def backend(set_stage: Stage, node_backend: NodeHost) -> Backend:
    return Backend(node_backend, set_stage.rich, set_stage.server.port)


@pytest.fixture
def channel() -> str:
    return f"npm-{next(_numbers)}"


@pytest.fixture
def client(set_stage: Stage) -> Iterator[PlainSocket]:
    with plain_socket(set_stage.server.port, set_stage.rich) as socket:
        yield socket


def test_trigger_reaches_channels_and_leaves_a_socket_out(
    backend: Backend, client: PlainSocket, channel: str, set_stage: Stage
) -> None:
    with plain_socket(set_stage.server.port, set_stage.rich) as other:
        for socket in (client, other):
            socket.subscribe(channel)
        assert backend.request("trigger", channel, "all", {"text": "é 你好"}) == (200, {})
        assert backend.request("trigger", [channel, "x"], "others", [1], {"socket_id": client.id}) == (200, {})
        assert backend.request("trigger", channel, "end", 0) == (200, {})
        assert [client.next(), client.next()] == [(channel, "all", {"text": "é 你好"}), (channel, "end", 0)]
        assert [other.next(), other.next()] == [(channel, "all", {"text": "é 你好"}), (channel, "others", [1])]


def test_trigger_tells_what_it_was_asked_for(backend: Backend, client: PlainSocket, channel: str) -> None:
    presence = f"presence-{channel}"
    client.subscribe(channel)
    client.subscribe(presence, backend.sign("authorizeChannel", client.id, presence, {"user_id": "a"}))
    asked = {"info": "user_count,subscription_count"}
    status, body = backend.request("trigger", [channel, presence, "npm-empty"], "e", {}, asked)
    assert status == 200
    assert body["channels"][channel] == {"subscription_count": 1}
    assert body["channels"][presence]["user_count"] == 1
    assert body["channels"]["npm-empty"] == {"subscription_count": 0}


def test_trigger_batch_keeps_the_order_and_tells_what_it_was_asked_for(
    backend: Backend, client: PlainSocket, channel: str
) -> None:
    client.subscribe(channel)
    batch = [{"channel": channel, "name": f"e{n}", "data": {"n": n}} for n in range(10)]
    assert backend.request("triggerBatch", batch) == (200, {})
    assert [client.next() for _ in range(10)] == [(channel, f"e{n}", {"n": n}) for n in range(10)]
    asked = [{"channel": channel, "name": "i", "data": "{}", "info": "subscription_count"}]
    plain = [{"channel": channel, "name": "p", "data": "{}"}]
    assert backend.request("triggerBatch", asked + plain) == (200, {"batch": [{"subscription_count": 1}, {}]})


def test_encrypted_events_pass_through_unread(backend: Backend, client: PlainSocket, channel: str) -> None:
    sealed = f"private-encrypted-{channel}"
    client.subscribe(sealed, backend.sign("authorizeChannel", client.id, sealed))
    assert backend.request("trigger", sealed, "secret", {"n": 1}) == (200, {})
    assert set(client.next()[2]) == {"nonce", "ciphertext"}


def test_get_tells_of_channels_and_users(backend: Backend, client: PlainSocket, channel: str) -> None:
    presence = f"presence-{channel}"
    client.subscribe(channel)
    client.subscribe(presence, backend.sign("authorizeChannel", client.id, presence, {"user_id": 7}))
    assert backend.get("/channels", filter_by_prefix=channel) == (200, {"channels": {channel: {}}})
    counted = backend.get("/channels", filter_by_prefix=presence, info="user_count")
    assert counted == (200, {"channels": {presence: {"user_count": 1}}})
    one = backend.get(f"/channels/{channel}", info="subscription_count")
    assert one == (200, {"occupied": True, "subscription_count": 1})
    assert backend.get(f"/channels/{presence}/users") == (200, {"users": [{"id": "7"}]})
    status, body = backend.get(f"/channels/{channel}/users")
    assert (status, body.strip()) == (400, "Users can only be retrieved for presence channels")


def test_get_tells_what_a_cache_channel_holds(backend: Backend, channel: str) -> None:
    cached = f"cache-{channel}"
    assert backend.get(f"/channels/{cached}", info="cache") == (200, {"occupied": False, "cache": None})
    backend.request("trigger", cached, "price", {"now": 3})
    status, body = backend.get(f"/channels/{cached}", info="cache")
    assert status == 200
    assert json.loads(body["cache"]["data"])
    assert 0 < body["cache"]["ttl"] <= 1800


def test_a_user_signs_in_is_sent_to_and_put_out(backend: Backend, client: PlainSocket, set_stage: Stage) -> None:
    user = f"npm user/{next(_numbers)}"
    client.send("pusher:signin", backend.sign("authenticateUser", client.id, {"id": user}))
    client.frame("pusher:signin_success")
    client.subscribe(f"#server-to-user-{user}")
    assert backend.request("sendToUser", user, "hello", {"n": 1}) == (200, {})
    assert client.next() == (f"#server-to-user-{user}", "hello", {"n": 1})
    assert backend.request("terminateUserConnections", user) == (200, {})
    with pytest.raises(Exception, match="4009"):
        client.frame("nothing")


def test_refusals_come_with_status_and_text(
    backend: Backend, node_backend: NodeHost, channel: str, set_stage: Stage
) -> None:
    rich = set_stage.rich
    forged = Backend(node_backend, Account(rich.id, rich.key, "wrong"), set_stage.server.port)
    status, body = forged.request("trigger", channel, "e", {})
    assert status == 401
    assert body.startswith("Invalid signature: you should have sent HmacSHA256Hex(")
    status, body = backend.request("trigger", channel, "large", "x" * 10_241)
    assert status == 413
    assert "content of this event" in body


def test_a_signed_query_string_of_its_own_is_accepted(backend: Backend, set_stage: Stage) -> None:
    path = f"/apps/{set_stage.rich.id}/channels"
    query = backend.sign(
        "createSignedQueryString", {"method": "GET", "path": path, "params": {"filter_by_prefix": "x"}}
    )
    answer = set_stage.server.request("GET", f"{path}?{query}", auth=None)
    assert answer.status == 200, answer
    assert wait_until(lambda: answer.json, "the answer") == {"channels": {}}
