"""What a Pusher client must see, told once: each function is played with pusher-js in Node and in a browser, over all
of its transports. A scenario uses channels and users of its own, so that many can be played on one server.
"""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.clients.driver import Scene
from tests.clients.play import SUCCEEDED, TRANSPORTS, Play
from tests.clients.site import Account, Stage

FAILED = "pusher:subscription_error"


def public_channels(play: Play) -> None:
    """Events reach exactly the subscribers, as they were published, but not the socket that is left out."""
    news, sport = play.name("news-"), play.name("sport-")
    first, second = play.connected(), play.connected()
    first.subscribe(news)
    first.subscribe(sport)
    second.subscribe(news)
    play.backend.trigger([news, sport], "both", {"text": "héllo 你好 🙂", "n": [1, None, {}]})
    for client, channel in ((first, news), (first, sport), (second, news)):
        assert client.event(channel, "both") == {"text": "héllo 你好 🙂", "n": [1, None, {}]}
    play.backend.trigger(news, "App\\Events\\Order: shipped", "plain text")
    assert first.event(news, "App\\Events\\Order: shipped") == "plain text"
    play.backend.trigger(news, "not for all", 1, first.socket_id)
    play.backend.trigger(news, "end", 0)
    assert second.event(news, "not for all") == 1
    assert first.event(news, "end") == 0
    assert first.heard(event="not for all") == []


def unsubscribing(play: Play) -> None:
    """After an unsubscribe nothing comes, after the next subscribe everything does."""
    channel, other = play.name("come-"), play.name("go-")
    client = play.connected()
    client.subscribe(channel)
    client.subscribe(other)
    client.do("unsubscribe", channel=channel)
    client.subscribe(play.name("barrier-"))
    play.backend.trigger([channel, other], "while away", "x")
    assert client.event(other, "while away") == "x"
    client.subscribe(channel)
    play.backend.trigger(channel, "back", "y")
    assert client.event(channel, "back") == "y"
    assert client.heard(channel=channel, event="while away") == []
    for _ in range(5):
        client.do("unsubscribe", channel=channel)
        client.subscribe(channel)
    play.backend.trigger(channel, "once", "z")
    play.backend.trigger(channel, "end", "z")
    assert client.event(channel, "once") == "z"
    assert client.event(channel, "end") == "z"
    assert client.heard(channel=channel, event="once") == []
    assert client.heard(event="error") == []


def private_channels(play: Play) -> None:
    """A signature opens a private channel; a wrong one is told to the channel with 401 and disturbs nothing else."""
    channel = play.name("private-a-")
    good, forged, denied = play.connected(), play.connected(tamper=1), play.connected(deny=1)
    good.subscribe(channel)
    forged.do("subscribe", channel=channel)
    error = forged.event(channel, FAILED)
    assert (error["type"], error["status"]) == ("AuthError", 401), error
    denied.do("subscribe", channel=channel)
    assert denied.event(channel, FAILED)["status"] == 403
    public = play.name("still-works-")
    forged.subscribe(public)
    play.backend.trigger([channel, public], "secret", {"n": 1})
    assert good.event(channel, "secret") == {"n": 1}
    assert forged.event(public, "secret") == {"n": 1}
    assert forged.heard(channel=channel, event="secret") == []
    assert forged.do("state")["state"] == "connected"


