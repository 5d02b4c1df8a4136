"""A client's socket as the node sees it, and the place it is counted in."""

import secrets
from collections.abc import Iterable
from typing import Final, Protocol, cast

from msgspec.structs import replace

from pushery.core.audience import Write
from pushery.core.channels import Member
from pushery.core.codes import Close
from pushery.core.hub import Crowd
from pushery.core.rates import TokenBucket
from pushery.core.witness import Kind, Sighting

_MASK: Final = secrets.randbits(64)
"""Of the addresses of objects in what sockets are called: they are nobody's business."""


class Peer(Protocol):
    """A client's socket."""

    place: "Place | None"
    """Set by the node; None before it has been counted in and after it has left."""

    entry: Write
    """What takes its frames at the moment: its transport, or its outbox while it is slow."""

    @property
    def address(self) -> str:
        """Where its connection comes from, "ip:port": the proxy's where there is one; "" when that is not known."""

    @property
    def waiting(self) -> int:
        """Bytes that wait for it because it reads too slowly; 0 while it keeps up."""

    def send(self, text: bytes) -> None:
        """Give it one text message; nothing happens when its closing handshake has begun."""

    def close(self, close: Close) -> None:
        """Have it counted out with `Node.leave`, and begin the closing handshake. Harmless when repeated."""


class TagPlace:
    """Under one tag of an app."""

    __slots__ = ("app_key", "crowd", "tag")

    def __init__(self, app_key: str, crowd: Crowd, tag: str) -> None:
        self.app_key = app_key
        self.crowd = crowd
        self.tag = tag

    def redirect(self, peer: Peer) -> None:
        """Use the peer's present `entry`."""
        self.crowd.redirect(self.tag, peer, peer.entry)

    def settle(self, peer: Peer) -> None:
        """Hand over what was gathered for the peer, as long as a change of its `entry` still comes to be known."""
        self.crowd.fanout.flush()


class ChannelPlace:
    """Under a socket id of an app, on any number of channels, signed in as a user or not."""

    __slots__ = ("app_key", "bucket", "channels", "crowd", "since_ms", "socket_id", "user_id", "watchlist")

    def __init__(self, app_key: str, crowd: Crowd, socket_id: str, since_ms: int) -> None:
        self.app_key = app_key
        self.crowd = crowd
        self.socket_id = socket_id
        self.since_ms = since_ms
        """When it came, unix time in milliseconds."""
        self.channels: dict[str, Member | None] = {}
        """What it is subscribed to, by name, with who it is on those that have presence."""
        self.user_id: str | None = None
        """As whom it is signed in; None until it is."""
        self.watchlist: tuple[str, ...] = ()
        self.bucket: TokenBucket | None = None
        """How fast it sends client events; None until it sends one."""

    def redirect(self, peer: Peer) -> None:
        """Use the peer's present `entry`."""
        by_name = self.crowd.channels.by_name
        for name in self.channels:
            by_name[name].audience[peer] = peer.entry

    def settle(self, peer: Peer) -> None:
        """Hand over all that was published for the peer, as long as a change of its `entry` still comes to be known."""
        self.crowd.channels.fanout.before_leaving(peer)


Place = TagPlace | ChannelPlace


def name_of(peer: Peer) -> str:
    """What a socket is called where somebody looks at it or closes it: its socket id, or "tag-" and two numbers.

    The first is of the object, which may be the next socket's as well; the second is the client's port, which is not.
    """
    place = peer.place
    if isinstance(place, ChannelPlace):
        return place.socket_id
    return f"tag-{id(peer) ^ _MASK:x}-{peer.address.rpartition(':')[2]}"


def find_peer(crowd: Crowd, name: str) -> Peer | None:
    """The socket that is called `name`; None when there is none, or no more."""
    if not name.startswith("tag-"):
        return cast("Peer | None", crowd.sockets.get(name))
    peers = cast("Iterable[Peer]", crowd.everyone)
    try:
        number = int(name.split("-")[1], 16) ^ _MASK
    except ValueError:
        return None
    found = next((peer for peer in peers if id(peer) == number), None)  # a name each would take four times as long
    return found if found is not None and name_of(found) == name else None


def sighting_of(kind: Kind, place: Place) -> Sighting:
    """Something that has happened to the socket at `place`."""
    if isinstance(place, TagPlace):
        return Sighting(kind=kind, tag=place.tag)
    return Sighting(kind=kind, socket=place.socket_id, user=place.user_id or "")


def saw(peer: Peer, sighting: Sighting) -> None:
    """Tell whoever watches the app of something that has happened to a socket that is in."""
    place = peer.place
    if place is not None and place.crowd.witness is not None:
        who = sighting_of(sighting.kind, place)
        place.crowd.witness.saw(replace(sighting, socket=who.socket, tag=who.tag, user=sighting.user or who.user))
