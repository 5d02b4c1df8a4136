"""The server library `pusher` from PyPI: every method of it, and what it makes of our refusals."""

import itertools
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus
from websockets.exceptions import ConnectionClosed

from tests.clients.plain import PlainSocket, plain_socket
from tests.clients.site import Account, Stage

pytestmark = pytest.mark.process

_numbers = itertools.count(1)


@pytest.fixture
def backend(set_stage: Stage) -> Any:
    return set_stage.backend(set_stage.rich)


@pytest.fixture
def channel() -> str:
    return f"python-{next(_numbers)}"


@pytest.fixture
def client(set_stage: Stage) -> Iterator[PlainSocket]:
    with plain_socket(set_stage.server.port, set_stage.rich) as socket:
        yield socket


def another(stage: Stage) -> AbstractContextManager[PlainSocket]:
    return plain_socket(stage.server.port, stage.rich)


def test_trigger_reaches_one_channel_and_many(backend: Any, client: PlainSocket, channel: str) -> None:
    client.subscribe(channel)
    client.subscribe(f"{channel}-b")
    assert backend.trigger(channel, "one", {"text": 'é \\ " \u2028'}) == {}
    assert client.next() == (channel, "one", {"text": 'é \\ " \u2028'})
    assert backend.trigger([channel, f"{channel}-b", f"{channel}-unknown"], "many", [1]) == {}
    assert sorted([client.next(), client.next()]) == [(channel, "many", [1]), (f"{channel}-b", "many", [1])]


def test_trigger_leaves_the_named_socket_out(backend: Any, client: PlainSocket, channel: str, set_stage: Stage) -> None:
    with another(set_stage) as other:
        for socket in (client, other):
            socket.subscribe(channel)
        backend.trigger(channel, "mine", 1, client.id)
        backend.trigger(channel, "end", 2)
        assert client.next() == (channel, "end", 2)
        assert other.next() == (channel, "mine", 1)


def test_trigger_batch_keeps_the_order(backend: Any, client: PlainSocket, channel: str) -> None:
    client.subscribe(channel)
    batch = [{"channel": channel, "name": f"e{n}", "data": {"n": n}} for n in range(10)]
    assert backend.trigger_batch(batch) == {}
    assert [client.next() for _ in range(10)] == [(channel, f"e{n}", {"n": n}) for n in range(10)]


def test_encrypted_events_pass_through_unread(backend: Any, client: PlainSocket, channel: str) -> None:
    sealed = f"private-encrypted-{channel}"
    signed = backend.authenticate(sealed, client.id)
    client.subscribe(sealed, signed)
    backend.trigger(sealed, "secret", {"n": 1})
    _, event, data = client.next()
    assert event == "secret"
    assert set(data) == {"nonce", "ciphertext"}


def test_channels_info_lists_what_is_occupied(backend: Any, client: PlainSocket, channel: str) -> None:
    client.subscribe(channel)
    presence = f"presence-{channel}"
    client.subscribe(presence, backend.authenticate(presence, client.id, {"user_id": "u1"}))
    assert backend.channels_info(prefix_filter=channel)["channels"] == {channel: {}}
    counted = backend.channels_info(prefix_filter=presence, attributes=["user_count"])
    assert counted["channels"] == {presence: {"user_count": 1}}
    with pytest.raises(PusherBadRequest, match="user_count may only be requested for presence channels"):
        backend.channels_info(attributes=["user_count"])


def test_channel_info_tells_of_one(backend: Any, client: PlainSocket, channel: str) -> None:
    assert backend.channel_info(channel)["occupied"] is False
    client.subscribe(channel)
    assert backend.channel_info(channel, ["subscription_count"]) == {"occupied": True, "subscription_count": 1}
    with pytest.raises(PusherBadRequest, match="Cannot retrieve the user count"):
        backend.channel_info(channel, ["user_count"])
    presence = f"presence-{channel}"
    client.subscribe(presence, backend.authenticate(presence, client.id, {"user_id": 5}))
    assert backend.channel_info(presence, ["user_count"]) == {"occupied": True, "user_count": 1}


def test_users_info_names_the_members(backend: Any, client: PlainSocket, channel: str) -> None:
    presence = f"presence-{channel}"
    assert backend.users_info(presence) == {"users": []}
    client.subscribe(presence, backend.authenticate(presence, client.id, {"user_id": 5, "user_info": {"n": "é"}}))
    assert backend.users_info(presence) == {"users": [{"id": "5"}]}
    with pytest.raises(PusherBadRequest, match="Users can only be retrieved for presence channels"):
        backend.users_info(channel)


def test_a_user_signs_in_is_sent_to_and_put_out(backend: Any, client: PlainSocket, channel: str) -> None:
    user = f"user-{channel}"
    client.send("pusher:signin", backend.authenticate_user(client.id, {"id": user, "user_info": {"n": "é"}}))
    client.frame("pusher:signin_success")
    client.subscribe(f"#server-to-user-{user}")
    assert backend.send_to_user(user, "hello", {"n": 1}) == {}
    assert client.next() == (f"#server-to-user-{user}", "hello", {"n": 1})
    assert backend.terminate_user_connections(user) == {}
    with pytest.raises((ConnectionClosed, AssertionError), match="4009"):
        client.frame("nothing")


def test_a_wrong_secret_is_bad_authentication(set_stage: Stage, channel: str) -> None:
    rich = set_stage.rich
    with pytest.raises(PusherBadAuth, match="Invalid signature"):
        set_stage.backend(Account(rich.id, rich.key, "wrong")).trigger(channel, "e", 1)
    with pytest.raises(PusherBadAuth, match="Unknown auth_key"):
        set_stage.backend(Account(rich.id, "0" * 32, rich.secret)).trigger(channel, "e", 1)


def test_too_much_is_refused_with_what_the_library_can_tell(backend: Any, channel: str) -> None:
    with pytest.raises(PusherBadStatus, match="413: The data content of this event exceeds the allowed maximum"):
        backend.trigger(channel, "large", "x" * 10_241)
    with pytest.raises(PusherBadRequest, match=r"Batch too large \(11 > 10\)"):
        backend.trigger_batch([{"channel": channel, "name": "e", "data": "{}"} for _ in range(11)])


def test_signatures_of_webhooks_are_checked(backend: Any, set_stage: Stage) -> None:
    body = json.dumps({"time_ms": 1, "events": []})
    assert backend.validate_webhook(set_stage.rich.key, "0" * 64, body) is None