def presence_channels(play: Play) -> None:
    """Users are counted, not sockets; ids keep their type; who comes and goes is told to the others once."""
    channel = play.name("presence-room-")
    first = play.connected(user={"user_id": 7, "user_info": {"name": "Sæv"}})
    again = play.connected(user={"user_id": 7, "user_info": {"name": "Sæv"}})
    other = play.connected(user={"user_id": "b", "user_info": {"name": "Bo"}})
    assert first.subscribe(channel)["data"] == {"count": 1}
    assert again.subscribe(channel)["data"] == {"count": 1}
    assert other.subscribe(channel)["data"] == {"count": 2}
    members = other.do("members", channel=channel)
    assert members["count"] == 2
    assert members["me"] == {"id": "b", "info": {"name": "Bo"}}
    assert {str(member["id"]): member["info"] for member in members["all"]} == {
        "7": {"name": "Sæv"},
        "b": {"name": "Bo"},
    }
    assert first.do("members", channel=channel)["me"]["info"] == {"name": "Sæv"}
    for client in (first, again):
        assert client.event(channel, "pusher:member_added") == {"id": "b", "info": {"name": "Bo"}}
        assert client.do("members", channel=channel)["count"] == 2
    assert play.backend.users_info(channel)["users"] == [{"id": "7"}, {"id": "b"}]
    first.do("unsubscribe", channel=channel)
    other.do("unsubscribe", channel=channel)
    assert again.event(channel, "pusher:member_removed") == {"id": "b", "info": {"name": "Bo"}}
    other.subscribe(channel)
    assert other.heard(channel=channel, event="pusher:member_removed") == []
    again.do("unsubscribe", channel=channel)
    assert other.event(channel, "pusher:member_removed")["info"] == {"name": "Sæv"}
    assert first.heard(channel=channel, event="pusher:member_added") == []
    again.subscribe(channel)
    assert other.event(channel, "pusher:member_added") == {"id": 7, "info": {"name": "Sæv"}}


def encrypted_channels(play: Play) -> None:
    """What is encrypted on its way through the server is readable at its end."""
    for prefix in ("private-encrypted-", "private-encrypted-cache-"):
        channel = play.name(prefix)
        client = play.connected()
        client.subscribe(channel)
        play.backend.trigger(channel, "sealed", {"for": "your eyes"})
        assert client.event(channel, "sealed") == {"for": "your eyes"}


def cache_channels(play: Play) -> None:
    """The last event is kept for those who come later; who comes too early is told so."""
    channel = play.name("cache-price-")
    early, late = play.connected(), play.connected()
    early.subscribe(channel)
    early.event(channel, "pusher:cache_miss")
    for price in (1, 2, 3):
        play.backend.trigger(channel, "price", {"now": price})
    assert [early.event(channel, "price")["now"] for _ in range(3)] == [1, 2, 3]
    late.subscribe(channel)
    assert late.event(channel, "price") == {"now": 3}
    play.backend.trigger(channel, "end", 0)
    assert late.event(channel, "end") == 0
    assert late.heard(channel=channel, event="price") == []
    assert late.heard(event="pusher:cache_miss") == []


def client_events(play: Play) -> None:
    """A client event reaches the others, tells on presence channels who sent it, and is not sent back."""
    channel, room = play.name("private-talk-"), play.name("presence-talk-")
    sender = play.connected(user={"user_id": 7})
    other = play.connected(user={"user_id": "b"})
    for client in (sender, other):
        client.subscribe(channel, "client-typing")
        client.subscribe(room, "client-typing")
    assert sender.do("trigger", channel=channel, event="client-typing", data={"on": True}) is True
    assert other.hear(**{"from": "bound"}, channel=channel)["data"] == {"on": True}
    sender.do("trigger", channel=room, event="client-typing", data={"on": False})
    bound = other.hear(**{"from": "bound"}, channel=room)
    assert (bound["data"], bound["meta"]) == ({"on": False}, {"user_id": "7"})
    play.backend.trigger(room, "end", 0)
    sender.event(room, "end")
    assert sender.heard(event="client-typing") == []
    assert sender.heard(event="error") == []


def client_events_that_are_off(play: Play) -> None:
    """An app that has not switched client events on answers with an error, and the connection stays."""
    channel = play.name("private-mute-")
    client = play.connected(play.stage.plain)
    client.subscribe(channel)
    client.do("trigger", channel=channel, event="client-typing", data={})
    error = client.hear(**{"from": "connection"}, event="error")["data"]
    assert "client events" in error["message"], error
    play.stage.backend(play.stage.plain).trigger(channel, "end", 0)
    assert client.event(channel, "end") == 0


