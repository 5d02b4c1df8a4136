"""The commands that run and configure a server."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import pushery
from pushery.cli.apps import apps
from pushery.cli.doctor.command import doctor
from pushery.cli.hooks import hooks
from pushery.cli.listen import listen
from pushery.cli.load.command import bench
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail, load_and_check, say, takes_settings, warn
from pushery.cli.output import Done, Json, show
from pushery.cli.push import push
from pushery.cli.registry import SAMPLE_KEY
from pushery.cli.reload import reload
from pushery.cli.top.command import top
from pushery.config import load, render_default_config

if TYPE_CHECKING:
    from pushery.app import Application
    from pushery.config import Address

app = typer.Typer(
    help="Pushery, a realtime push server: clients connect by WebSocket, backends push over HTTP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog="Example: pushery start --listen :9000")
@takes_settings
def start(config: Path, flags: dict[str, object]) -> None:
    """Run the server until SIGTERM or Ctrl-C. A second signal stops it at once, SIGHUP reads the configuration anew."""
    from pushery.app import StartError, run  # the other commands need not wait for a whole server to be imported

    settings, warnings = load_and_check(config, flags)
    warn(warnings)
    try:
        run(
            settings,
            reload=lambda: load(config, os.environ, flags),
            started=lambda application: _say_where(application, config),
        )
    except StartError as error:
        fail(str(error), code=MISUSED)


def _say_where(application: "Application", config: Path) -> None:
    settings = application.settings
    secure = "s" if settings.tls_certificate else ""
    front = back = _reached_at(settings.address, application.port)
    if settings.admin_address is not None and application.admin_port is not None:
        back = _reached_at(settings.admin_address, application.admin_port)
    say(
        f"Pushery {pushery.__version__} listens on http{secure}://{front}\n"
        f"  clients   ws{secure}://{front}/ws/APP_KEY/USER_TAG   Pusher: ws{secure}://{front}/app/APP_KEY\n"
        f"  backends  http{secure}://{back}/api/...   Pusher: http{secure}://{back}/apps/APP_ID/...\n"
        + (f"  console   http{secure}://{back}/console\n" if settings.console else "")
        + f"  admin     '{settings.auth_account}', password in {config}\n"
        f"  metrics   http{secure}://{back}/metrics\n"
        f"  registry  {settings.sqldir}"
    )


def _reached_at(address: "Address", port: int) -> str:
    host = address.host or "localhost"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@app.command(epilog="Example: pushery init --config /etc/pushery/default.json")
def init(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Write a commented configuration with a random admin password. An existing file is left alone."""
    text = render_default_config(secrets.token_urlsafe(18))
    try:
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{config} is there already; remove it first, or name another file with --config", code=MISUSED)
    except OSError as error:
        fail(f"{config} cannot be written: {error.strerror}", code=MISUSED)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    done = Done(f"Wrote {config}: the admin account is 'admin', its password is in the file.")
    show({"config": str(config), "auth_account": "admin"}, done, as_json=as_json)


@app.command(epilog="Example: pushery check --config /etc/pushery/default.json")
@takes_settings
def check(config: Path, flags: dict[str, object], as_json: Json = False) -> None:
    """Say everything that is wrong with a configuration. Nothing is started."""
    _, warnings = load_and_check(config, flags)
    if not as_json:
        warn(warnings)
    show({"config": str(config), "warnings": warnings}, Done(f"{config} is fine."), as_json=as_json)


@app.command(epilog="Example: pushery version")
def version(as_json: Json = False) -> None:
    """Print the version."""
    show({"version": pushery.__version__}, Done(pushery.__version__), as_json=as_json)


app.add_typer(apps, name="app")
app.add_typer(hooks, name="hooks")
app.command(epilog=f"Example: pushery push {SAMPLE_KEY} hello --channel news --event greeting")(push)
app.command(epilog=f"Example: pushery listen {SAMPLE_KEY} --channel news")(listen)
app.command(epilog="Example: pushery reload")(reload)
app.command(epilog="Example: pushery top --once --json")(top)
app.command(epilog="Example: pushery doctor --url https://push.example.com")(doctor)
app.command(epilog="Example: pushery bench --clients 1000 --rate 20")(bench)
