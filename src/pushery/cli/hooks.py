"""`pushery hooks ...`: what webhooks have not delivered, without going through a server. One that runs takes changes in
within a second or two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail, load_or_fail
from pushery.cli.registry import find_app, registry
from pushery.core.ports import StorageError
from pushery.node.system import SystemClock

if TYPE_CHECKING:
    from pushery.storage.hookoutbox import HookOutbox

_CHANNEL_WIDTH: Final = 24

hooks = typer.Typer(help="List, send again and delete what webhooks have not delivered.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The key of the app, or any of its valid keys.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `pushery hooks list` shows them.")]


@hooks.command("list")
def list_hooks(
    app_key: Key,
    limit: Annotated[int, typer.Option(help="How many of each to show, the oldest first.", min=1)] = 100,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Show the dead letters of an app (events that were given up), and what waits for delivery."""
    app_key = _registered(config, app_key)
    with _outbox(config) as outbox:
        dead = outbox.dead_letters(app_key, limit) if outbox else []
        waiting = outbox.waiting(app_key, limit=limit) if outbox else []
        said = outbox.events(row.id for row in waiting) if outbox else {}
    if not dead and not waiting:
        typer.echo(f"Nothing waits for the webhooks of {app_key}, and nothing was given up.")
        return
    typer.echo(_line("id", "state", "happened", "sent", "event", "channel", "error and URL"))
    for letter in dead:
        _show(letter.id, "dead", letter.created_ms, letter.attempts, letter.event, letter.error, letter.url)
    for row in waiting:
        if row.id in said:  # it may have been delivered in between
            _show(row.id, "waits", row.created_ms, row.attempts, said[row.id][1], row.error, row.url)


@hooks.command()
def replay(
    app_key: Key,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Send all dead letters of the app again.")] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Send dead letters again, as if they had happened now."""
    chosen, app_key = _chosen(ids, every), _registered(config, app_key)
    with _outbox(config) as outbox:
        count = outbox.replay(app_key, chosen, SystemClock().wall_ms()) if outbox else 0
    _report(count, "goes out again", "go out again", app_key, chosen)


@hooks.command()
def drop(
    app_key: Key,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Delete what waits, and not dead letters.")] = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Delete dead letters, or what waits for delivery. A request that is under way is not called back."""
    chosen, app_key = _chosen(ids, every), _registered(config, app_key)
    with _outbox(config) as outbox:
        if outbox is None:
            count = 0
        else:
            count = outbox.drop_waiting(app_key, chosen) if waiting else outbox.drop_dead(app_key, chosen)
    _report(count, "is deleted", "are deleted", app_key, chosen)


def _registered(config: Config, key: str) -> str:
    """What the app is called for which `key` is valid; there is none: the command ends."""
    with registry(config) as store:
        return find_app(store, key).key


def _chosen(ids: list[int] | None, every: bool) -> list[int] | None:
    """The numbers that were given, None for all."""
    if bool(ids) == every:
        fail("say which: either numbers, or --all", code=MISUSED)
    return ids or None


def _report(count: int, one: str, several: str, app_key: str, chosen: list[int] | None) -> None:
    """Say how many it was; numbers that were not there are a failure."""
    missing = len(set(chosen or ())) - count
    if missing > 0:
        fail(f"{missing} of the numbers {'is' if missing == 1 else 'are'} not there for {app_key}; {count} {several}")
    typer.echo(f"{count} {one if count == 1 else several}.")


def _show(number: int, state: str, created_ms: int, attempts: int, event: bytes, error: str, url: str) -> None:
    try:
        told: Any = msgspec.json.decode(event)
    except msgspec.DecodeError:
        told = {}
    date = datetime.fromtimestamp(created_ms / 1000).strftime("%Y/%m/%d %H:%M:%S")
    channel = _printable(str(told.get("channel", "-")))
    name = _printable(str(told.get("name", "?")))
    typer.echo(_line(number, state, date, attempts, name, channel, f"{_printable(error) or '-'}  {_printable(url)}"))


def _line(number: object, state: str, date: str, attempts: object, name: str, channel: str, rest: str) -> str:
    return f"{number:>8}  {state:5}  {date:19}  {attempts:>4}  {name:18}  {channel:{_CHANNEL_WIDTH}}  {rest}"


def _printable(text: str) -> str:
    """Text from outside, without what a terminal would take for a command."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@contextmanager
def _outbox(config: Config) -> "Iterator[HookOutbox | None]":
    """The outbox beside the configured registry; None when there is none, which is not made here."""
    from pushery.storage.hookoutbox import has_hook_outbox, open_hook_outbox  # takes long to import

    settings = load_or_fail(config, {})
    try:
        outbox = open_hook_outbox(settings.sqldir) if has_hook_outbox(settings.sqldir) else None
        try:
            yield outbox
        finally:
            if outbox is not None:
                outbox.close()
    except StorageError as error:
        fail(str(error))
