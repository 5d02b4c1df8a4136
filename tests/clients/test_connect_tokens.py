"""pusher-js with a connect token in its path: let in, held to its channels, and gone when the token expires."""

import time
from typing import Any

import pytest

from pushery.core.tokens import LEEWAY_S
from tests.clients.driver import Scene
from tests.clients.play import TRANSPORTS, Client, Play
from tests.clients.site import Account, Stage, register
from tests.core.minting import hs256

pytestmark = pytest.mark.process


def a_client(play: Play, account: Account, token: str) -> Client:
    """A client with its token where pusher-js lets it have one."""
    more: dict[str, Any] = {"wsPath": f"/token/{token}", "httpPath": f"/token/{token}"} if token else {}
    return play.client(account, more)


def an_account(stage: Stage, **settings: object) -> Account:
    account = register(stage.server, "tokens", require_token=True, **settings)
    stage.website.signers[account.key] = account.backend(stage.server.port)
    return account


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_token_lets_in_and_holds_to_its_channels(scene: Scene, set_stage: Stage, transport: str) -> None:
    account = an_account(set_stage)
    with Play(set_stage, scene, transport) as play:
        claims = {"exp": int(time.time()) + 600, "channels": ["news", "private-mine", "private-room-*"]}
        client = a_client(play, account, hs256(account.secret, claims))
        client.hear(event="connected")
        for channel in ("news", "private-mine", "private-room-7"):
            client.subscribe(channel)
            account.backend(set_stage.server.port).trigger(channel, "here", 1)
            assert client.event(channel, "here") == 1
        client.do("subscribe", channel="private-other")
        refused = client.event("private-other", "pusher:subscription_error")
        assert refused == {
            "type": "AuthError",
            "error": "The connect token does not allow subscribing to private-other",
            "status": 403,
        }


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("token", ["", "nonsense"])
def test_without_a_good_token_a_client_is_told_and_does_not_come_back(
    scene: Scene, set_stage: Stage, transport: str, token: str
) -> None:
    account = an_account(set_stage)
    with Play(set_stage, scene, transport) as play:
        client = a_client(play, account, token)
        error = client.hear(**{"from": "connection"}, event="error")["data"]
        assert error["code"] == 4009
        assert "connect token" in error["message"]
        client.hear(event="disconnected")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_whose_token_expires_is_told_and_does_not_come_back(
    scene: Scene, set_stage: Stage, transport: str
) -> None:
    account = an_account(set_stage)
    with Play(set_stage, scene, transport) as play:
        soon = time.time() - LEEWAY_S + 1.5
        client = a_client(play, account, hs256(account.secret, {"exp": soon}))
        client.hear(event="connected")
        error = client.hear(**{"from": "connection"}, event="error")["data"]
        assert (error["code"], error["message"]) == (4011, "connect token expired")
        client.hear(event="disconnected")
        assert client.do("state")["state"] == "disconnected"
