"""What there is to be measured: every measurement by its name on the command line, and the servers it is meant for."""

from collections.abc import Callable
from typing import Any

from benchmarks import measures, pusher
from benchmarks.measures import Plan
from benchmarks.pusherservers import PusherBound, PusherPrototype, PusherPushery
from benchmarks.results import Values
from benchmarks.servers import Bound, Nchan, Prototype, Pushery, Server

Measure = Callable[[Any, Plan], Values]
"""It is given a server of one of its kinds, started."""

MEASURES: dict[str, tuple[Measure, tuple[type[Server], ...]]] = {
    "paced": (measures.paced, (Bound, Prototype, Nchan, Pushery)),
    "flat": (measures.flat, (Prototype, Nchan, Pushery)),
    "idle": (measures.idle, (Prototype, Nchan, Pushery)),
    "publish": (measures.publishing, (Prototype, Nchan, Pushery)),
    "pusher-paced": (pusher.paced, (PusherBound, PusherPrototype, PusherPushery)),
    "pusher-flat": (pusher.flat, (PusherPrototype, PusherPushery)),
    "pusher-idle": (pusher.idle, (PusherPrototype, PusherPushery)),
    "pusher-subscribed": (pusher.subscribed, (PusherPrototype, PusherPushery)),
    "pusher-subscribe": (pusher.subscribing, (PusherPushery,)),
    "pusher-publish": (pusher.publishing, (PusherPrototype, PusherPushery)),
    "pusher-unheard": (pusher.unheard, (PusherPrototype, PusherPushery)),
    "pusher-batch": (pusher.batches, (PusherPushery,)),
    "pusher-client": (pusher.client_events, (PusherPushery,)),
}
