"""The routes of pusher-js without WebSockets, as values."""

import pytest

from pushery.core.apps import Directory
from pushery.core.effects import OpenStream, Submit
from pushery.core.exchange import Refusal, Reply, Request
from pushery.dialects.pusher import PusherSockets, SocketOptions
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from tests.dialects.pusher.backend import StillClock

PARAMS = {"key": "K", "server": "812", "session": "k3j9ab0q"}


class Ids:
    """An `IdSource` that is not asked for more."""

    def socket_id(self) -> str:
        return "1.1"


def fallbacks() -> PusherFallbacks:
    """The routes, without any app."""
    sockets = PusherSockets(SocketOptions(100, 120), Directory([]), Ids(), StillClock())  # type: ignore[arg-type]
    return PusherFallbacks(sockets)


def request(body: bytes = b"") -> Request:
    """A request with a body."""
    return Request("POST", "/", "protocol=7", {}, body)


def test_every_path_takes_posts_and_preflights_behind_any_prefix() -> None:
    routes = fallbacks().routes()
    assert {route.method for route in routes} == {"POST", "OPTIONS"}
    assert len({route.path for route in routes}) == 3
    assert all(route.prefixed for route in routes)


def test_receiving_names_the_session_and_how_long_the_reply_lasts() -> None:
    for receive, lasting in ((fallbacks().stream, True), (fallbacks().poll, False)):
        outcome = receive(request(), PARAMS)
        assert isinstance(outcome, OpenStream)
        assert (outcome.name, outcome.lasting) == (("K", "812", "k3j9ab0q"), lasting)
        assert ("Access-Control-Allow-Origin", "*") in outcome.headers
        assert [type(effect).__name__ for effect in outcome.session().opened()] == ["CloseSocket"]


def test_sending_says_whether_there_is_a_session() -> None:
    outcome = fallbacks().send(request(b"[]"), PARAMS)
    assert isinstance(outcome, Submit)
    assert (outcome.name, outcome.body) == (("K", "812", "k3j9ab0q"), b"[]")
    replies = outcome.answer(True), outcome.answer(False), outcome.malformed("so")
    assert [reply.status for reply in replies] == [204, 404, 400]
    assert all(("Access-Control-Allow-Origin", "*") in reply.headers for reply in replies)
    assert all(reply.content_type == "text/plain" for reply in replies[1:])


@pytest.mark.parametrize(("server", "session"), [("1" * 11, "a"), ("", "a"), ("1", "a" * 65), ("1", "")])
def test_names_of_absurd_length_are_refused(server: str, session: str) -> None:
    params = {"key": "K", "server": server, "session": session}
    for route in (fallbacks().stream, fallbacks().poll, fallbacks().send):
        with pytest.raises(Refusal) as caught:
            route(request(b"[]"), params)
        assert caught.value.status == 400


def test_a_preflight_lets_any_page_send_json_without_credentials() -> None:
    reply = fallbacks().preflight(request(), PARAMS)
    assert isinstance(reply, Reply)
    headers = dict(reply.headers)
    assert reply.status == 204
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in headers
