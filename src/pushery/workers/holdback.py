"""Which events are told when: a channel that is empty for a moment is nobody's business.

`channel_vacated` and `member_removed` are held back; when the channel or the user returns in that time, neither that
nor the return is told (Pusher Channels protocol, section 13). Counts of one channel that follow each other quickly
become one. Places that were told to be taken before a restart are neither told again when they are taken again, nor
forgotten when they are not; nor are those that another server has told, whose clients are now here. Knows no webhooks,
and stores nothing.

Invariant: of one place, what is let out alternates between taken and free, as long as what comes in does.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from pushery.core.hookevents import ARRIVALS, DEPARTURES, HookEvent, Place, place_of

Key = TypeVar("Key")


class Notice(NamedTuple):
    """An event of an app, and the unix time in milliseconds at which it happened."""

    app_key: str
    event: HookEvent
    at_ms: int


class _Held(NamedTuple):
    due: float
    notice: Notice


class HoldBack:
    """Times are in seconds of one monotonic clock, and never go backwards from call to call."""

    def __init__(self, hold_s: float, count_s: float) -> None:
        """`hold_s` for departures, `count_s` for counts."""
        self._hold_s = hold_s
        self._count_s = count_s
        self._standing: dict[Place, None] = {}
        """The places that were told to be taken, and may be taken again."""
        self._here: set[Place] = set()
        """The places that are taken on this server now."""
        # All entries of one dict are held equally long, so the order of insertion is the order in which they are due;
        # but for some that came after a change to a shorter time, which wait for those before them.
        self._departures: dict[Place, _Held] = {}
        self._counts: dict[tuple[str, str], _Held] = {}

    def configure(self, hold_s: float, count_s: float) -> None:
        """Hold back for so long from now on. What is held already is let out as before, and nothing overtakes it."""
        self._hold_s, self._count_s = hold_s, count_s

    def take(self, notice: Notice, now: float) -> Notice | None:
        """Take in what happened; returned is what is to be told at once."""
        event = notice.event
        place = place_of(notice.app_key, event)
        if event.name == "subscription_count":
            self._take_count(notice, now)
            return None
        if place is None:
            return notice
        if event.name in DEPARTURES:
            self._here.discard(place)
            self._standing.pop(place, None)
            self._departures.pop(place, None)
            self._departures[place] = _Held(now + self._hold_s, notice)
            return None
        self._here.add(place)
        if place in self._departures:
            del self._departures[place]
            return None
        if place in self._standing:
            del self._standing[place]
            return None
        return notice

    def _take_count(self, notice: Notice, now: float) -> None:
        key = (notice.app_key, notice.event.channel or "")
        first = self._counts.get(key)
        self._counts[key] = _Held(first.due if first else now + self._count_s, notice)

    def due(self, now: float, *, departures: bool = True) -> list[Notice]:
        """What has been held back long enough, in the order in which it became due; without departures if so told."""
        ended = _take_due(self._departures, now) if departures else []
        ended += _take_due(self._counts, now)
        return [held.notice for held in sorted(ended, key=lambda held: held.due)]

    def next_due(self, *, departures: bool = True) -> float | None:
        """When to ask `due` again; None when nothing is held back."""
        asked = (self._departures, self._counts) if departures else (self._counts,)
        firsts = [next(iter(held.values())).due for held in asked if held]
        return min(firsts, default=None)

    def reconcile(self, told: Iterable[Place], at_ms: int) -> list[Notice]:
        """From now on this one alone tells of places: `told` are those told to be taken, before a restart or by others.

        Who is not here may still return, until `abandon`. Returned are arrivals that nobody was told of.
        """
        places = dict.fromkeys(told)
        for place in places.keys() & self._departures.keys():
            del self._departures[place]
        self._standing = _members_first(place for place in places if place not in self._here)
        untold = sorted(self._here - places.keys(), key=lambda place: place.user_id is not None)
        return [Notice(place.app_key, _arrival(place), at_ms) for place in untold]

    def abandon(self, at_ms: int, most: int) -> list[Notice]:
        """The time for returning after a restart is over: departures for places that nobody has taken again.

        At most so many at once; call it until there are none.
        """
        left = list(itertools.islice(self._standing, most))
        for place in left:
            del self._standing[place]
        return [Notice(place.app_key, _departure(place), at_ms) for place in left]

    def forget(self, app_key: str) -> None:
        """Drop all that is known of an app."""
        for place in [place for place in self._departures if place.app_key == app_key]:
            del self._departures[place]
        for key in [key for key in self._counts if key[0] == app_key]:
            del self._counts[key]
        for place in [place for place in self._standing if place.app_key == app_key]:
            del self._standing[place]
        self._here = {place for place in self._here if place.app_key != app_key}


def _take_due(waiting: dict[Key, _Held], now: float) -> list[_Held]:
    ended = []
    while waiting:
        key = next(iter(waiting))
        if waiting[key].due > now:
            break
        ended.append(waiting.pop(key))
    return ended


def _members_first(places: Iterable[Place]) -> dict[Place, None]:
    """In the order in which they are told to be free: a channel must not be, while somebody seems to be in it."""
    return dict.fromkeys(sorted(places, key=lambda place: place.user_id is None))


def _arrival(place: Place) -> HookEvent:
    name = "channel_occupied" if place.user_id is None else "member_added"
    return HookEvent(name, channel=place.channel, user_id=place.user_id)


def _departure(place: Place) -> HookEvent:
    return HookEvent(ARRIVALS[_arrival(place).name], channel=place.channel, user_id=place.user_id)
