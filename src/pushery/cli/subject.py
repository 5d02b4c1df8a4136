"""The app that `pushery doctor` and `pushery bench` try things with: read, and never changed.

It comes from the registry where that is on this machine and has it, and else from the server's admin API. Invariant:
looking for it creates no database, no key file and no schema.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pushery.cli.target import Target, Unreachable, basic
from pushery.config import Settings
from pushery.core.apps import App, Directory
from pushery.core.ports import StorageError

NO_APPS = "there is no app yet"
MAKE_ONE = "pushery app add test"


class NoSubject(Exception):
    """There is no app to try things with; says why, and what mends it."""

    def __init__(self, why: str, mend: str = "") -> None:
        super().__init__(why)
        self.mend = mend


def find_subject(settings: Settings | None, target: Target | None, auth: str, key: str) -> App:
    """The app for which `key` is valid, or the first one when that is "". Raises NoSubject."""
    if settings is not None and os.path.exists(settings.sqldir):
        try:
            return choose(registered(settings), key)
        except NoSubject:
            if not (key and target and auth):
                raise
    if target is None or not auth:
        raise NoSubject(
            "there is no registry here, and no password to ask the server with",
            "give --auth account:password, or a --config",
        )
    return _asked(target, auth, key)


def registered(settings: Settings) -> Sequence[App]:
    """The apps of a registry that is there and of this version. Raises NoSubject."""
    version, sealed = schema_of(settings.sqldir)
    from pushery.storage import open_app_store  # takes long to import
    from pushery.storage.migrations import MIGRATIONS

    if version != len(MIGRATIONS) or not sealed:
        raise NoSubject(
            f"the registry {settings.sqldir} is not one that this version has started with", "pushery start"
        )
    try:
        with closing(open_app_store(settings.sqldir, settings.secret_key_bytes)) as store:
            return store.load()
    except StorageError as error:
        raise NoSubject(str(error)) from None


def schema_of(sqldir: str) -> tuple[int, bool]:
    """The schema's version, 0 where there is none, and whether it has its key. Raises NoSubject."""
    try:
        with closing(sqlite3.connect(f"{Path(sqldir).absolute().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT schema_version, key_check IS NOT NULL FROM pushery_meta").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return 0, False
        raise NoSubject(f"the registry {sqldir} cannot be read: {error}") from None
    except sqlite3.Error as error:
        raise NoSubject(f"the registry {sqldir} cannot be read: {error}") from None
    return (int(row[0]), bool(row[1])) if row else (0, False)


def choose(apps: Sequence[App], key: str) -> App:
    """The app that is called `key` or for which it is valid; the first when that is "". Raises NoSubject."""
    directory = Directory(apps)
    if key:
        app = directory.apps.get(key) or directory.by_key.get(key)
        if app is None:
            raise NoSubject(f"there is no app with the key {key}", "pushery app list")
        return app
    if not apps:
        raise NoSubject(NO_APPS, MAKE_ONE)
    return next((app for app in apps if app.settings.enabled), apps[0])


def _asked(target: Target, auth: str, key: str) -> App:
    path = f"/api/admin/apps/{quote(key, safe='')}" if key else "/api/admin/apps?limit=1"
    try:
        answer = target.ask("GET", path, headers=basic(auth))
    except Unreachable as error:
        raise NoSubject(str(error)) from None
    if answer.status != 200:
        raise NoSubject(
            f"the server does not show its apps: {answer.reason}", "name --auth, or run it beside the registry"
        )
    told = answer.json
    if not key and isinstance(told, dict):
        told = (told.get("apps") or [None])[0]
        if told is None:
            raise NoSubject(NO_APPS, MAKE_ONE)
    return _from_api(told)


def _from_api(told: Any) -> App:
    """The app as the admin API shows it; its settings are not needed here. Raises NoSubject."""
    try:
        pair = told["keys"][0]
        secret = str(pair["secret"])
        if set(secret) == {"*"}:
            raise NoSubject("the server masks its secrets (mask_passwords)", "run it beside the registry")
        return App(
            id=str(told["app_id"]),
            key=str(pair["key"]),
            secret=secret,
            name=str(told["name"]),
            auth_account=str(told["auth_account"]),
            auth_password=str(told["auth_password"]),
            request_ip=str(told["request_ip"]),
            registered_ms=int(told["registered_ms"]),
        )
    except (KeyError, TypeError, IndexError, ValueError):
        raise NoSubject("the server does not answer as Pushery's admin API does") from None
