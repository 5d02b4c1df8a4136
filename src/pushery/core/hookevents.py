"""What webhooks tell. Source: Pusher Channels protocol, section 13; `connected` and `disconnected` are ours."""

from typing import Final, NamedTuple

import msgspec


class HookEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened in an app. Members that do not belong to the kind of event are None and left out.

    `name` is one of `appsettings.HOOK_EVENTS`. `data` is what a client sent, as text. Field order is the order on the
    wire, which receivers may depend on when they compute the signature from parsed JSON.
    """

    name: str
    channel: str | None = None
    event: str | None = None
    data: str | None = None
    socket_id: str | None = None
    user_id: str | None = None
    subscription_count: int | None = None


OURS: Final = frozenset({"connected", "disconnected"})
"""The events that the protocol does not have. Backends written for it expect a channel in every event, so these are
told only to a webhook that names them."""


class Place(NamedTuple):
    """What somebody may be told to have been taken, and later to be free: a channel, or a user's place in one."""

    app_key: str
    channel: str
    user_id: str | None = None
    """None: the channel itself."""


ARRIVALS = {"channel_occupied": "channel_vacated", "member_added": "member_removed"}
"""The events that a place is taken with, and those that it becomes free with."""

DEPARTURES = {departure: arrival for arrival, departure in ARRIVALS.items()}
"""The same, the other way round."""


def place_of(app_key: str, event: HookEvent) -> Place | None:
    """The place that an arrival or a departure is about; None for every other event."""
    if event.name not in ARRIVALS and event.name not in DEPARTURES:
        return None
    return Place(app_key, event.channel or "", event.user_id)
