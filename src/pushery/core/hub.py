"""Who is online: for every app, its sockets, their tags, and the way to all of them.

The hub knows no transport and no dialect. It is plain synchronous code on dictionaries, so whatever happens between two
turns of the event loop happens at once: totals are exact because nobody can come or go while a push is being counted.
"""

from typing import Final

from pushery.core.audience import Audience, Write
from pushery.core.channels import Channels
from pushery.core.fanout import Done, FanOut
from pushery.core.once import Remembered
from pushery.core.patterns import EVERY_TAG
from pushery.core.rates import TokenBucket
from pushery.core.tags import TagIndex
from pushery.core.users import Users
from pushery.core.witness import Sighting, Witness

EVERYONE: Final = object()
TAGS: Final = object()
"""Layers of a crowd's audiences: everyone, and those by tag. A subscriber is in one audience of each."""


class Crowd:
    """Everybody online in one app: those with a tag, and those with a socket id who use channels.

    Who has a tag is in `everyone` and under exactly one tag; what is pushed to everyone is pushed to them.
    """

    __slots__ = (
        "answers",
        "bucket",
        "channels",
        "everyone",
        "fanout",
        "messages_out",
        "pushes",
        "sockets",
        "tags",
        "unproven",
        "users",
        "witness",
    )

    def __init__(self, *, fanout_slice: int, standing_patterns: int) -> None:
        self.everyone: Audience = {}
        self.tags = TagIndex(standing_patterns)
        self.fanout = FanOut(fanout_slice)
        self.sockets: dict[str, object] = {}
        """Who uses channels, by socket id."""
        self.channels = Channels(fanout_slice=fanout_slice, standing_patterns=standing_patterns)
        self.users = Users()
        self.answers: Remembered[object] = Remembered()
        """What publishes with an idempotency key were answered."""
        self.bucket = TokenBucket()
        """How fast backends publish to channels."""
        self.unproven: dict[object, object] = {}
        """Sockets that must still prove who they are, each with the timer that closes it otherwise."""
        self.pushes = 0
        self.messages_out = 0
        self.witness: Witness | None = None
        """Who watches what happens here; None nearly always."""

    def __len__(self) -> int:
        return len(self.everyone) + len(self.sockets)

    def has_room(self, limit: int) -> bool:
        """Whether one more socket fits below the app's limit (0: any number); who is unproven does not count."""
        return not limit or len(self) - len(self.unproven) < limit

    def see(self, sighting: Sighting) -> None:
        """Tell whoever watches, if anybody does."""
        if self.witness is not None:
            self.witness.saw(sighting)

    def join(self, tag: str, subscriber: object, write: Write) -> None:
        """Count `subscriber` in: it gets what is pushed to all and to its tag from now on, and nothing from before."""
        self.fanout.before_joining()
        self.everyone[subscriber] = write
        self.tags.join(tag, subscriber, write)

    def leave(self, tag: str, subscriber: object) -> None:
        """Count it out, after handing it what it has been counted in for; harmless when it has left already."""
        self.fanout.flush()
        if self.everyone.pop(subscriber, None) is not None:
            self.tags.leave(tag, subscriber)

    def redirect(self, tag: str, subscriber: object, write: Write) -> None:
        """Send what is for `subscriber` elsewhere from now on: to its outbox, or back to its transport."""
        if subscriber in self.everyone:
            self.everyone[subscriber] = write
            self.tags.audiences[tag][subscriber] = write

    def publish(self, frame: bytes, pattern: str | None, on_done: Done) -> int | None:
        """Take a frame for all whose tag `pattern` matches, or for everyone. Raises PatternError.

        As `FanOut.publish`: the number of receivers, or None and `on_done` later. `fanout.flush` writes.
        """
        if pattern is None or pattern in EVERY_TAG:
            return self.fanout.publish(frame, (self.everyone,), EVERYONE, on_done)
        return self.fanout.publish(frame, self.tags.select(pattern), TAGS, on_done)


class Hub:
    """The crowds of all apps of this node, by app key."""

    __slots__ = ("_standing_patterns", "crowds", "fanout_slice", "watched")

    def __init__(self, *, fanout_slice: int, standing_patterns: int) -> None:
        self.fanout_slice = fanout_slice
        self._standing_patterns = standing_patterns
        self.crowds: dict[str, Crowd] = {}
        self.watched: set[str] = set()
        """The apps that somebody watches."""

    def configure(self, *, fanout_slice: int, standing_patterns: int) -> None:
        """Go by these from now on, also where somebody is online already."""
        self.fanout_slice, self._standing_patterns = fanout_slice, standing_patterns
        for crowd in self.crowds.values():
            crowd.fanout.slice_size = crowd.channels.fanout.slice_size = fanout_slice
            crowd.tags.max_standing = crowd.channels.names.max_standing = standing_patterns

    def crowd(self, app_key: str) -> Crowd:
        """The crowd of an app, an empty one when nobody has come yet."""
        crowd = self.crowds.get(app_key)
        if crowd is None:
            crowd = self.crowds[app_key] = self._empty()
        return crowd

    def _empty(self) -> Crowd:
        return Crowd(fanout_slice=self.fanout_slice, standing_patterns=self._standing_patterns)

    def look(self, app_key: str) -> Crowd:
        """The crowd of an app, to look at: one that is not there is not kept either."""
        crowd = self.crowds.get(app_key)
        return self._empty() if crowd is None else crowd

    def watch(self, app_key: str, witness: Witness) -> None:
        """Let `witness` see what happens in an app, instead of who has before."""
        self.crowd(app_key).witness = witness
        self.watched.add(app_key)

    def unwatch(self, app_key: str) -> None:
        """Let nobody watch an app any more."""
        self.watched.discard(app_key)
        crowd = self.crowds.get(app_key)
        if crowd is not None:
            crowd.witness = None

    def drop(self, app_key: str) -> list[object]:
        """Forget an app; returns who was online, for the caller to close."""
        self.watched.discard(app_key)
        crowd = self.crowds.pop(app_key, None)
        return [] if crowd is None else [*crowd.everyone, *crowd.sockets.values()]
