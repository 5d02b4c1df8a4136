"""The routes of the admin API, each a function from request to reply or effect.

Only the super admin may. What comes in is JSON of the types in `bodies`, checked before anything is asked for; what
goes out shows every setting, also those at their default.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from pushery.core.appchanges import (
    SETTING_NAMES,
    SettingsError,
    add_key,
    change_settings,
    given_problem,
    revoke_key,
    text_problem,
)
from pushery.core.apps import App, Directory, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.basicauth import credentials
from pushery.core.effects import ChangeApp, ListApps, Outcome, RegisterApp, Reload, Reloaded, Route, UnregisterApp
from pushery.core.encoding import as_json
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.ports import Clock, IdSource
from pushery.dialects.admin.bodies import (
    AppKey,
    AppPage,
    AppPatch,
    AppView,
    Caller,
    Registration,
    ReloadReport,
    Removed,
)
from pushery.dialects.admin.guards import BasicGuard, Guard
from pushery.dialects.admin.openapi import Operation, render
from pushery.dialects.admin.reading import read_json, read_numbers

MASK: Final = "********"

MAX_LIMIT: Final = 1000
"""Apps in one page at most."""

DEFAULT_LIMIT: Final = 100

_PARTS: Final = {"name": "name", "auth_account": "account", "auth_password": "password"}
_GIVEN: Final = {"app_key": "key", "app_id": "id", "app_secret": "secret"}
PAGING: Final = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**9, "default": 0},
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/api/admin/apps",
        handler="list_apps",
        summary="List the apps in order of registration.",
        answer=AppPage,
        query=PAGING,
        refusals=(400, 401),
    ),
    Operation(
        method="POST",
        path="/api/admin/apps",
        handler="register",
        summary="Register an app.",
        body=Registration,
        status=201,
        answer=AppView,
        refusals=(400, 401, 409, 413, 415, 503),
    ),
    Operation(
        method="GET",
        path="/api/admin/apps/{app_key}",
        handler="show",
        summary="Show an app with its keys and settings.",
        answer=AppView,
        refusals=(401, 404),
    ),
    Operation(
        method="PATCH",
        path="/api/admin/apps/{app_key}",
        handler="change",
        summary="Change an app's name, admin or settings.",
        body=AppPatch,
        answer=AppView,
        refusals=(400, 401, 404, 413, 415, 503),
    ),
    Operation(
        method="DELETE",
        path="/api/admin/apps/{app_key}",
        handler="unregister",
        summary="Remove an app for good and close its sockets.",
        answer=Removed,
        refusals=(401, 404, 503),
    ),
    Operation(
        method="POST",
        path="/api/admin/apps/{app_key}/keys",
        handler="rotate",
        summary="Give an app a further key; the ones it has stay valid.",
        status=201,
        answer=AppKey,
        refusals=(401, 404, 409, 503),
    ),
    Operation(
        method="DELETE",
        path="/api/admin/apps/{app_key}/keys/{key}",
        handler="revoke",
        summary="Revoke one of an app's keys, but never the last.",
        answer=AppView,
        refusals=(401, 404, 409, 503),
    ),
    Operation(
        method="POST",
        path="/api/admin/reload",
        handler="reload",
        summary="Load the server's settings anew, as SIGHUP does.",
        answer=ReloadReport,
        refusals=(401,),
    ),
    Operation(
        method="GET",
        path="/api/admin/whoami",
        handler="whoami",
        summary="Tell the caller as whom the server sees it.",
        answer=Caller,
        refusals=(401,),
    ),
    Operation(
        method="GET",
        path="/api/admin/openapi.json",
        handler="openapi",
        summary="Describe this API (OpenAPI 3.1).",
        answer=None,
        open=True,
    ),
)
"""Every route: the route table, the reference and the OpenAPI document are made from this."""


class AdminOptions(msgspec.Struct, frozen=True):
    """What the operator decides. With `mask_passwords`, passwords and secrets are shown when they are made, and never
    again.
    """

    auth_account: str
    auth_password: str
    mask_passwords: bool


class Admin:
    """The admin API over `directory`, a live view of the registry."""

    def __init__(
        self, options: AdminOptions, directory: Directory, ids: IdSource, clock: Clock, guard: Guard | None = None
    ) -> None:
        """Without a `guard` of his own, whoever calls sends the super admin's credentials by HTTP Basic."""
        self._given_guard = guard
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._document = render(OPERATIONS).encode()
        self.configure(options)

    def configure(self, options: AdminOptions) -> None:
        """Go by these options from now on."""
        self._options = options
        self._guard = self._given_guard or BasicGuard(credentials(options.auth_account, options.auth_password))

    def routes(self) -> list[Route]:
        """Every route of the API."""
        return [Route(each.method, each.path, getattr(self, each.handler), each.summary) for each in OPERATIONS]

    def list_apps(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/admin/apps"""
        self._guard.operator(request)
        limit, offset = read_numbers(request, PAGING)

        def answer(apps: Sequence[App]) -> Reply:
            apps = self._guard.listed(request, apps)
            shown = [self.shown(app) for app in apps[offset : offset + limit]]
            return _json({"total": len(apps), "limit": limit, "offset": offset, "apps": shown})

        return ListApps(answer)

    def register(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /api/admin/apps"""
        self._guard.operator(request)
        sent = read_json(request, Registration)
        account = sent.name if sent.auth_account is UNSET else sent.auth_account
        password = self._ids.secret() if sent.auth_password is UNSET else sent.auth_password
        _check_texts({"name": sent.name, "auth_account": account, "auth_password": password})
        settings = _with_settings(AppSettings(), sent)
        given = {name: text for name in _GIVEN if (text := getattr(sent, name)) is not UNSET}
        for name, text in given.items():
            _refuse_for(given_problem(_GIVEN[name], text), name)

        def answer(app: App) -> Reply:
            return _json(self.shown(app, whole=True), 201)

        return RegisterApp(sent.name, account, password, request.peer, answer, settings, **given)

    def show(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/admin/apps/{app_key}"""
        return _json(self.shown(self.app_of(request, params)))

    def change(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """PATCH /api/admin/apps/{app_key}"""
        app = self.app_of(request, params)
        sent = read_json(request, AppPatch)
        texts = {name: text for name in _PARTS if (text := getattr(sent, name)) is not UNSET}
        _check_texts(texts)
        self._guard.setter(request, _named_settings(sent))

        def edit(app: App) -> App:
            return replace(app, settings=_with_settings(app.settings, sent), **texts)

        edit(app)  # so that what is wrong is answered without a word to the registry
        return ChangeApp(app.key, self._if_still(request, edit), self._answer)

    def unregister(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """DELETE /api/admin/apps/{app_key}"""
        self._guard.operator(request)
        key = self.app_of(request, params).key
        return UnregisterApp(key, lambda was_there: _json(Removed(key)) if was_there else _unknown_app().reply())

    def rotate(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /api/admin/apps/{app_key}/keys"""
        app = self.app_of(request, params)
        pair = KeyPair(key=self._ids.app_key(), secret=self._ids.secret(), created_ms=self._clock.wall_ms())

        def answer(app: App | None) -> Reply:
            if app is None:
                return _unknown_app().reply()
            return _json(AppKey(pair.key, pair.secret, pair.created_ms), 201)

        return ChangeApp(app.key, self._if_still(request, lambda app: add_key(app, pair)), answer)

    def revoke(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """DELETE /api/admin/apps/{app_key}/keys/{key}"""
        app = self.app_of(request, params)
        return ChangeApp(app.key, self._if_still(request, lambda app: revoke_key(app, params["key"])), self._answer)

    def reload(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST /api/admin/reload"""
        self._guard.operator(request)

        def answer(done: Reloaded) -> Reply:
            return _json(ReloadReport(tuple(done.applied), tuple(done.need_restart), tuple(done.problems)))

        return Reload(answer)

    def whoami(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/admin/whoami"""
        self._guard.operator(request)
        names = (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")
        return _json(Caller(request.peer, request.secure, *(request.header(name).decode("latin-1") for name in names)))

    def openapi(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /api/admin/openapi.json"""
        return Reply(200, self._document)

    def _if_still(self, request: Request, edit: Callable[[App], App]) -> Callable[[App], App]:
        """The edit, if the app is still theirs when its turn comes: else they would be told its new password."""
        still = self._guard.still(request)

        def edit_own(app: App) -> App:
            if not still(app):
                raise _unknown_app()
            return edit(app)

        return edit_own

    def _answer(self, app: App | None) -> Reply:
        return _unknown_app().reply() if app is None else _json(self.shown(app))

    def app_of(self, request: Request, params: Mapping[str, str]) -> App:
        """The app that the path names, for whoever may administer it. Raises Refusal."""
        key = params["app_key"]
        app = self._directory.apps.get(key) or self._directory.by_key.get(key)
        self._guard.administrator(request, app)
        if app is None:
            raise _unknown_app()
        return app

    def shown(self, app: App, *, whole: bool = False) -> dict[str, Any]:
        """The app as `AppView`. Its settings are spelled out: their type would leave out those at their default."""
        masked = self._options.mask_passwords and not whole
        view = AppView(
            app_key=app.key,
            app_id=app.id,
            name=app.name,
            auth_account=app.auth_account,
            auth_password=MASK if masked else app.auth_password,
            request_ip=app.request_ip,
            registered_ms=app.registered_ms,
            keys=tuple(AppKey(pair.key, MASK if masked else pair.secret, pair.created_ms) for pair in app.keys),
            settings=app.settings,
        )
        settings = {name: getattr(app.settings, name) for name in SETTING_NAMES}
        return {**msgspec.structs.asdict(view), "settings": settings}


def _named_settings(patch: AppPatch) -> Collection[str]:
    if patch.settings is UNSET:
        return ()
    return SETTING_NAMES if patch.settings is None else patch.settings


def _with_settings(settings: AppSettings, patch: AppPatch | Registration) -> AppSettings:
    if patch.settings is UNSET:
        return settings
    if patch.settings is None:
        return AppSettings()
    try:
        return change_settings(settings, patch.settings)
    except SettingsError as error:
        message = f"The settings cannot be changed so: {error}."
        raise Refusal(400, "invalid_settings", message, parameter="settings", problems=error.problems) from None


def _check_texts(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        _refuse_for(text_problem(_PARTS[name], text), name)


def _refuse_for(problem: str | None, parameter: str) -> None:
    if problem:
        message = f"{problem[0].upper()}{problem[1:]}."
        raise Refusal(400, "malformed_parameter", message, parameter=parameter)


def _unknown_app() -> Refusal:
    return Refusal(404, "unknown_app", "There is no app with this key: register one, or check the key.")


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, as_json(value))
