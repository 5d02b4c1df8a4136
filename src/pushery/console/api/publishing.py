"""Trying an app out: a push to tags, an event to channels, by the rules that the app's backend goes by."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from pushery.core.apps import App
from pushery.core.channelnames import kind_of
from pushery.core.effects import Outcome, Publish, PublishEvent, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.hub import Crowd
from pushery.core.patterns import PatternError
from pushery.core.publications import ChannelEvent, Publication
from pushery.dialects.admin import Admin
from pushery.dialects.admin.reading import read_json
from pushery.dialects.pusher.errors import ApiRefusal
from pushery.dialects.pusher.requests import read_event
from pushery.dialects.pusher.signing import Query


class _Push(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: Annotated[str, Meta(min_length=1)]
    pattern: str | None = None
    """Which tags get it; none, or an empty one: all."""


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As a backend of the Pusher dialect would send it, with text for data."""

    name: str
    channels: Annotated[tuple[str, ...], Meta(min_length=1)]
    data: str


class PublishingRoutes:
    """`admin` finds the app, for whom the gate lets change it."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def routes(self) -> list[Route]:
        """Every route of this part."""
        app = "/console/api/apps/{app_key}"
        return [
            Route("POST", f"{app}/push", self.push, "Push to all of an app, or to the tags a pattern matches."),
            Route("POST", f"{app}/events", self.event, "Publish an event to channels of an app."),
        ]

    def push(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/api/apps/{app_key}/push"""
        app = self._admin.app_of(request, params)
        _require_in_use(app, "gopusher", is_spoken=app.settings.gopusher)
        sent = read_json(request, _Push)
        publication = Publication(app.key, sent.content.encode(), sent.pattern or None)
        return Publish(publication, _total, _bad_pattern, _too_fast)

    def event(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /console/api/apps/{app_key}/events"""
        app = self._admin.app_of(request, params)
        _require_in_use(app, "pusher", is_spoken=app.settings.pusher)
        read_json(request, _Event)
        try:
            event = read_event(request.body, Query(), app.settings).event
        except ApiRefusal as refusal:
            return Refusal.reply(refusal)  # as JSON, as all refusals here
        _require_readable(event)
        return PublishEvent(app.key, (event,), _sum, _bad_pattern, _too_fast)


def _require_in_use(app: App, dialect: str, *, is_spoken: bool) -> None:
    if not app.settings.enabled:
        raise Refusal(403, "app_disabled", "The app is switched off: its setting 'enabled' is false.")
    if not is_spoken:
        message = f"The app does not speak this protocol: its setting '{dialect}' is false."
        raise Refusal(403, "dialect_disabled", message)


def _require_readable(event: ChannelEvent) -> None:
    """What goes to an encrypted channel is for its subscribers to decrypt, with a key that this server never has."""
    for name in event.channels:
        if kind_of(name).encrypted:
            message = f"Only the app's backend can publish to {name}: it has the key that this channel encrypts with."
            raise Refusal(400, "encrypted_channel", message, parameter="channels")


def _total(total: int) -> Reply:
    return Reply(200, as_json({"total": total}))


def _sum(crowd: Crowd, totals: Sequence[int]) -> Reply:
    return _total(sum(totals))


def _bad_pattern(error: PatternError) -> Reply:
    # The page points at the place in the pattern as well, and calls the first character 1.
    message = f"This is not a valid RE2 pattern: {error}, at character {error.position + 1}."
    return Refusal(400, "invalid_pattern", message, parameter="pattern", position=error.position).reply()


def _too_fast(limit: int) -> Reply:
    message = f"More than {limit} in a second are not taken: send this one again later."
    return Refusal(429, "too_fast", message, headers=(("Retry-After", "1"),)).reply()
