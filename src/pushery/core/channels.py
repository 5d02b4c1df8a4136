"""The channels of one app: who is subscribed, who is present, and the last event of those that keep it.

Plain synchronous code on dictionaries, like the hub: it says what has changed, and tells nobody. Channels exist while
somebody is subscribed; what a cache channel keeps outlives that. Source: Pusher Channels protocol, sections 5 and 7.

Invariant: a channel is in `by_name` exactly while its audience has somebody, and a user is in a roster exactly while
one of its sockets is subscribed.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from pushery.core.audience import Audience, Write
from pushery.core.channelnames import ChannelKind
from pushery.core.fanout import Done, FanOut
from pushery.core.tags import TagIndex

CHANNELS: Final = object()
"""The fan-out's one layer here. Channels share subscribers, so frames keep their order within a channel."""

MAX_CACHED: Final = 10_000
MAX_CACHED_BYTES: Final = 64 * 1024 * 1024
"""How many events the cache channels of one app keep together, and of how many bytes; the oldest goes first."""

_MISS_SILENCE_S: Final = 10.0
"""For how long a cache channel found empty is not reported again: many subscribers tend to come at once."""


class Member(msgspec.Struct, frozen=True):
    """A user as a presence channel shows it. `raw_id` and `info` are JSON, the id with the type it was given."""

    user_id: str
    raw_id: bytes
    info: bytes


class Roster:
    """Who is present on one channel: every user once, with however many sockets."""

    __slots__ = ("_members", "_sockets")

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        """By user id, in order of arrival. Of a user with several sockets, as the newest of them has said."""
        self._sockets: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._members

    def get(self, user_id: str) -> Member | None:
        """What is known of a user who is present."""
        return self._members.get(user_id)

    @property
    def members(self) -> Collection[Member]:
        """Everybody who is present."""
        return self._members.values()

    def arrive(self, member: Member) -> Member | None:
        """A socket of this user has subscribed. Returns what was known of the user, None for a user's first socket."""
        before = self._members.get(member.user_id)
        self._members[member.user_id] = member
        self._sockets[member.user_id] = self._sockets.get(member.user_id, 0) + 1
        return before

    def depart(self, user_id: str) -> Member | None:
        """A socket of this user has gone. Returns the member when that was its last, None while others are left."""
        self._sockets[user_id] -= 1
        if self._sockets[user_id]:
            return None
        del self._sockets[user_id]
        return self._members.pop(user_id)


class Channel:
    """A channel that somebody is subscribed to."""

    __slots__ = ("audience", "count_due", "kind", "name", "roster")

    def __init__(self, name: str, kind: ChannelKind, audience: Audience) -> None:
        self.name = name
        self.kind = kind
        self.audience = audience
        self.roster = Roster() if kind.presence else None
        """None on channels without presence."""
        self.count_due = False
        """Whether a large channel's next subscription count waits for its time."""


class Cached(msgspec.Struct, frozen=True):
    """The last event of a cache channel: the message as a subscriber gets it, and the event's data alone.

    `until` is the monotonic time, in seconds, from which it is kept no longer.
    """

    text: bytes
    data: str
    until: float


class Cache:
    """What the cache channels of one app keep. Times are monotonic seconds."""

    __slots__ = ("_bytes", "_kept", "_missed")

    def __init__(self) -> None:
        self._bytes = 0
        self._kept: dict[str, Cached] = {}
        """The least recently written first."""
        self._missed: dict[str, float] = {}

    def put(self, channel: str, cached: Cached) -> None:
        """Keep an event instead of the one before."""
        self._missed.pop(channel, None)
        self._drop(channel)
        self._kept[channel] = cached
        self._bytes += _weight(cached)
        while len(self._kept) > MAX_CACHED or self._bytes > MAX_CACHED_BYTES:
            self._drop(next(iter(self._kept)))

    def get(self, channel: str, now: float) -> Cached | None:
        """What the channel keeps, if it is still good."""
        cached = self._kept.get(channel)
        if cached is not None and cached.until <= now:
            self._drop(channel)
            return None
        return cached

    def _drop(self, channel: str) -> None:
        cached = self._kept.pop(channel, None)
        if cached is not None:
            self._bytes -= _weight(cached)

    def missed(self, channel: str, now: float) -> bool:
        """Note that somebody found the channel empty; True when that is news."""
        last = self._missed.pop(channel, None)
        if last is not None and now - last < _MISS_SILENCE_S:
            self._missed[channel] = last
            return False
        self._missed[channel] = now
        if len(self._missed) > MAX_CACHED:
            del self._missed[next(iter(self._missed))]
        return True


def _weight(cached: Cached) -> int:
    return len(cached.text) + len(cached.data)


class Channels:
    """All channels of one app."""

    __slots__ = ("_of_audience", "by_name", "cache", "fanout", "names", "subscriptions", "with_presence")

    def __init__(self, *, fanout_slice: int, standing_patterns: int) -> None:
        self.by_name: dict[str, Channel] = {}
        self.names = TagIndex(standing_patterns)
        """The names, with patterns over them; its audiences are the channels'."""
        self._of_audience: dict[int, Channel] = {}
        self.with_presence: dict[str, Channel] = {}
        """Those of `by_name` that have a roster."""
        self.subscriptions = 0
        """How many there are on all channels together."""
        self.fanout = FanOut(fanout_slice)
        self.cache = Cache()

    def subscribe(self, name: str, kind: ChannelKind, subscriber: object, write: Write) -> tuple[Channel, bool]:
        """Let `subscriber` receive what is published from now on; returns the channel, and whether it is new."""
        channel = self.by_name.get(name)
        self.subscriptions += 1
        if channel is not None:
            self.fanout.before_joining()
            channel.audience[subscriber] = write
            return channel, False
        self.names.join(name, subscriber, write)
        channel = Channel(name, kind, self.names.audiences[name])
        self.by_name[name] = channel
        self._of_audience[id(channel.audience)] = channel
        if kind.presence:
            self.with_presence[name] = channel
        return channel, True

    def unsubscribe(self, channel: Channel, subscriber: object) -> bool:
        """Undo `subscribe`, after handing over what was published before; True when nobody is left."""
        self.fanout.before_leaving(subscriber)
        self.names.leave(channel.name, subscriber)
        self.subscriptions -= 1
        if channel.audience:
            return False
        del self.by_name[channel.name]
        del self._of_audience[id(channel.audience)]
        self.with_presence.pop(channel.name, None)
        return True

    def publish(self, channel: Channel, frame: bytes, on_done: Done, without: object = None) -> int | None:
        """Take a frame for a channel's subscribers, but not for `without`. As `FanOut.publish`."""
        return self.fanout.publish(frame, (channel.audience,), CHANNELS, on_done, without)

    def matching(self, pattern: str) -> list[Channel]:
        """The occupied channels whose name `pattern` (RE2, unanchored) matches. Raises PatternError."""
        return [self._of_audience[id(audience)] for audience in self.names.select(pattern) if audience]

    def occupied(self, prefix: str = "") -> Iterable[Channel]:
        """The channels that somebody is subscribed to, those whose name begins with `prefix`, sorted by name."""
        return (self.by_name[name] for name in self.names.names() if name.startswith(prefix))
