"""A crowd with somebody on its channels, made with the real thing."""

from pushery.core.audience import Audience
from pushery.core.channelnames import kind_of
from pushery.core.channels import Cached, Member
from pushery.core.hub import Crowd


class Place:
    """Where a socket is counted in, as the API sees it."""

    def __init__(self, socket_id: str, since_ms: int = 1353088179000) -> None:
        self.socket_id = socket_id
        self.user_id: str | None = None
        self.channels: dict[str, Member | None] = {}
        self.since_ms = since_ms


class Socket:
    """A client that takes frames and forgets them."""

    def __init__(self, socket_id: str) -> None:
        self.place = Place(socket_id)

    def write(self, frame: bytes) -> None:
        """Take a frame."""


def a_crowd(*socket_ids: str) -> Crowd:
    """A crowd with these sockets, on no channel yet."""
    crowd = Crowd(fanout_slice=4096, standing_patterns=16)
    crowd.sockets.update((socket_id, Socket(socket_id)) for socket_id in socket_ids)
    return crowd


def socket_of(crowd: Crowd, socket_id: str) -> Socket:
    """One of the sockets."""
    socket = crowd.sockets[socket_id]
    assert isinstance(socket, Socket)
    return socket


def subscribe(crowd: Crowd, channel: str, socket_id: str, user_id: str | None = None, info: bytes = b"{}") -> Audience:
    """Subscribe a socket, as a user where the channel has presence; returns the channel's audience."""
    socket = socket_of(crowd, socket_id)
    there, _ = crowd.channels.subscribe(channel, kind_of(channel), socket, socket.write)
    member = None
    if there.roster is not None:
        assert user_id is not None
        member = Member(user_id, b'"%b"' % user_id.encode(), info)
        there.roster.arrive(member)
    socket.place.channels[channel] = member
    return there.audience


def sign_in(crowd: Crowd, user_id: str, socket_id: str) -> None:
    """Sign a socket in."""
    socket = socket_of(crowd, socket_id)
    socket.place.user_id = user_id
    crowd.users.sign_in(user_id, socket)


def keep(crowd: Crowd, channel: str, data: str, until: float) -> None:
    """Let a cache channel keep an event."""
    crowd.channels.cache.put(channel, Cached(b"", data, until))
