"""The HTTP side of the GoPusher dialect: its routes, each a function from request to reply or effect.

Authentication comes before existence: without valid credentials every app key answers 401, known or not.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from pushery.core.appchanges import is_web_url
from pushery.core.apps import MAX_NAME, App, Directory
from pushery.core.appsettings import MAX_URL, AppSettings
from pushery.core.basicauth import administers, credentials, match, name_of, sent_credentials, unauthorized
from pushery.core.effects import (
    AskHook,
    Inspect,
    ListApps,
    Once,
    OpenSocket,
    Outcome,
    Publish,
    RegisterApp,
    Route,
    UnregisterApp,
)
from pushery.core.encoding import as_json, as_msgpack
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.hub import Crowd
from pushery.core.once import idempotency_key
from pushery.core.patterns import PatternError
from pushery.core.ports import Clock
from pushery.core.publications import Publication
from pushery.core.tokens import sent_token
from pushery.dialects.gopusher.entry import check_token, not_admitted, require_origin
from pushery.dialects.gopusher.parameters import Parameters
from pushery.dialects.gopusher.session import GoPusherSession, PassingSession

MAX_LIMIT: Final = 1000
"""Rows in a page at most, and for limit 0."""

MAX_TAG: Final = 200
"""Characters of a user tag."""

MASK: Final = "********"

T = TypeVar("T")


class GoPusherOptions(msgspec.Struct, frozen=True):
    """What the operator decides. `message_limit` is in bytes."""

    auth_account: str
    auth_password: str
    mask_passwords: bool
    message_limit: int


class _Pushed(msgspec.Struct, frozen=True):
    app_key: str
    content: str
    user_tag: str
    total: str


class _Online(msgspec.Struct, frozen=True):
    app_key: str
    total: int
    limit: int
    page: int
    user_tags: Sequence[str]


class _AppRow(msgspec.Struct, frozen=True):
    app_key: str
    app_name: str
    auth_account: str
    auth_password: str
    request_ip: str
    date: str
    timestamp: str


class _AppPage(msgspec.Struct, frozen=True):
    limit: int
    offset: int
    total: int
    data: Sequence[_AppRow]


class _Registered(msgspec.Struct, frozen=True):
    app_name: str
    auth_account: str
    auth_password: str
    app_key: str
    request_ip: str
    app_id: str
    app_secret: str


class GoPusher:
    """The dialect over `directory`, a live view of the registry.

    Clients connect with any valid key of an app. Its routes also know it by what it is called, which may be a key that
    has been revoked since: they go by account and password. Replies repeat the key that was asked with.
    """

    def __init__(self, options: GoPusherOptions, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.configure(options)

    def configure(self, options: GoPusherOptions) -> None:
        """Go by these options from now on."""
        self._options = options
        self._super_admin = credentials(options.auth_account, options.auth_password)

    def routes(self) -> list[Route]:
        """Every route of the dialect."""
        return [
            Route("POST", "/api/register", self.register, "Register an app (super admin)."),
            Route("DELETE", "/api/{app_key}/unregister", self.unregister, "Remove an app and close its sockets."),
            Route("GET", "/api/app-list/{limit}/{page}", self.app_list, "List the apps (super admin)."),
            Route("POST", "/api/push/{app_key}", self.push, "Push to all of an app, or to the tags a pattern matches."),
            Route("GET", "/api/{app_key}/listonlineuser/{limit}/{page}", self.list_online, "List the tags online."),
            Route("GET", "/ws/{app_key}/{user_tag}", self.connect, "Connect a client (WebSocket).", door="clients"),
        ]

    def register(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /api/register"""
        self._require_super_admin(request)
        sent = Parameters(request)
        name, account, password = (_short(sent, name) for name in ("app_name", "auth_account", "auth_password"))
        if ":" in account:
            message = "An auth_account cannot contain ':', which HTTP Basic auth ends it with."
            raise Refusal(400, "malformed_parameter", message, parameter="auth_account")
        settings = AppSettings(connect_hook=_hook_url(sent.optional("connect_hook")))
        return RegisterApp(name, account, password, request.peer, _registered, settings)

    def unregister(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """DELETE /api/{app_key}/unregister"""
        app = self._require_admin(request, params["app_key"])
        return UnregisterApp(app.key, _unregistered)

    def app_list(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/app-list/{limit}/{page}"""
        self._require_super_admin(request)
        limit, page = _paging(params)
        mask = self._options.mask_passwords

        def answer(apps: Sequence[App]) -> Reply:
            rows = [_app_row(app, mask=mask) for app in _page_of(apps, limit, page)]
            return _json(_AppPage(limit, page, len(apps), rows))

        return ListApps(answer)

    def push(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /api/push/{app_key}"""
        app = self._require_admin(request, params["app_key"])
        _require_in_use(app)
        sent = Parameters(request)
        content, user_tag = sent.required("content"), sent.optional("user_tag")

        def answer(total: int) -> Reply:
            return _json(_Pushed(params["app_key"], content, user_tag, str(total)))

        publication = Publication(app.key, content.encode(), user_tag or None)
        return Publish(publication, answer, _bad_pattern, _too_fast, _once(request, content, user_tag))

    def list_online(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/{app_key}/listonlineuser/{limit}/{page}"""
        app = self._require_admin(request, params["app_key"])
        limit, page = _paging(params)

        def answer(crowd: Crowd) -> Reply:
            tags = crowd.tags.names()
            return _json(_Online(params["app_key"], len(tags), limit, page, _page_of(tags, limit, page)))

        return Inspect(app.key, answer)

    def connect(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /ws/{app_key}/{user_tag}"""
        key, tag = params["app_key"], params["user_tag"]
        app = self._app_in_use(key)
        require_origin(request, app)
        if not 0 < len(tag) <= MAX_TAG:
            raise Refusal(
                400, "malformed_parameter", f"A user tag has 1 to {MAX_TAG} characters.", parameter="user_tag"
            )
        token, hook = sent_token(request).token, app.settings.connect_hook
        if not hook:
            return self._open(app, tag, check_token(token, app, tag, self._clock.wall_ms()))
        if not token:
            raise not_admitted()

        def answer(admitted: bool) -> OpenSocket:
            if not admitted:
                raise not_admitted()
            return self._open(self._app_in_use(key), tag, None)

        return AskHook(app.key, hook, token, tag, answer)

    def _open(self, app: App, tag: str, left_s: float | None) -> OpenSocket:
        limit = self._options.message_limit
        if left_s is None:
            return OpenSocket(GoPusherSession(app.key, tag, limit))
        return OpenSocket(PassingSession(app.key, tag, limit, left_s))

    def _app_in_use(self, key: str) -> App:
        """The app that clients with this key come to. Raises Refusal."""
        app = self._directory.by_key.get(key)
        if app is None:
            raise _unknown_app()
        _require_in_use(app)
        return app

    def _require_super_admin(self, request: Request) -> None:
        sent = sent_credentials(request)
        if not match(sent, self._super_admin):
            raise unauthorized()
        request.verified = name_of(sent)

    def _require_admin(self, request: Request, app_key: str) -> App:
        """The app, for its own admin or the super admin."""
        sent = sent_credentials(request)
        app = self._directory.apps.get(app_key) or self._directory.by_key.get(app_key)
        if administers(sent, app) or match(sent, self._super_admin):
            request.verified = name_of(sent)
            if app is None:
                raise _unknown_app()
            return app
        raise unauthorized()


def _short(sent: Parameters, name: str) -> str:
    value = sent.required(name)
    if len(value) > MAX_NAME:
        raise Refusal(400, "malformed_parameter", f"'{name}' has at most {MAX_NAME} characters.", parameter=name)
    return value


def _hook_url(url: str) -> str:
    if url and (len(url) > MAX_URL or not is_web_url(url)):
        message = f"'connect_hook' must be an http or https URL with a host, of at most {MAX_URL} characters."
        raise Refusal(400, "malformed_parameter", message, parameter="connect_hook")
    return url


def _require_in_use(app: App) -> None:
    if not app.settings.enabled:
        message = "The app is switched off: its setting 'enabled' is false."
        raise Refusal(403, "app_disabled", message)
    if not app.settings.gopusher:
        message = "The app does not speak this protocol: its setting 'gopusher' is false."
        raise Refusal(403, "dialect_disabled", message)


def _unknown_app() -> Refusal:
    return Refusal(404, "unknown_app", "There is no app with this key: register one, or check the key.")


def _bad_pattern(error: PatternError) -> Reply:
    message = f"user_tag is not a valid RE2 pattern: {error}, at character {error.position + 1}."
    return Refusal(400, "invalid_pattern", message, parameter="user_tag", position=error.position).reply()


def _too_fast(limit: int) -> Reply:
    message = f"More than {limit} pushes in a second are not taken: send this one again later."
    return Refusal(429, "too_fast", message, headers=(("Retry-After", "1"),)).reply()


def _once(request: Request, content: str, user_tag: str) -> Once | None:
    """Set when the request carries a key that tells its retries from new pushes."""
    try:
        key = idempotency_key(request)
    except ValueError as error:
        raise Refusal(400, "invalid_idempotency_key", f"{error}.") from None
    if not key:
        return None
    return Once(key, sha256(as_msgpack((content, user_tag))).digest(), _key_reused)


def _key_reused() -> Reply:
    message = "This Idempotency-Key was used for another push: take a new key for every push, the same for its retries."
    return Refusal(422, "idempotency_key_reused", message).reply()


def _paging(params: Mapping[str, str]) -> tuple[int, int]:
    """Limit and page as they are served: limit 0 is the maximum, page 0 is page 1."""
    limit, page = _number(params, "limit"), _number(params, "page")
    return min(limit or MAX_LIMIT, MAX_LIMIT), page or 1


def _number(params: Mapping[str, str], name: str) -> int:
    text = params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(
            400, "malformed_parameter", f"'{name}' must be a whole number of at most 18 digits.", parameter=name
        )
    return int(text)


def _page_of(items: Sequence[T], limit: int, page: int) -> Sequence[T]:
    return items[(page - 1) * limit : page * limit]


def _app_row(app: App, *, mask: bool) -> _AppRow:
    date = datetime.fromtimestamp(app.registered_ms / 1000).strftime("%Y/%m/%d %H:%M:%S")  # local time, as documented
    password = MASK if mask else app.auth_password
    return _AppRow(app.key, app.name, app.auth_account, password, app.request_ip, date, str(app.registered_ms))


def _registered(app: App) -> Reply:
    return _json(
        _Registered(app.name, app.auth_account, app.auth_password, app.key, app.request_ip, app.id, app.secret)
    )


def _unregistered(was_there: bool) -> Reply:
    if not was_there:
        return _unknown_app().reply()
    return Reply(200, b'{"message":"Scuess"}')  # the documented wire value, misspelling and all: clients compare it


def _json(value: object) -> Reply:
    return Reply(200, as_json(value))
