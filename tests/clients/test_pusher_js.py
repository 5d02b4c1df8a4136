"""pusher-js in Node, over WebSocket and both of its HTTP fallbacks."""

from collections.abc import Callable

import pytest

from tests.clients.driver import Scene
from tests.clients.play import TRANSPORTS, Play
from tests.clients.scenarios import SCENARIOS, a_restart
from tests.clients.site import Stage

pytestmark = pytest.mark.process


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_client_sees_what_it_must(
    scene: Scene, set_stage: Stage, transport: str, scenario: Callable[[Play], None]
) -> None:
    with Play(set_stage, scene, transport) as play:
        scenario(play)


def test_clients_come_back_when_the_server_does(scene: Scene, own_stage: Stage) -> None:
    a_restart(own_stage, scene)


def test_a_path_in_front_is_accepted(scene: Scene, set_stage: Stage) -> None:
    with Play(set_stage, scene, "ws") as play:
        channel = play.name("prefixed-")
        client = play.connected(more={"wsPath": "/some/where"})
        client.subscribe(channel)
        play.backend.trigger(channel, "here", 1)
        assert client.event(channel, "here") == 1


def test_a_client_whose_websocket_is_blocked_falls_back_by_itself(scene: Scene, set_stage: Stage) -> None:
    with Play(set_stage, scene, "fallback") as play:
        channel = play.name("fallback-")
        website = set_stage.website.server.server_address[1]
        more = {"enabledTransports": ["ws", "xhr_streaming", "xhr_polling"], "wsPort": website}
        client = play.connected(more=more)
        client.subscribe(channel)
        play.backend.trigger(channel, "here", 1)
        assert client.event(channel, "here") == 1