def client_events_too_fast(play: Play) -> None:
    """What is too much is dropped and told with 4301; the rest arrives, and the connection stays."""
    channel = play.name("private-fast-")
    sender, other = play.connected(), play.connected()
    for client in (sender, other):
        client.subscribe(channel)
    for number in range(40):
        sender.do("trigger", channel=channel, event="client-move", data=number)
    assert sender.hear(**{"from": "connection"}, event="error")["data"]["code"] == 4301
    moves = [other.event(channel, "client-move") for _ in range(10)]
    if play.transport == "ws":
        assert moves == list(range(10))
    else:  # a browser sends several requests at once, over several connections
        assert len(set(moves)) == 10
    play.backend.trigger(channel, "end", 0)
    assert sender.event(channel, "end") == 0


def subscription_counts(play: Play) -> None:
    """Everybody on a channel hears how many they are."""
    channel = play.name("counted-")
    first, second = play.connected(), play.connected()
    first.subscribe(channel)
    assert first.event(channel, "pusher:subscription_count") == {"subscription_count": 1}
    second.subscribe(channel)
    assert first.event(channel, "pusher:subscription_count") == {"subscription_count": 2}
    assert second.event(channel, "pusher:subscription_count") == {"subscription_count": 2}
    second.do("unsubscribe", channel=channel)
    assert first.event(channel, "pusher:subscription_count") == {"subscription_count": 1}
    assert first.do("channel", channel=channel) == {"subscribed": True, "count": 1}


def signing_in(play: Play) -> None:
    """A signed-in user gets what is sent to it on all its sockets, sees whom it watches, and can be put out."""
    anna, bert = play.name("anna-"), play.name("bert-")
    first = play.connected(user={"id": anna, "user_info": {"n": 1}, "watchlist": [bert]})
    second = play.connected(user={"id": anna, "user_info": {"n": 1}, "watchlist": [bert]})
    for client in (first, second):
        client.do("signin")
        client.hear(event="pusher:signin_success")
        assert client.hear(**{"from": "watchlist"})["data"] == {"name": "offline", "user_ids": [bert]}
    other = play.connected(user={"id": bert})
    other.do("signin")
    other.hear(event="pusher:signin_success")
    for client in (first, second):
        assert client.hear(**{"from": "watchlist"})["data"] == {"name": "online", "user_ids": [bert]}
    for client in (first, second):
        client.subscribe(play.name("barrier-"))
    play.backend.send_to_user(anna, "greeting", {"hello": "Anna"})
    for client in (first, second):
        assert client.hear(**{"from": "user"}, event="greeting")["data"] == {"hello": "Anna"}
    stranger = play.connected()
    play.backend.terminate_user_connections(anna)
    for client in (first, second):
        client.hear(**{"from": "connection"}, event="disconnected")
    stranger.subscribe(play.name("barrier-"))


def going_away(play: Play) -> None:
    """Who disconnects is gone for everybody: at once by WebSocket, by HTTP when it has not asked for a while."""
    room, anna = play.name("presence-gone-"), play.name("anna-")
    stays = play.connected(user={"id": play.name("bert-"), "watchlist": [anna], "user_id": "b"})
    goes = play.connected(user={"id": anna, "user_id": "a"})
    for client in (stays, goes):
        client.do("signin")
        client.hear(event="pusher:signin_success")
        client.subscribe(room)
    stays.event(room, "pusher:member_added")
    goes.do("disconnect")
    assert stays.event(room, "pusher:member_removed")["id"] == "a"
    assert stays.hear(**{"from": "watchlist"}, event="offline")["data"]["user_ids"] == [anna]
    assert play.backend.users_info(room)["users"] == [{"id": "b"}]


