"""What happens in one app, as the console's live view shows it: a fair sample of it, four times a second at most.

It stands on the hot path while somebody looks, so it keeps references and puts them into words later, those that are
left. Invariant: however much happens, a message has at most `MOST` sightings, and says how many there were.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from pushery.console.sampling import Sample
from pushery.core.channelnames import kind_of
from pushery.core.witness import Sighting

MOST: Final = 40
"""Sightings in one message: as many rows as a screen has."""

MAX_DATA: Final = 2000
"""Characters of a payload that are shown."""


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sighting for the page. `size` is that of the whole data in bytes, `cut` says that `data` is not all of it."""

    at_ms: int
    kind: str
    channel: str = ""
    channels: tuple[str, ...] = ()
    event: str = ""
    pattern: str = ""
    data: str = ""
    size: int = 0
    cut: bool = False
    encrypted: bool = False
    receivers: int | None = None
    socket: str = ""
    tag: str = ""
    user: str = ""
    reason: str = ""


class Sightings(msgspec.Struct, frozen=True):
    """What one message of the stream holds."""

    seen: int
    sightings: list[Shown]


class Stream:
    """A `core.witness.Witness` of one app."""

    __slots__ = ("_sample", "_wall_ms")

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._sample: Sample[tuple[int, Sighting]] = Sample(MOST)

    def saw(self, sighting: Sighting) -> None:
        """This has happened."""
        self._sample.add((self._wall_ms(), sighting))

    def take(self) -> Sightings | None:
        """What has happened since the last call; None when nothing has."""
        seen, kept = self._sample.take()
        return Sightings(seen, [shown(at_ms, sighting) for at_ms, sighting in kept]) if seen else None


def shown(at_ms: int, sighting: Sighting) -> Shown:
    """A sighting as the page shows it. What only the clients can read stays away from it."""
    channels = sighting.channels
    encrypted = bool(sighting.event) and any(kind_of(name).encrypted for name in channels)
    data, size = _text(sighting.data)
    return Shown(
        at_ms=at_ms,
        kind=sighting.kind,
        channel=channels[0] if channels else "",
        channels=channels if len(channels) > 1 else (),
        event=sighting.event,
        pattern=sighting.pattern,
        data="" if encrypted else data,
        size=size,
        cut=not encrypted and len(data) < size and len(data) >= MAX_DATA,
        encrypted=encrypted,
        receivers=sighting.receivers,
        socket=sighting.socket,
        tag=sighting.tag,
        user=sighting.user,
        reason=sighting.reason,
    )


def _text(data: str | bytes) -> tuple[str, int]:
    """The beginning of a payload as text, and how many bytes all of it has."""
    if isinstance(data, str):
        return data[:MAX_DATA], len(data) if data.isascii() else len(data.encode())
    return data[: 4 * MAX_DATA].decode(errors="replace")[:MAX_DATA], len(data)
