"""An app: one tenant of the server, with its own keys, administrator, settings and sockets."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from pushery.core.appsettings import AppSettings

MAX_NAME: Final = 200
"""Characters of an app's name, account and password each."""


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """A key that clients connect with, and the secret that its backend signs with."""

    key: str
    secret: str
    created_ms: int = 0


class AppDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An app as somebody asks for it, before the registry has given it its place.

    `key` and `secret` come from an `IdSource`, or from whoever keeps those of another server (`given_problem` of
    `core.appchanges`).
    `request_ip` is "ip:port" of whoever asked. `registered_ms` is unix time in milliseconds.
    """

    key: str
    secret: str
    name: str
    auth_account: str
    auth_password: str
    request_ip: str
    registered_ms: int
    settings: AppSettings = AppSettings()


class App(AppDraft, frozen=True, kw_only=True):
    """A registered app.

    `id` is what backends call it. The registry's own ids are decimal digits, unique for ever, rising in order of
    registration; one that was given is free again when its app is removed.
    `key` is what the app is called for as long as it lives. What clients and backends prove themselves with are `keys`,
    the oldest first: at first the one it was registered with, two while keys are being rotated, never none.
    """

    id: str
    keys: tuple[KeyPair, ...] = ()

    def __post_init__(self) -> None:
        if not self.keys:
            first = KeyPair(key=self.key, secret=self.secret, created_ms=self.registered_ms)
            msgspec.structs.force_setattr(self, "keys", (first,))

    def secret_of(self, key: str) -> str | None:
        """The secret that belongs to one of the app's valid keys."""
        for pair in self.keys:
            if pair.key == key:
                return pair.secret
        return None


class Directory:
    """The apps there are, by everything one may know about them. Live: whoever holds it sees every change."""

    __slots__ = ("_all", "_apps", "_by_id", "_by_key", "all", "apps", "by_id", "by_key")

    def __init__(self, apps: Iterable[App] = ()) -> None:
        self._apps: dict[str, App] = {}
        self._all: dict[str, App] = {}
        self._by_id: dict[str, App] = {}
        self._by_key: dict[str, App] = {}
        self.apps: Mapping[str, App] = MappingProxyType(self._apps)
        """By `App.key`, in order of registration: what an app is called, whatever has been rotated since."""
        self.all: Mapping[str, App] = MappingProxyType(self._all)
        """Those, and the server's own, which nobody has registered and no key leads to."""
        self.by_id: Mapping[str, App] = MappingProxyType(self._by_id)
        self.by_key: Mapping[str, App] = MappingProxyType(self._by_key)
        """By every key that is valid now."""
        for app in apps:
            self.put(app)

    def put(self, app: App) -> None:
        """Take in a new app, or what it has become."""
        before = self._apps.get(app.key)
        if before is not None:
            self._forget(before)
        self._apps[app.key] = self._all[app.key] = app
        self._by_id[app.id] = app
        self._by_key.update((pair.key, app) for pair in app.keys)

    def drop(self, app_key: str) -> bool:
        """Forget an app; False when it was not there."""
        app = self._apps.pop(app_key, None)
        if app is not None:
            del self._all[app_key]
            self._forget(app)
        return app is not None

    def put_own(self, app: App) -> None:
        """Take in an app of the server's own: its sockets are let in by whoever put it here, and nothing lists it."""
        self._all[app.key] = app

    def _forget(self, app: App) -> None:
        """Let its id and its keys lead to it no more; those that were given to another meanwhile lead there."""
        if self._by_id.get(app.id) is app:
            del self._by_id[app.id]
        for pair in app.keys:
            if self._by_key.get(pair.key) is app:
                del self._by_key[pair.key]
