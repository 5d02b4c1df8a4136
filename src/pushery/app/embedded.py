"""A server inside somebody else's asyncio program: `async with Server(...) as server`.

The process stays the host's: no signal is handled, no logging configured, the collector and the limit on open files
are left as they are, and no configuration file or environment variable is read. What the host publishes goes through
the same checks as what comes in by HTTP. Invariant: everything but the making happens on the loop that `start` ran on.
"""

import secrets
from collections.abc import Awaitable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from pushery.app.application import Application, Host
from pushery.config import Settings, load
from pushery.core.appchanges import SettingsError, change_settings, given_problem, text_problem
from pushery.core.apps import App
from pushery.core.appsettings import AppSettings
from pushery.core.effects import Effect, Publish, PublishEvent, RegisterApp, UnregisterApp
from pushery.core.exchange import Refusal, Reply
from pushery.core.hub import Crowd
from pushery.core.patterns import PatternError
from pushery.core.publications import Publication
from pushery.dialects.pusher.requests import read_event
from pushery.dialects.pusher.signing import Query
from pushery.server.door import Door

EMBEDDED: Final = Host(owns_process=False)

_NOWHERE: Final = "127.0.0.1:0"
"""Where the host asks from, which an app's `request_ip` tells."""

_DONE: Final = Reply(200)


class Refused(Exception):
    """The server does not do what it was asked. The message says why; `code` is one of the reference's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Server:
    """A server that the host starts and stops.

    `settings` are whole `Settings`, or else keywords of the same names, in the forms that the configuration file has;
    the account is "admin" and the password drawn at random unless given. Raises ConfigError with all that is wrong.
    `host` is for adapters that bring the requests themselves.
    """

    def __init__(self, settings: Settings | None = None, *, host: Host = EMBEDDED, **keywords: object) -> None:
        if settings is not None and keywords:
            raise TypeError("give either Settings or keywords, not both")
        self.settings = settings if settings is not None else _settings_of(keywords)
        self._host = host
        self._application: Application | None = None

    async def start(self) -> None:
        """Open the registry and listen. Raises StartError, and RuntimeError when it runs already."""
        if self._application is not None:
            raise RuntimeError("the server runs already")
        application = Application(self.settings, self._host)
        try:
            await application.start()
        except BaseException:
            await application.stop()
            raise
        self._application = application

    async def stop(self) -> None:
        """Answer what is under way, close every socket (1012) and let go, within `shutdown_timeout` and a moment.

        Harmless when it does not run.
        """
        application, self._application = self._application, None
        if application is not None:
            await application.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port it listens on: the one it has got, where `listen` asks for any (port 0)."""
        return self._running.port

    @property
    def url(self) -> str:
        """Where it is reached from this machine: "http://127.0.0.1:8001", or https with a certificate."""
        return self._url(self.settings.address.host, self._running.port)

    @property
    def admin_url(self) -> str:
        """Where backends reach it: `url`, unless `admin_listen` is set."""
        admin, port = self.settings.admin_address, self._running.admin_port
        return self.url if admin is None or port is None else self._url(admin.host, port)

    def _url(self, host: str, port: int) -> str:
        scheme = "https" if self.settings.tls_certificate else "http"
        reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # not bound
        return f"{scheme}://{f'[{reached}]' if ':' in reached else reached}:{port}"

    @property
    def front(self) -> Door:
        """Where requests are answered, for adapters that bring them."""
        return self._running.front

    @property
    def apps(self) -> Sequence[App]:
        """All apps in order of registration, as they are now."""
        return tuple(self._running.registry.apps.values())

    async def register_app(
        self,
        name: str,
        *,
        auth_account: str = "",
        auth_password: str = "",
        app_key: str = "",
        app_id: str = "",
        app_secret: str = "",
        **settings: object,
    ) -> App:
        """Register an app for good. The account is the name unless given; password, key, id and secret are drawn.

        `app_key`, `app_id` and `app_secret` are those that an app keeps which comes from another server. `settings` are
        settings of the app, such as `client_events=True`. Raises Refused, and StorageError.
        """
        account, password = auth_account or name, auth_password or secrets.token_hex(20)
        kept = {"app_key": app_key or None, "app_id": app_id or None, "app_secret": app_secret or None}
        _check_texts({"name": name, "account": account, "password": password}, kept)
        try:
            chosen = change_settings(AppSettings(), settings)
        except SettingsError as error:
            raise Refused("invalid_settings", str(error)) from None
        registered: list[App] = []

        def answer(app: App) -> Reply:
            registered.append(app)
            return _DONE

        try:
            await self._perform(RegisterApp(name, account, password, _NOWHERE, answer, chosen, **kept))
        except Refusal as refusal:  # the key or the id is taken
            raise Refused(refusal.code, refusal.message) from None
        return registered[0]

    async def unregister_app(self, app: App | str) -> bool:
        """Remove an app (or the one with this key) for good and close its sockets (4001); False when it was not there.

        Raises StorageError.
        """
        gone: list[bool] = []

        def answer(was_there: bool) -> Reply:
            gone.append(was_there)
            return _DONE

        await self._perform(UnregisterApp(_key_of(app), answer))
        return gone[0]

    async def push(self, app: App | str, text: str, *, pattern: str | None = None) -> int:
        """Push `text` to all of an app, or to the tags that `pattern` (RE2) matches; returns to how many sockets.

        Raises Refused.
        """
        found = self._app(app)
        if not found.settings.gopusher:
            raise Refused("dialect_disabled", "The app's setting 'gopusher' is false.")
        total = _Total()
        await self._perform(Publish(Publication(found.key, text.encode(), pattern), total.one, _bad_pattern, _too_fast))
        return total.value

    async def trigger(
        self,
        app: App | str,
        channels: str | Iterable[str],
        event: str,
        data: object,
        *,
        socket_id: str | None = None,
        pattern: str | None = None,
    ) -> int:
        """Publish an event to a channel or several; returns to how many sockets.

        `data` that is no string becomes JSON. The socket `socket_id` gets nothing. With `pattern` (RE2), and no
        channels, it goes to all channels whose name matches. Raises Refused, and TypeError for what JSON cannot hold.
        """
        found = self._app(app)
        if not found.settings.pusher:
            raise Refused("dialect_disabled", "The app's setting 'pusher' is false.")
        wanted = {
            "name": event,
            "data": data if isinstance(data, str) else msgspec.json.encode(data).decode(),
            "channels": [channels] if isinstance(channels, str) else list(channels),
            "channel_pattern": pattern,
            "socket_id": socket_id,
        }
        try:
            checked = read_event(msgspec.json.encode(wanted), Query(), found.settings).event
        except Refusal as refusal:
            raise Refused(refusal.code, refusal.message) from None
        total = _Total()
        await self._perform(PublishEvent(found.key, (checked,), total.sum, _bad_pattern, _too_fast))
        return total.value

    @property
    def _running(self) -> Application:
        if self._application is None:
            raise RuntimeError("the server does not run: use it inside 'async with', or call start() first")
        return self._application

    def _app(self, app: App | str) -> App:
        """The app as it is now."""
        directory = self._running.registry.directory
        key = _key_of(app)
        found = directory.apps.get(key) or directory.by_key.get(key)
        if found is None:
            raise Refused("unknown_app", f"There is no app with the key {key!r}.")
        if not found.settings.enabled:
            raise Refused("app_disabled", "The app is switched off: its setting 'enabled' is false.")
        return found

    async def _perform(self, effect: Effect) -> None:
        outcome = self._running.front.shared.node.perform(effect)
        if isinstance(outcome, Awaitable):
            await outcome


