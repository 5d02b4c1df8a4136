"""Who is online in an app: numbers, channels with their members, and the tags that a pattern finds.

Looks and changes nothing. Invariant: however many are online, no question holds the event loop up for more than some
milliseconds.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, cast

from msgspec import Raw

from pushery.console.api.slices import gather, in_order, matching_tags
from pushery.core.channelnames import USER_CHANNEL, ChannelKind, is_channel_name, kind_of
from pushery.core.channels import Channel, Channels
from pushery.core.effects import Inspect, Later, Outcome, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.hub import Crowd, Hub
from pushery.core.patterns import EVERY_TAG, Pattern, PatternError, compile_pattern
from pushery.core.ports import Clock
from pushery.dialects.admin import Admin
from pushery.dialects.admin.reading import read_numbers, read_text
from pushery.dialects.admin.rest import PAGING
from pushery.dialects.pusher.errors import bad_channel
from pushery.node.peers import Peer, name_of

MAX_SHOWN: Final = 100
"""Sockets of a channel that are named."""

MAX_MEMBERS: Final = 1000
"""Members of a channel that are shown."""

_LIMIT: Final = {"limit": PAGING["limit"]}


class OnlineRoutes:
    """`admin` finds the app, for whom the gate lets look at it."""

    def __init__(self, admin: Admin, hub: Hub, clock: Clock) -> None:
        self._admin = admin
        self._hub = hub
        self._clock = clock

    def routes(self) -> list[Route]:
        """Every route of this part."""
        app = "/console/api/apps/{app_key}"
        return [
            Route("GET", f"{app}/now", self.now, "Count who is online in an app."),
            Route("GET", f"{app}/channels", self.channels, "List the occupied channels of an app."),
            Route("GET", f"{app}/channels/{{channel}}", self.channel, "Show a channel and who is on it."),
            Route("GET", f"{app}/tags", self.tags, "List the tags that a pattern matches."),
        ]

    def now(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/now"""
        return Inspect(self._admin.app_of(request, params).key, lambda crowd: _json(_numbers(crowd)))

    def channels(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/channels"""
        app = self._admin.app_of(request, params)
        limit, offset = read_numbers(request, PAGING)
        prefix = read_text(request, "prefix")

        def answer(crowd: Crowd) -> Reply:
            by_name = crowd.channels.by_name
            names = in_order([name for name in by_name if name.startswith(prefix)])
            page = [_channel_row(by_name[name]) for name in names[offset : offset + limit]]
            return _json({"total": len(names), "channels": page})

        return Inspect(app.key, answer)

    def channel(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/channels/{channel}"""
        app, name = self._admin.app_of(request, params), params["channel"]
        if not is_channel_name(name):
            return Refusal.reply(bad_channel(name))  # as JSON, as all refusals here
        return Inspect(app.key, lambda crowd: _json(self._channel(crowd.channels, name)))

    def tags(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/tags"""
        app = self._admin.app_of(request, params)
        [limit] = read_numbers(request, _LIMIT)
        text = read_text(request, "pattern")
        crowd = self._hub.look(app.key)
        if not text or text in EVERY_TAG:
            return _json(_tags_found(crowd, in_order(list(crowd.tags.audiences)), limit))
        try:
            pattern = compile_pattern(text)
        except PatternError as error:
            return _json(_tags_found(crowd, (), limit, problem={"message": str(error), "position": error.position}))
        return Later(lambda: self._find(crowd, pattern, limit))

    async def _find(self, crowd: Crowd, pattern: Pattern, limit: int) -> Reply:
        tags = crowd.tags.audiences
        if pattern.exact is not None:
            return _json(_tags_found(crowd, [pattern.exact] if pattern.exact in tags else [], limit))
        found, seconds = await gather(matching_tags(list(tags), pattern), self._clock.monotonic)
        return _json(_tags_found(crowd, in_order(found), limit, seconds))

    def _channel(self, channels: Channels, name: str) -> dict[str, object]:
        channel = channels.by_name.get(name)
        if channel is None:
            row: dict[str, object] = {**_nobody(name), "members": [], "sockets": []}
        else:
            members = islice(channel.roster.members, MAX_MEMBERS) if channel.roster is not None else ()
            sockets = cast("list[Peer]", list(islice(channel.audience, MAX_SHOWN)))
            row = {
                **_channel_row(channel),
                "members": [{"user_id": member.user_id, "info": Raw(member.info)} for member in members],
                "sockets": [name_of(peer) for peer in sockets],
            }
        return {**row, "cached": self._cached(channels, name)}

    def _cached(self, channels: Channels, name: str) -> dict[str, object] | None:
        cached = channels.cache.get(name, self._clock.monotonic())
        return None if cached is None else {"data": cached.data, "size": len(cached.data.encode())}


def kind_name(kind: ChannelKind) -> str:
    """What a kind of channel is called: as its prefix, "public" without one, "user" for a user's own."""
    if kind.prefix == USER_CHANNEL:
        return "user"
    return kind.prefix.rstrip("-") or "public"


def _numbers(crowd: Crowd) -> dict[str, int]:
    return {
        "connections": len(crowd),
        "tags": len(crowd.tags.audiences),
        "channels": len(crowd.channels.by_name),
        "users": len(crowd.users),
        "pushes": crowd.pushes,
        "messages_out": crowd.messages_out,
    }


def _channel_row(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "kind": kind_name(channel.kind),
        "subscriptions": len(channel.audience),
        "users": None if channel.roster is None else len(channel.roster),
    }


def _nobody(name: str) -> dict[str, object]:
    """A channel that nobody is subscribed to."""
    kind = kind_of(name)
    return {"name": name, "kind": kind_name(kind), "subscriptions": 0, "users": 0 if kind.presence else None}


def _tags_found(
    crowd: Crowd, found: Sequence[str], limit: int, seconds: float = 0.0, problem: dict[str, object] | None = None
) -> dict[str, object]:
    audiences = crowd.tags.audiences
    shown = [(tag, audiences.get(tag)) for tag in found[:limit]]
    return {
        "total": len(audiences),
        "matched": len(found),
        "problem": problem,
        "tags": [{"tag": tag, "sockets": len(audience)} for tag, audience in shown if audience],
        "took_ms": round(seconds * 1000, 3),
    }


def _json(value: object) -> Reply:
    return Reply(200, as_json(value))
