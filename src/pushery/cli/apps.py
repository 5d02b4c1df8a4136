"""`pushery app ...`: the registry, without going through a server. One that runs takes changes in within a second
or two.
"""

import secrets
from typing import Annotated, Final

import typer

from pushery.cli import appchanges
from pushery.cli.completion import offer_keys
from pushery.cli.credentials import read_secret
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.output import Column, Done, Json, Record, Table, date_json, date_text, show
from pushery.cli.registry import SAMPLE_KEY, no_app, registry
from pushery.core.appchanges import given_problem, text_problem
from pushery.core.apps import App, AppDraft
from pushery.core.exchange import Refusal
from pushery.core.ports import AppStore
from pushery.node.system import SystemClock, SystemIds

_LIST: Final = (Column("app_key", whole=True), Column("id", right=True), Column("registered"), Column("name"))

apps = typer.Typer(help="Register, list, change and remove apps, directly in the registry.", no_args_is_help=True)


@apps.command(epilog="Example: pushery app add shop --account cashier")
def add(
    name: Annotated[str, typer.Argument(help="What to call the app.")],
    account: Annotated[str, typer.Option(help="The account of the app's own admin.")] = "",
    password: Annotated[str, typer.Option(help="Its password; a random one is drawn when this is left out.")] = "",
    key: Annotated[str, typer.Option(help="The key to keep, when an app moves here; else one is drawn.")] = "",
    app_id: Annotated[str, typer.Option("--id", help="The id to keep, when an app moves here; else a number.")] = "",
    secret: Annotated[
        str, typer.Option(help="The secret to keep, when an app moves here, or @FILE with it; else one is drawn.")
    ] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Register an app and print its key, id and secret."""
    account, password = account or name, password or secrets.token_urlsafe(18)
    for what, value in (("name", name), ("account", account), ("password", password)):
        _fail_for(text_problem(what, value))
    ids = SystemIds()
    key, secret = key or ids.app_key(), read_secret("--secret", secret) if secret else ids.secret()
    for what, value in (("key", key), ("id", app_id or "1"), ("secret", secret)):
        _fail_for(given_problem(what, value))
    draft = AppDraft(
        key=key,
        secret=secret,
        name=name,
        auth_account=account,
        auth_password=password,
        request_ip="local:0",
        registered_ms=SystemClock().wall_ms(),
    )
    with registry(config) as store:
        app = _added(store, draft, app_id or None)
    told = {
        "app_key": app.key,
        "app_id": app.id,
        "app_secret": app.secret,
        "auth_account": app.auth_account,
        "auth_password": app.auth_password,
    }
    show(told, Record(tuple(told.items())), as_json=as_json)


def _fail_for(problem: str | None) -> None:
    if problem:
        fail(problem, code=MISUSED)


def _added(store: AppStore, draft: AppDraft, app_id: str | None) -> App:
    try:
        return store.add(draft, app_id)
    except Refusal as refusal:
        fail(refusal.message[:1].lower() + refusal.message[1:].rstrip("."))


@apps.command("list", epilog="Example: pushery app list --json | jq -r .apps[].app_key")
def list_apps(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List the apps in order of registration."""
    with registry(config) as store:
        found = store.load()
    told = [
        {"app_key": app.key, "app_id": app.id, "name": app.name, "registered": date_json(app.registered_ms)}
        for app in found
    ]
    rows = [(app.key, app.id, date_text(app.registered_ms), app.name) for app in found]
    show({"apps": told}, Table(_LIST, rows), as_json=as_json)


@apps.command(epilog=f"Example: pushery app remove {SAMPLE_KEY}")
def remove(
    app_key: Annotated[str, typer.Argument(help="The key of the app.", autocompletion=offer_keys)],
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Unregister an app. A running server closes its sockets within a second or two."""
    with registry(config) as store:
        was_there = store.remove(app_key)
    if not was_there:
        no_app(app_key)
    show({"removed": app_key}, Done(f"Removed {app_key}."), as_json=as_json)


apps.command("show", epilog=f"Example: pushery app show {SAMPLE_KEY}")(appchanges.show_app)
apps.command("set", epilog=f"Example: pushery app set {SAMPLE_KEY} client_events=true")(appchanges.set_settings)
apps.command(epilog=f"Example: pushery app rotate {SAMPLE_KEY}")(appchanges.rotate)
apps.command(epilog=f"Example: pushery app revoke {SAMPLE_KEY} {SAMPLE_KEY}")(appchanges.revoke)