class _Total:
    """Takes the outcome of a publish."""

    def __init__(self) -> None:
        self.value = 0

    def one(self, total: int) -> Reply:
        self.value = total
        return _DONE

    def sum(self, crowd: Crowd, totals: Sequence[int]) -> Reply:
        self.value = sum(totals)
        return _DONE


def _settings_of(keywords: dict[str, Any]) -> Settings:
    drawn = {"auth_account": "admin", "auth_password": secrets.token_hex(20)}
    return load(None, {}, {}, drawn | keywords)


def _check_texts(texts: dict[str, str], kept: dict[str, str | None]) -> None:
    problems = [text_problem(what, text) for what, text in texts.items()]
    problems += [given_problem(name.removeprefix("app_"), text) for name, text in kept.items() if text is not None]
    for problem in filter(None, problems):
        raise Refused("malformed_parameter", f"{problem[:1].upper()}{problem[1:]}.")


def _key_of(app: App | str) -> str:
    return app if isinstance(app, str) else app.key


def _bad_pattern(error: PatternError) -> Reply:
    raise Refused("invalid_pattern", f"not a valid RE2 pattern: {error}, at character {error.position + 1}.") from None


def _too_fast(limit: int) -> Reply:
    raise Refused("too_fast", f"More than {limit} in a second are not taken: publish this again later.")