def signing_in_with_a_forged_signature(play: Play) -> None:
    """The server refuses it."""
    client = play.connected(user={"id": play.name("eve-")}, tamper=1)
    client.do("signin")
    error = client.hear(**{"from": "connection"}, event="error")["data"]
    assert error["code"] == 4009, error
    assert client.heard(event="pusher:signin_success") == []


def presence_of_a_signed_in_user(play: Play) -> None:
    """Who has signed in is a presence member under that name when the endpoint gives no other."""
    user, channel = play.name("user-"), play.name("presence-signed-")
    client = play.connected(user={"id": user, "user_info": {"name": "Cleo"}}, bare=1)
    client.do("signin")
    client.hear(event="pusher:signin_success")
    client.subscribe(channel)
    assert client.do("members", channel=channel)["me"] == {"id": user, "info": {"name": "Cleo"}}


def a_flood(play: Play) -> None:
    """More than a streaming response may hold arrives complete, in order, and once."""
    channel = play.name("flood-")
    client = play.connected()
    client.subscribe(channel)
    for number in range(4):
        play.backend.trigger_batch(
            [
                {"channel": channel, "name": "drop", "data": {"n": number * 10 + n, "fill": "x" * 9000}}
                for n in range(10)
            ]
        )
    assert [client.event(channel, "drop")["n"] for _ in range(40)] == list(range(40))
    play.backend.trigger(channel, "end", 0)
    assert client.event(channel, "end") == 0
    assert client.heard(channel=channel, event="drop") == []


def silence(play: Play) -> None:
    """A client that asks whether the server is there gets an answer, as often as it asks, and no more than that."""
    client = play.connected(more={"activityTimeout": 50, "pongTimeout": 1000})
    before = play.stage.server.metric("pushery_http_requests_total")
    with pytest.raises(AssertionError, match="waited"):
        client.hear(**{"from": "connection"}, deadline_s=1.5)
    assert play.stage.server.metric("pushery_http_requests_total") - before < 120
    client.subscribe(play.name("after-"))


def an_unknown_key(play: Play) -> None:
    """The client is told with 4001 and does not come again."""
    stranger = Account("1", "0123456789abcdef0123456789abcdef", "no secret")
    client = play.client(stranger)
    assert client.hear(**{"from": "connection"}, event="error")["data"]["code"] == 4001
    client.hear(**{"from": "connection"}, event="disconnected")


SCENARIOS: tuple[Callable[[Play], None], ...] = (
    public_channels,
    unsubscribing,
    private_channels,
    presence_channels,
    encrypted_channels,
    cache_channels,
    client_events,
    client_events_that_are_off,
    client_events_too_fast,
    subscription_counts,
    signing_in,
    going_away,
    signing_in_with_a_forged_signature,
    presence_of_a_signed_in_user,
    a_flood,
    silence,
    an_unknown_key,
)


def a_restart(stage: Stage, scene: Scene) -> None:
    """Clients come back by themselves to a server that was away, over each transport, and are subscribed again."""
    with ExitStack() as stack:
        plays = [stack.enter_context(Play(stage, scene, transport)) for transport in TRANSPORTS]
        channel, clients = plays[0].name("private-again-"), []
        for play in plays:
            client = play.connected(user={"user_id": 7, "user_info": {"n": 1}})
            client.subscribe(channel)
            client.subscribe(f"presence-{play.transport}")
            clients.append((client, f"presence-{play.transport}", client.socket_id))
        server = stage.server
        server.settings["listen"] = f"127.0.0.1:{server.port}"
        assert server.stop() == 0
        server.start()
        for client, room, before in clients:
            client.hear(**{"from": "connection"}, event="connected")
            client.hear(channel=channel, event=SUCCEEDED)
            assert client.hear(channel=room, event=SUCCEEDED)["data"] == {"count": 1}
            assert client.socket_id != before
        stage.backend(stage.rich).trigger(channel, "after", {"n": 2})
        for client, _, _ in clients:
            assert client.event(channel, "after") == {"n": 2}
