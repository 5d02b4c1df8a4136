"""The registry, for commands that work on it directly: opened, closed, and every error one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from pushery.cli.completion import offer_keys
from pushery.cli.options import fail, load_or_fail
from pushery.core.apps import App, Directory
from pushery.core.ports import AppStore, StorageError

SAMPLE_KEY: Final = "0123456789abcdef0123456789abcdef"
"""The key in examples of the help."""

AppKey = Annotated[str, typer.Argument(help="The key of the app, or any of its valid keys.", autocompletion=offer_keys)]


@contextmanager
def registry(config: Path) -> Iterator[AppStore]:
    """The registry that the configuration names. Whatever is wrong with it ends the command."""
    from pushery.storage import open_app_store  # takes longer to import than all other commands need

    settings = load_or_fail(config, {})
    try:
        store = open_app_store(settings.sqldir, settings.secret_key_bytes)
        try:
            yield store
        finally:
            store.close()
    except StorageError as error:
        fail(str(error))


def find_app(store: AppStore, key: str) -> App:
    """The app that is called `key` or for which it is valid; there is none: the command ends."""
    directory = Directory(store.load())
    app = directory.apps.get(key) or directory.by_key.get(key)
    return app or no_app(key)


def no_app(key: str) -> App:
    """End the command: there is no such app."""
    fail(f"there is no app with the key {key}; `pushery app list` shows those there are")
