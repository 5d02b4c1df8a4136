"""What the shell offers when somebody presses Tab: keys of apps and names of settings.

Invariant: it never says anything but offers, writes nothing, and has nothing to offer where something is wrong.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import typer

from pushery.cli.options import DEFAULT_CONFIG
from pushery.cli.subject import NoSubject, registered
from pushery.config import ConfigError, load
from pushery.core.appchanges import SETTING_NAMES
from pushery.core.apps import App


def offer_keys(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The keys of apps that begin so, each with the app's name."""
    return [(app.key, app.name) for app in _apps(context) if app.key.startswith(incomplete)]


def offer_valid_keys(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The keys that are valid for the app which was named before."""
    named = context.params.get("app_key")
    return [
        (pair.key, app.name)
        for app in _apps(context)
        if named == app.key or app.secret_of(str(named)) is not None
        for pair in app.keys
        if pair.key.startswith(incomplete)
    ]


def offer_settings(incomplete: str) -> list[str]:
    """The names of settings that begin so, each with the `=` that goes behind it."""
    return [f"{name}=" for name in SETTING_NAMES if name.startswith(incomplete)]


def _apps(context: typer.Context) -> Iterator[App]:
    config = Path(context.params.get("config") or os.environ.get("PUSHERY_CONFIG") or DEFAULT_CONFIG)
    try:
        settings = load(config, os.environ, {})
        if os.path.exists(settings.sqldir):
            yield from registered(settings)
    except (ConfigError, NoSubject, OSError):
        return
