"""Where a peer is counted in, and how its frames find it."""

from pushery.core.audience import Write
from pushery.core.channelnames import kind_of
from pushery.core.channels import Channel
from pushery.core.hub import Crowd, Hub
from pushery.node.peers import ChannelPlace, Place, TagPlace


class Socket:
    """A peer that is written to in one way or another."""

    address = "203.0.113.9:4711"
    waiting = 0

    def __init__(self) -> None:
        self.place: Place | None = None
        self.old: list[bytes] = []
        self.new: list[bytes] = []
        self.entry: Write = self.old.append

    def send(self, text: bytes) -> None:
        """Nothing here."""

    def close(self, close: object) -> None:
        """Nothing here."""


def a_crowd() -> Crowd:
    """Nobody yet."""
    return Hub(fanout_slice=2, standing_patterns=10).crowd("key")


def subscribed(crowd: Crowd, socket: Socket, *names: str) -> tuple[ChannelPlace, list[Channel]]:
    """The socket on these channels."""
    place = ChannelPlace("key", crowd, "1.1", 0)
    channels = []
    for name in names:
        channel, _ = crowd.channels.subscribe(name, kind_of(name), socket, socket.entry)
        place.channels[name] = None
        channels.append(channel)
    return place, channels


def ignore(_: object) -> None:
    """What to do with a total that does not matter."""


def test_redirecting_reaches_a_tagged_peer_under_its_tag_and_among_all() -> None:
    crowd, socket = a_crowd(), Socket()
    crowd.join("A:1", socket, socket.entry)
    place = TagPlace("key", crowd, "A:1")
    socket.entry = socket.new.append
    place.redirect(socket)
    for pattern in (None, "^A:1$"):
        crowd.publish(b"x", pattern, ignore)
    place.settle(socket)
    assert (socket.old, socket.new) == ([], [b"x", b"x"])


def test_redirecting_reaches_a_peer_on_all_its_channels_and_on_no_other() -> None:
    crowd, socket, other = a_crowd(), Socket(), Socket()
    place, channels = subscribed(crowd, socket, "a", "b")
    _, [elsewhere] = subscribed(crowd, other, "c")
    socket.entry = socket.new.append
    place.redirect(socket)
    for channel in (*channels, elsewhere):
        crowd.channels.publish(channel, b"x", ignore)
    place.settle(socket)
    assert (socket.old, socket.new, other.old) == ([], [b"x", b"x"], [b"x"])
    assert list(elsewhere.audience) == [other]


def test_settling_hands_over_what_a_broadcast_still_owes() -> None:
    crowd, socket = a_crowd(), Socket()
    others = [Socket() for _ in range(3)]
    for other in others:
        subscribed(crowd, other, "a")
    place, [channel] = subscribed(crowd, socket, "a")
    assert crowd.channels.publish(channel, b"x", ignore) is None
    place.settle(socket)
    assert socket.old == [b"x"]
    assert all(other.old == [] for other in others)
