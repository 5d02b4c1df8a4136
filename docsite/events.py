"""docs/reference/events.md: what goes over the wire in the Pusher protocol and to webhooks, as it looks.

The examples are not written here: the dialect that speaks to clients, and the type that goes to webhooks, encode them.
Invariant: everything that a `Voice` can say, and every event of a webhook, has its example.
"""

import inspect
from collections.abc import Mapping
from typing import Final

import msgspec

from docsite.markdown import code, fenced, page, table
from pushery.core.appsettings import HOOK_EVENTS
from pushery.core.channelnames import kind_of
from pushery.core.channels import Channel, Member
from pushery.core.hookevents import DEPARTURES, OURS, HookEvent
from pushery.core.publications import ChannelEvent
from pushery.core.voice import Voice
from pushery.dialects.pusher import PusherVoice, messages
from pushery.dialects.pusher.session import _HANDLERS

SOCKET: Final = "9103.41287"
ROOM: Final = "presence-room"
ANNA: Final = Member("anna", b'"anna"', b'{"name":"Anna"}')

_INTRO: Final = """\
What Pusher clients and webhooks are sent, as it looks. The texts are made by the code that makes them for real; only
names and numbers are invented. [Pusher protocol](pusher-protocol.md) says when each is sent, and
[Webhooks](webhooks.md) how they travel."""

_SENT: Final = """\
Besides these, a client sends events of its own, whose names begin with `client-`, on private and presence channels of
apps with `client_events`."""

_HOOK_INTRO: Final = """\
A webhook's body has these in its list `events`. A departure is held back for
[`webhook_hold_back`](settings.md#webhook_hold_back): who returns meanwhile was never gone, and neither is told."""

_HOOKS: Final[Mapping[str, HookEvent]] = {
    event.name: event
    for event in (
        HookEvent("channel_occupied", channel="news"),
        HookEvent("channel_vacated", channel="news"),
        HookEvent("member_added", channel=ROOM, user_id="anna"),
        HookEvent("member_removed", channel=ROOM, user_id="anna"),
        HookEvent(
            "client_event",
            channel=ROOM,
            event="client-typing",
            data='{"on":true}',
            socket_id=SOCKET,
            user_id="anna",
        ),
        HookEvent("cache_miss", channel="cache-news"),
        HookEvent("subscription_count", channel="news", subscription_count=12),
        HookEvent("connected", socket_id=SOCKET),
        HookEvent("disconnected", socket_id=SOCKET, user_id="anna"),
    )
}


def render() -> str:
    """The page."""
    return page(
        "Events",
        _INTRO,
        f"## What clients are sent\n\n### On every connection\n\n{_of_connections()}",
        f"### On channels\n\n{_of_channels()}",
        f"## What clients send\n\n{_from_clients()}\n\n{_SENT}",
        f"## What webhooks are sent\n\n{_HOOK_INTRO}\n\n{_of_hooks()}",
    )


def _of_connections() -> str:
    user = '{"id":"anna","user_info":{"name":"Anna"}}'
    told = {
        "The first message of all, with the seconds of silence after which to ask for a sign of life.": (
            messages.established(SOCKET, 120),
        ),
        "The sign-in was accepted.": (messages.signin_success(user),),
        "Something was refused. Without a code it is about one message.": (messages.error(None, "Unknown event: x"),),
        "The same with a code: a limit, or why the connection is closed.": (
            messages.error(messages.RATE_LIMITED, "Client event rejected - you may send 10 client events per second"),
        ),
        "A sign of life is asked for, or given.": (messages.PING, messages.PONG),
    }
    return "\n\n".join(_example(text, said) for text, said in told.items())


def _of_channels() -> str:
    voice, room = PusherVoice(), Channel(ROOM, kind_of(ROOM), {})
    assert room.roster is not None
    room.roster.arrive(ANNA)
    said: dict[str, tuple[bytes, ...]] = {
        "event": (voice.event("news", ChannelEvent("headline", '{"text":"hello"}')),),
        "subscribed": (voice.subscribed(room),),
        "cache_miss": (voice.cache_miss("cache-news"),),
        "member_added": (voice.member_added(ROOM, ANNA),),
        "member_updated": (voice.member_updated(ROOM, ANNA),),
        "member_removed": (voice.member_removed(ROOM, ANNA),),
        "subscription_count": (voice.subscription_count("news", 12),),
        "watched": (voice.watched(["anna"], ["ben"]),),
        "already_subscribed": voice.already_subscribed("news"),
        "not_subscribed": voice.not_subscribed("news"),
        "too_many_channels": voice.too_many_channels("news", 1000),
        "too_many_members": voice.too_many_members(ROOM, 100),
        "relay_unsubscribed": voice.relay_unsubscribed("private-news", "client-typing"),
        "relay_too_fast": voice.relay_too_fast("private-news", "client-typing", 10),
    }
    kinds = [name for name, _ in inspect.getmembers(Voice, inspect.isfunction) if not name.startswith("_")]
    assert set(kinds) == set(said), "a Voice can say what has no example here"
    return "\n\n".join(_example(inspect.getdoc(getattr(Voice, name)) or "", texts) for name, texts in said.items())


def _example(text: str, said: tuple[bytes, ...]) -> str:
    names = dict.fromkeys(str(msgspec.json.decode(message)["event"]) for message in said)
    shown = "\n".join(message.decode() for message in said)
    return f"**{', '.join(code(name) for name in names)}**: {text}\n\n{fenced('json', shown)}"


def _from_clients() -> str:
    meanings = {
        "pusher:ping": ("nothing", "A sign of life is asked for; it is given at any time."),
        "pusher:pong": ("nothing", "The answer to one that was asked for."),
        "pusher:subscribe": ("`channel`; `auth` and `channel_data` where the channel needs them", "Subscribe."),
        "pusher:unsubscribe": ("`channel`", "Unsubscribe."),
        "pusher:signin": ("`auth`, `user_data`", "Sign in as a user."),
    }
    assert set(meanings) == set(_HANDLERS), "a session takes what has no row here"
    rows = [[code(name), *meanings[name]] for name in _HANDLERS]
    return table(["Event", "Members of `data`", "What it asks for"], rows)


def _of_hooks() -> str:
    assert set(_HOOKS) == set(HOOK_EVENTS), "a webhook tells what has no example here"
    rows = [
        [
            code(name),
            "Pushery" if name in OURS else "Pusher",
            "yes" if name in DEPARTURES else "",
            code(msgspec.json.encode(_HOOKS[name]).decode()),
        ]
        for name in HOOK_EVENTS
    ]
    return table(["Event", "Of whose protocol", "Held back", "As it looks"], rows)
