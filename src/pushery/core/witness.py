"""Somebody who watches what happens in one app while it happens: the console's live view, a test's recorder.

Hardly any app is watched at any time, so whoever does something looks whether `Crowd.witness` is set, and only then
tells of it. A witness changes nothing, and what it is told of has happened already.
"""

from typing import Literal, Protocol, TypeAlias

import msgspec

Kind: TypeAlias = Literal[
    "connected",
    "disconnected",
    "subscribed",
    "unsubscribed",
    "signed_in",
    "push",
    "event",
    "client_event",
    "refused",
    "closed",
]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened. What does not belong to its kind is empty.

    - `connected`, `disconnected`: a socket, by its `socket` id or its `tag`.
    - `subscribed`, `unsubscribed`: a socket and `channels`; `user` where the channel has presence.
    - `signed_in`: a socket, as `user`.
    - `push`: `data` to all tags that `pattern` matches, or to everybody; to so many `receivers`.
    - `event`, `client_event`: `event` with `data` on `channels`, or on those that `pattern` matches.
    - `refused`: a request or a message was answered with an error; `reason` is its code or text.
    - `closed`: the server closes a socket for cause; `reason` has the close code and its text.

    `receivers` is None where that is not known yet (a broadcast that goes on), or where nothing was sent.
    """

    kind: Kind
    socket: str = ""
    tag: str = ""
    user: str = ""
    channels: tuple[str, ...] = ()
    event: str = ""
    pattern: str = ""
    data: str | bytes = ""
    receivers: int | None = None
    reason: str = ""


class Witness(Protocol):
    """Takes sightings of one app. Called on the hot path: returns at once, never raises, and publishes nothing."""

    def saw(self, sighting: Sighting) -> None:
        """This has happened."""
