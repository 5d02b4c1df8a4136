"""What a backend may ask about an app's channels, users and sockets: plain values out of a crowd, for a reply's JSON.

Does not check whether the question is allowed, and changes nothing. Source: Pusher Channels protocol, section 12.2; all
about sockets is ours.
"""

import heapq
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, cast

from msgspec import Raw

from pushery.core.channelnames import kind_of
from pushery.core.channels import Channels
from pushery.core.hub import Crowd
from pushery.dialects.pusher.requests import CACHE, SUBSCRIPTION_COUNT, USER_COUNT

Answer = dict[str, object]


class SocketPlace(Protocol):
    """What is known of a socket that uses channels."""

    @property
    def socket_id(self) -> str:
        """Its name."""

    @property
    def user_id(self) -> str | None:
        """As whom it is signed in, None when it is not."""

    @property
    def channels(self) -> Mapping[str, object]:
        """Its subscriptions, by channel."""

    @property
    def since_ms(self) -> int:
        """When it came, unix time in milliseconds."""


class SocketPeer(Protocol):
    """Who stands in `Crowd.sockets`."""

    @property
    def place(self) -> SocketPlace:
        """Where it is counted in."""


def about_channel(channels: Channels, name: str, attributes: Collection[str], now: float) -> Answer:
    """Those of the attributes that apply to this channel; `now` in monotonic seconds."""
    channel, kind = channels.by_name.get(name), kind_of(name)
    answer: Answer = {}
    if USER_COUNT in attributes and kind.presence:
        answer[USER_COUNT] = _user_count(channels, name)
    if SUBSCRIPTION_COUNT in attributes:
        answer[SUBSCRIPTION_COUNT] = 0 if channel is None else len(channel.audience)
    if CACHE in attributes and kind.cached:
        answer[CACHE] = _cached(channels, name, now)
    return answer


def _user_count(channels: Channels, name: str) -> int:
    channel = channels.by_name.get(name)
    return 0 if channel is None or channel.roster is None else len(channel.roster)


def _cached(channels: Channels, name: str, now: float) -> Answer | None:
    cached = channels.cache.get(name, now)
    return None if cached is None else {"data": cached.data, "ttl": int(cached.until - now)}


def one_channel(channels: Channels, name: str, attributes: Collection[str], now: float) -> Answer:
    """Whether anybody is subscribed, and the attributes."""
    return {"occupied": name in channels.by_name, **about_channel(channels, name, attributes, now)}


def all_channels(channels: Channels, prefix: str, attributes: Collection[str], now: float) -> Answer:
    """The channels with anybody on them whose names begin with `prefix`, sorted by name, each with its attributes."""
    names = (channel.name for channel in channels.occupied(prefix))
    return {"channels": {name: about_channel(channels, name, attributes, now) for name in names}}


def channel_stats(channels: Channels, name: str) -> Answer:
    """What the deprecated route tells: `user_count` is null but for presence channels."""
    channel = channels.by_name.get(name)
    return {
        "occupied": channel is not None,
        "user_count": _user_count(channels, name) if kind_of(name).presence else None,
        "connection_count": 0 if channel is None else len(channel.audience),
    }


def channel_users(channels: Channels, name: str, *, with_info: bool) -> Answer:
    """Who is present on a presence channel, in order of arrival."""
    channel = channels.by_name.get(name)
    members = () if channel is None or channel.roster is None else channel.roster.members
    if with_info:
        return {"users": [{"id": member.user_id, "user_info": Raw(member.info)} for member in members]}
    return {"users": [{"id": member.user_id} for member in members]}


def sockets_page(crowd: Crowd, limit: int, after: str) -> Answer:
    """At most `limit` sockets whose ids sort (by code point) behind `after`; `next` is the `after` of the next page."""
    names = heapq.nsmallest(limit + 1, (name for name in crowd.sockets if name > after))
    following = names[limit - 1] if len(names) > limit else None
    return {"sockets": _rows(crowd.sockets[name] for name in names[:limit]), "next": following}


def user_sockets(crowd: Crowd, user_id: str) -> Answer:
    """The sockets that are signed in as a user, the oldest first."""
    return {"sockets": _rows(crowd.users.sockets(user_id))}


def _rows(sockets: Iterable[object]) -> list[Answer]:
    return [_row(cast(SocketPeer, socket).place) for socket in sockets]


def _row(place: SocketPlace) -> Answer:
    return {
        "socket_id": place.socket_id,
        "user_id": place.user_id,
        "since_ms": place.since_ms,
        "channels": list(place.channels),
    }
