"""`pushery app show|set|rotate|revoke`: one app's settings and keys, directly in the registry.

A server that runs follows within a second or two.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec.structs import replace

from pushery.cli.assignments import parse_assignments, value_text
from pushery.cli.completion import offer_settings, offer_valid_keys
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.output import Assignment, Assignments, Done, Json, Record, date_json, date_text, show
from pushery.cli.registry import AppKey, find_app, no_app, registry
from pushery.core.appchanges import SETTING_NAMES, SettingsError, add_key, change_settings, revoke_key
from pushery.core.apps import App, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Refusal
from pushery.node.system import SystemClock, SystemIds

_MASK: Final = "********"
_DEFAULTS: Final = AppSettings()


def show_app(
    app_key: AppKey,
    secrets: Annotated[bool, typer.Option("--secrets", help="Show the password and the secrets too.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Show an app: who it is, its keys, and all its settings."""
    with registry(config) as store:
        app = find_app(store, app_key)
    settings = app.settings if secrets else _without_secrets(app.settings)
    show(_app_json(app, settings, secrets), _record(app, secrets), _shown(settings, SETTING_NAMES), as_json=as_json)


def set_settings(
    app_key: AppKey,
    assignments: Annotated[
        list[str],
        typer.Argument(
            help="NAME=VALUE, as often as you like; NAME= puts the default back.", autocompletion=offer_settings
        ),
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Change settings of an app. All that are given, or none when one of them is wrong."""
    try:
        patch = parse_assignments(assignments)
        app = _change(config, app_key, lambda app: _with_settings(app, patch))
    except SettingsError as error:
        fail(*error.problems, code=MISUSED)
    told = {"app_key": app.key, "settings": _settings_json(app.settings, patch)}
    show(told, _shown(app.settings, patch), as_json=as_json)


def rotate(app_key: AppKey, config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Give an app a further key with a secret, and print both. The ones it has stay valid until they are revoked."""
    ids = SystemIds()
    pair = KeyPair(key=ids.app_key(), secret=ids.secret(), created_ms=SystemClock().wall_ms())
    _change(config, app_key, lambda app: add_key(app, pair))
    told = {"key": pair.key, "secret": pair.secret}
    show(told, Record(tuple(told.items())), as_json=as_json)


def revoke(
    app_key: AppKey,
    old_key: Annotated[
        str, typer.Argument(help="The key to revoke, with its secret.", autocompletion=offer_valid_keys)
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Take a key from an app: nobody connects or signs with it any more. The last one cannot be revoked."""
    _change(config, app_key, lambda app: revoke_key(app, old_key))
    show({"revoked": old_key}, Done(f"Revoked {old_key}."), as_json=as_json)


def _change(config: Path, app_key: str, edit: Callable[[App], App]) -> App:
    with registry(config) as store:
        try:
            app = store.change(find_app(store, app_key).key, edit)
        except Refusal as refusal:
            fail(refusal.message[:1].lower() + refusal.message[1:].rstrip("."))
    return app or no_app(app_key)


def _with_settings(app: App, patch: dict[str, object]) -> App:
    return replace(app, settings=change_settings(app.settings, patch))


def _without_secrets(settings: AppSettings) -> AppSettings:
    """The settings as anybody may see them: what requests to webhooks and hooks prove themselves with is masked."""
    from pushery.workers.requests import shown  # takes longer to import than the other commands need

    hooks = [
        replace(hook, url=shown(hook.url), headers=dict.fromkeys(hook.headers, _MASK)) for hook in settings.webhooks
    ]
    asked = settings.connect_hook
    return replace(settings, webhooks=tuple(hooks), connect_hook=shown(asked) if asked else "")


def _record(app: App, secrets: bool) -> Record:
    def masked(secret: str) -> str:
        return secret if secrets else _MASK

    keys = [
        ("key", f"{pair.key}  secret {masked(pair.secret)}  since {date_text(pair.created_ms)}") for pair in app.keys
    ]
    return Record(
        (
            ("app_key", app.key),
            ("app_id", app.id),
            ("name", app.name),
            ("registered", date_text(app.registered_ms)),
            ("auth_account", app.auth_account),
            ("auth_password", masked(app.auth_password)),
            *keys,
        )
    )


def _app_json(app: App, settings: AppSettings, secrets: bool) -> dict[str, Any]:
    """The app for programs. What is masked is null."""
    keys = [
        {"key": pair.key, "secret": pair.secret if secrets else None, "created": date_json(pair.created_ms)}
        for pair in app.keys
    ]
    return {
        "app_key": app.key,
        "app_id": app.id,
        "name": app.name,
        "registered": date_json(app.registered_ms),
        "auth_account": app.auth_account,
        "auth_password": app.auth_password if secrets else None,
        "keys": keys,
        "settings": _settings_json(settings, SETTING_NAMES),
    }


def _settings_json(settings: AppSettings, names: Iterable[str]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(settings, name)) for name in names}


def _shown(settings: AppSettings, names: Iterable[str]) -> Assignments:
    values = [(name, getattr(settings, name)) for name in names]
    return Assignments(
        [Assignment(name, value_text(value), value == getattr(_DEFAULTS, name)) for name, value in values]
    )
