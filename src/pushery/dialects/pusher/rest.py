"""The HTTP API of the Pusher dialect: its routes, each a function from request to reply or effect.

Who asks is settled before anything else: which app, whether the signature is good, whether the app may use the API.
Source: Pusher Channels protocol, section 12. Routes about connections and sockets, `channel_pattern`, `receivers` and
idempotency keys are ours.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from pushery.core.apps import App, Directory
from pushery.core.channelnames import is_channel_name, kind_of
from pushery.core.effects import Inspect, Once, Outcome, PublishEvent, Route, TerminateUser
from pushery.core.encoding import as_json, as_msgpack
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Crowd
from pushery.core.ports import Clock
from pushery.core.publications import ChannelEvent
from pushery.dialects.pusher import errors, queries
from pushery.dialects.pusher.requests import (
    CACHE,
    OF_CHANNEL,
    OF_CHANNELS,
    RECEIVERS,
    USER_COUNT,
    Wanted,
    read_batch,
    read_event,
    read_idempotency_key,
    read_info,
    read_limit,
    read_raw_event,
)
from pushery.dialects.pusher.signing import Query, read_query, verify

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""Sockets in a page: when nothing is said, and at most."""

_DONE: Final = Reply(200, b"{}")
_ACCEPTED: Final = Reply(202, b"{}")

_Answer = Callable[[Crowd, Sequence[int]], Reply]


