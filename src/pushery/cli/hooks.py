"""`pushery hooks ...`: what webhooks have not delivered, without going through a server. One that runs takes changes in
within a second or two.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail, load_or_fail
from pushery.cli.output import Column, Done, Json, Table, date_json, date_text, show
from pushery.cli.registry import SAMPLE_KEY, AppKey, find_app, registry
from pushery.core.ports import StorageError
from pushery.node.system import SystemClock

if TYPE_CHECKING:
    from pushery.storage.hookoutbox import HookOutbox

_SAID: Final = {"replayed": ("goes out again", "go out again"), "dropped": ("is deleted", "are deleted")}
_LIST: Final = (
    Column("id", right=True, whole=True),
    Column("state"),
    Column("happened"),
    Column("sent", right=True),
    Column("event"),
    Column("channel"),
    Column("error"),
    Column("URL"),
)

hooks = typer.Typer(help="List, send again and delete what webhooks have not delivered.", no_args_is_help=True)

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers, as `pushery hooks list` shows them.")]


@hooks.command("list", epilog=f"Example: pushery hooks list {SAMPLE_KEY}")
def list_hooks(
    app_key: AppKey,
    limit: Annotated[int, typer.Option(help="How many of each to show, the oldest first.", min=1)] = 100,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Show the dead letters of an app, and what waits for delivery. Dead letters are events that were given up."""
    app_key = _registered(config, app_key)
    with _outbox(config) as outbox:
        dead = outbox.dead_letters(app_key, limit) if outbox else []
        waiting = outbox.waiting(app_key, limit=limit) if outbox else []
        said = outbox.events(row.id for row in waiting) if outbox else {}
    found = [
        *(_Hook(one.id, "dead", one.created_ms, one.attempts, *_told(one.event), one.error, one.url) for one in dead),
        *(
            _Hook(one.id, "waits", one.created_ms, one.attempts, *_told(said[one.id][1]), one.error, one.url)
            for one in waiting
            if one.id in said  # it may have been delivered in between
        ),
    ]
    nothing = Done(f"Nothing waits for the webhooks of {app_key}, and nothing was given up.")
    shown = Table(_LIST, [hook.row() for hook in found]) if found else nothing
    show({"app_key": app_key, "hooks": [hook.json() for hook in found]}, shown, as_json=as_json)


@hooks.command(epilog=f"Example: pushery hooks replay {SAMPLE_KEY} --all")
def replay(
    app_key: AppKey,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Send all dead letters of the app again.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Send dead letters again, as if they had happened now."""
    chosen, app_key = _chosen(ids, every), _registered(config, app_key)
    with _outbox(config) as outbox:
        count = outbox.replay(app_key, chosen, SystemClock().wall_ms()) if outbox else 0
    _report(count, "replayed", app_key, chosen, as_json)


@hooks.command(epilog=f"Example: pushery hooks drop {SAMPLE_KEY} 17 18")
def drop(
    app_key: AppKey,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Delete what waits, and not dead letters.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Delete dead letters, or what waits for delivery. A request that is under way is not called back."""
    chosen, app_key = _chosen(ids, every), _registered(config, app_key)
    with _outbox(config) as outbox:
        if outbox is None:
            count = 0
        else:
            count = outbox.drop_waiting(app_key, chosen) if waiting else outbox.drop_dead(app_key, chosen)
    _report(count, "dropped", app_key, chosen, as_json)


def _registered(config: Config, key: str) -> str:
    """What the app is called for which `key` is valid; there is none: the command ends."""
    with registry(config) as store:
        return find_app(store, key).key


def _chosen(ids: list[int] | None, every: bool) -> list[int] | None:
    """The numbers that were given, None for all."""
    if bool(ids) == every:
        fail("say which: either numbers, or --all", code=MISUSED)
    return ids or None


def _report(count: int, done: str, app_key: str, chosen: list[int] | None, as_json: bool) -> None:
    """Say how many it was; numbers that were not there are a failure."""
    one, several = _SAID[done]
    missing = len(set(chosen or ())) - count
    if missing > 0:
        fail(f"{missing} of the numbers {'is' if missing == 1 else 'are'} not there for {app_key}; {count} {several}")
    show({done: count}, Done(f"{count} {one if count == 1 else several}."), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Hook:
    """An event that has not been delivered. `state` is "dead" or "waits"."""

    id: int
    state: str
    happened_ms: int
    attempts: int
    event: str
    channel: str
    error: str
    url: str

    def row(self) -> Sequence[str]:
        """For people."""
        happened = date_text(self.happened_ms)
        start = (str(self.id), self.state, happened, str(self.attempts), self.event, self.channel or "-")
        return (*start, self.error or "-", self.url)

    def json(self) -> dict[str, Any]:
        """For programs."""
        told = asdict(self)
        happened = date_json(told.pop("happened_ms"))
        return {**told, "happened": happened}


def _told(event: bytes) -> tuple[str, str]:
    """Name and channel of an event as it is stored."""
    try:
        told: Any = msgspec.json.decode(event)
    except msgspec.DecodeError:
        told = {}
    return str(told.get("name", "?")), str(told.get("channel", ""))


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
