"""`pushery app show|set|rotate|revoke`: one app's settings and keys, directly in the registry.

A server that runs follows within a second or two.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import replace

from pushery.cli.assignments import parse_assignments, value_text
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.registry import find_app, no_app, registry
from pushery.core.appchanges import SETTING_NAMES, SettingsError, add_key, change_settings, revoke_key
from pushery.core.apps import App, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Refusal
from pushery.node.system import SystemClock, SystemIds

_MASK: Final = "********"
_DEFAULTS: Final = AppSettings()

AppKey = Annotated[str, typer.Argument(help="The key of the app, or any of its valid keys.")]


def show(
    app_key: AppKey,
    secrets: Annotated[bool, typer.Option("--secrets", help="Show the password and the secrets too.")] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Show an app: who it is, its keys, and every setting with its value."""
    with registry(config) as store:
        app = find_app(store, app_key)
    typer.echo(f"app_key       {app.key}\napp_id        {app.id}\nname          {app.name}")
    typer.echo(f"registered    {_date(app.registered_ms)}\nauth_account  {app.auth_account}")
    typer.echo(f"auth_password {app.auth_password if secrets else _MASK}")
    for pair in app.keys:
        secret = pair.secret if secrets else _MASK
        typer.echo(f"key           {pair.key}  secret {secret}  since {_date(pair.created_ms)}")
    settings = app.settings if secrets else _without_secrets(app.settings)
    for name in SETTING_NAMES:
        _echo_setting(settings, name)


def set_settings(
    app_key: AppKey,
    assignments: Annotated[
        list[str], typer.Argument(help="NAME=VALUE, as often as you like; NAME= puts the default back.")
    ],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Change settings of an app: all that are given, or none when one of them is wrong."""
    try:
        patch = parse_assignments(assignments)
        app = _change(config, app_key, lambda app: _with_settings(app, patch))
    except SettingsError as error:
        fail(*error.problems, code=MISUSED)
    for name in patch:
        _echo_setting(app.settings, name)


def rotate(app_key: AppKey, config: Config = DEFAULT_CONFIG) -> None:
    """Give an app a further key with a secret, and print both. The ones it has stay valid until they are revoked."""
    ids = SystemIds()
    pair = KeyPair(key=ids.app_key(), secret=ids.secret(), created_ms=SystemClock().wall_ms())
    _change(config, app_key, lambda app: add_key(app, pair))
    typer.echo(f"key           {pair.key}\nsecret        {pair.secret}")


def revoke(
    app_key: AppKey,
    old_key: Annotated[str, typer.Argument(help="The key to revoke, with its secret.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Take a key from an app: nobody connects or signs with it any more. The last one cannot be revoked."""
    _change(config, app_key, lambda app: revoke_key(app, old_key))
    typer.echo(f"Revoked {old_key}.")


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


def _echo_setting(settings: AppSettings, name: str) -> None:
    value = getattr(settings, name)
    mark = "  (default)" if value == getattr(_DEFAULTS, name) else ""
    typer.echo(f"{name}={value_text(value)}{mark}")


def _date(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%Y/%m/%d %H:%M:%S")