class PusherApi:
    """The API over the apps there are."""

    def __init__(self, directory: Directory, clock: Clock, max_age_s: float) -> None:
        """`max_age_s` is the server's setting `signature_max_age`."""
        self._directory = directory
        self._clock = clock
        self.configure(max_age_s)

    def configure(self, max_age_s: float) -> None:
        """Take requests that are at most so old, from now on."""
        self._max_age_s = max_age_s

    def routes(self) -> list[Route]:
        """Every route of the API. Libraries may put a path before `/apps`."""
        app, channel, user = "/apps/{app_id}", "/apps/{app_id}/channels/{channel}", "/apps/{app_id}/users/{user_id*}"
        return [
            Route("POST", f"{app}/events", self.events, "Publish an event.", prefixed=True),
            Route("POST", f"{app}/batch_events", self.batch_events, "Publish several events.", prefixed=True),
            Route("GET", f"{app}/channels", self.channels, "List the occupied channels.", prefixed=True),
            Route("GET", channel, self.channel, "Ask about one channel.", prefixed=True),
            Route("GET", f"{channel}/users", self.users, "List who is present on a channel.", prefixed=True),
            Route("POST", f"{channel}/events", self.raw_event, "Publish an event (deprecated).", prefixed=True),
            Route("GET", f"{channel}/stats", self.stats, "Ask about one channel (deprecated).", prefixed=True),
            Route("POST", f"{user}/terminate_connections", self.terminate, "Disconnect a user.", prefixed=True),
            Route("POST", "/users/{user_id*}/terminate_connections", self.terminate, "Disconnect a user (Python)."),
            Route("GET", f"{user}/connections", self.user_connections, "List a user's sockets.", prefixed=True),
            Route("GET", f"{app}/connections", self.connections, "Count the sockets.", prefixed=True),
            Route("GET", f"{app}/sockets", self.sockets, "List the sockets.", prefixed=True),
        ]

    def events(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /apps/{app_id}/events"""
        app, query = self._caller(request, params)
        wanted = read_event(request.body, query, app.settings)
        if not wanted.info:
            return self._publish(app, request, query, (wanted.event,), _done)
        return self._publish(app, request, query, *self._with_info(wanted))

    def batch_events(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /apps/{app_id}/batch_events"""
        app, query = self._caller(request, params)
        batch = read_batch(request.body, app.settings)
        answer = self._batch_answer(batch) if any(wanted.info for wanted in batch) else _done
        return self._publish(app, request, query, [wanted.event for wanted in batch], answer)

    def raw_event(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /apps/{app_id}/channels/{channel}/events"""
        app, query = self._caller(request, params)
        wanted = read_raw_event(params["channel"], request.body, query, app.settings)
        return self._publish(app, request, query, (wanted.event,), _accepted)

    def channels(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/channels"""
        app, query = self._caller(request, params)
        prefix = query.values.get("filter_by_prefix", "")
        info = read_info(query.text("info"), OF_CHANNELS)
        if USER_COUNT in info and not prefix.startswith("presence-"):
            text = (
                "user_count may only be requested for presence channels - "
                "please supply filter_by_prefix begining with presence-"  # spelled so
            )
            raise errors.malformed("user_count_without_presence", text)
        return self._look(app, lambda crowd, now: queries.all_channels(crowd.channels, prefix, info, now))

    def channel(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/channels/{channel}"""
        app, query = self._caller(request, params)
        name = _channel_name(params)
        info, kind = read_info(query.text("info"), OF_CHANNEL), kind_of(name)
        if USER_COUNT in info and not kind.presence:
            text = "Cannot retrieve the user count unless the channel is a presence channel"
            raise errors.malformed("user_count_without_presence", text)
        if CACHE in info and not kind.cached:
            raise errors.malformed(
                "cache_without_cache_channel", "Cannot retrieve the cache unless the channel has one"
            )
        return self._look(app, lambda crowd, now: queries.one_channel(crowd.channels, name, info, now))

    def users(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/channels/{channel}/users"""
        app, query = self._caller(request, params)
        name = _channel_name(params)
        if not kind_of(name).presence:
            raise errors.malformed("users_without_presence", "Users can only be retrieved for presence channels")
        with_info = query.values.get("with_user_info") in ("1", "true")
        return self._look(app, lambda crowd, now: queries.channel_users(crowd.channels, name, with_info=with_info))

    def stats(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/channels/{channel}/stats"""
        app, _ = self._caller(request, params)
        name = _channel_name(params)
        return self._look(app, lambda crowd, now: queries.channel_stats(crowd.channels, name))

    def terminate(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /apps/{app_id}/users/{user_id*}/terminate_connections, and without the app"""
        app, _ = self._caller(request, params)
        return TerminateUser(app.key, _user_id(params), _terminated)

    def user_connections(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/users/{user_id*}/connections"""
        app, _ = self._caller(request, params)
        user_id = _user_id(params)
        return self._look(app, lambda crowd, now: queries.user_sockets(crowd, user_id))

    def connections(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/connections"""
        app, _ = self._caller(request, params)
        return self._look(app, lambda crowd, now: {"connections": len(crowd.sockets)})

    def sockets(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /apps/{app_id}/sockets"""
        app, query = self._caller(request, params)
        limit, after = read_limit(query, DEFAULT_LIMIT, MAX_LIMIT), query.values.get("after", "")
        return self._look(app, lambda crowd, now: queries.sockets_page(crowd, limit, after))

    def _caller(self, request: Request, params: Mapping[str, str]) -> tuple[App, Query]:
        """The app that has signed the request, and the request's parameters."""
        query = read_query(request.query)
        app_id, app = params.get("app_id"), None
        if app_id is not None:
            app = self._directory.by_id.get(app_id)
            if app is None:
                raise errors.unknown_app()
        key = query.values.get("auth_key")
        if key is None:
            raise errors.missing_auth("auth_key")
        owner = self._directory.by_key.get(key)
        if owner is None or (app is not None and owner is not app):
            raise errors.unknown_key()
        verify(request, query, owner, self._clock.wall_ms(), self._max_age_s)
        request.verified = query.values["auth_key"]
        if not owner.settings.enabled:
            raise errors.forbidden("this app is disabled")
        if not owner.settings.pusher:
            raise errors.forbidden("the Pusher protocol is switched off for this app")
        return owner, query

    def _look(self, app: App, at: Callable[[Crowd, float], queries.Answer]) -> Inspect:
        return Inspect(app.key, lambda crowd: _json(at(crowd, self._clock.monotonic())))

    def _publish(
        self, app: App, request: Request, query: Query, events: Sequence[ChannelEvent], answer: _Answer
    ) -> PublishEvent:
        key = read_idempotency_key(request)
        once = Once(key, _fingerprint(request, query), errors.key_reused) if key else None
        return PublishEvent(app.key, events, answer, errors.bad_pattern, errors.too_fast, once)

    def _with_info(self, wanted: Wanted) -> tuple[Sequence[ChannelEvent], _Answer]:
        """How to publish one event so that what was asked about its channels can be answered, and that answer."""
        event, info = wanted.event, wanted.info
        if event.pattern is not None:
            return (event,), _receivers if RECEIVERS in info else _done
        events: Sequence[ChannelEvent] = (event,)
        if RECEIVERS in info:  # totals are counted for each event
            events = [msgspec.structs.replace(event, channels=(name,)) for name in event.channels]

        def answer(crowd: Crowd, totals: Sequence[int]) -> Reply:
            now = self._clock.monotonic()
            found = {name: queries.about_channel(crowd.channels, name, info, now) for name in event.channels}
            if RECEIVERS in info:
                for name, total in zip(event.channels, totals, strict=True):
                    found[name][RECEIVERS] = total
            return _json({"channels": found})

        return events, answer

    def _batch_answer(self, batch: Sequence[Wanted]) -> _Answer:
        def answer(crowd: Crowd, totals: Sequence[int]) -> Reply:
            now = self._clock.monotonic()
            rows = []
            for wanted, total in zip(batch, totals, strict=True):
                row = queries.about_channel(crowd.channels, wanted.event.channels[0], wanted.info, now)
                if RECEIVERS in wanted.info:
                    row[RECEIVERS] = total
                rows.append(row)
            return _json({"batch": rows})

        return answer


def _done(crowd: Crowd, totals: Sequence[int]) -> Reply:
    return _DONE


def _accepted(crowd: Crowd, totals: Sequence[int]) -> Reply:
    return _ACCEPTED


def _receivers(crowd: Crowd, totals: Sequence[int]) -> Reply:
    return _json({RECEIVERS: totals[0]})


def _terminated(count: int) -> Reply:
    return _DONE


def _json(value: object) -> Reply:
    return Reply(200, as_json(value))


def _channel_name(params: Mapping[str, str]) -> str:
    name = params["channel"]
    if not is_channel_name(name):
        raise errors.bad_channel(name)
    return name


def _user_id(params: Mapping[str, str]) -> str:
    if not params["user_id"]:
        raise errors.missing("user_id")
    return params["user_id"]


def _fingerprint(request: Request, query: Query) -> bytes:
    """The same for the same request, whenever it was signed."""
    unsigned = sorted(pair for pair in query.values.items() if not pair[0].startswith(("auth_", "body_md5")))
    parts = (request.path, unsigned, sorted(query.arrays.items()), request.body)
    return hashlib.sha256(as_msgpack(parts)).digest()
