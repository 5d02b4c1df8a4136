"""`pushery app ...`: the registry, without going through a server. One that runs takes changes in within a second
or two.
"""

import re
import secrets
from datetime import datetime
from typing import Annotated, Final

import typer

from pushery.cli.appchanges import revoke, rotate, set_settings, show
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.registry import registry
from pushery.core.appchanges import text_problem
from pushery.core.apps import AppDraft
from pushery.node.system import SystemClock, SystemIds

_KEY: Final = re.compile("[0-9a-f]{32}")

apps = typer.Typer(help="Register, list, change and remove apps, directly in the registry.", no_args_is_help=True)


@apps.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call the app.")],
    account: Annotated[str, typer.Option(help="The account of the app's own admin.")] = "",
    password: Annotated[str, typer.Option(help="Its password; a random one is drawn when this is left out.")] = "",
    key: Annotated[
        str, typer.Option(help="A key to keep, 32 lower-case hex characters, when moving an app here.")
    ] = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Register an app and print its key, id and secret."""
    if key and not _KEY.fullmatch(key):
        fail("a key has 32 lower-case hex characters", code=MISUSED)
    account, password = account or name, password or secrets.token_urlsafe(18)
    for what, value in (("name", name), ("account", account), ("password", password)):
        problem = text_problem(what, value)
        if problem:
            fail(problem, code=MISUSED)
    ids = SystemIds()
    draft = AppDraft(
        key=key or ids.app_key(),
        secret=ids.secret(),
        name=name,
        auth_account=account,
        auth_password=password,
        request_ip="local:0",
        registered_ms=SystemClock().wall_ms(),
    )
    with registry(config) as store:
        app = store.add(draft)
    typer.echo(f"app_key       {app.key}\napp_id        {app.id}\napp_secret    {app.secret}")
    typer.echo(f"auth_account  {app.auth_account}\nauth_password {app.auth_password}")


@apps.command("list")
def list_apps(config: Config = DEFAULT_CONFIG) -> None:
    """List the apps in order of registration."""
    with registry(config) as store:
        rows = store.load()
    typer.echo(f"{'app_key':32}  {'id':>5}  {'registered':19}  name")
    for app in rows:
        date = datetime.fromtimestamp(app.registered_ms / 1000).strftime("%Y/%m/%d %H:%M:%S")
        typer.echo(f"{app.key:32}  {app.id:>5}  {date:19}  {app.name}")


@apps.command()
def remove(
    app_key: Annotated[str, typer.Argument(help="The key of the app.")], config: Config = DEFAULT_CONFIG
) -> None:
    """Unregister an app. A running server closes its sockets within a second or two."""
    with registry(config) as store:
        was_there = store.remove(app_key)
    if not was_there:
        fail(f"there is no app with the key {app_key}")
    typer.echo(f"Removed {app_key}.")


apps.command()(show)
apps.command("set")(set_settings)
apps.command()(rotate)
apps.command()(revoke)
