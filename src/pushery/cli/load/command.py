"""The command `pushery bench`, its options, and what it refuses. What a run needs is imported when it begins."""

import resource
import secrets
import socket
from ipaddress import ip_address
from typing import Annotated, Final

import typer

from pushery.cli.options import DEFAULT_CONFIG, FAILED, MISUSED, Config, fail, load_or_fail
from pushery.cli.output import Json
from pushery.cli.target import Auth, Insecure, Target, Unreachable, Url, find_auth, find_target

_OTHER_FILES: Final = 64
"""Open files of this process beside its clients' sockets."""

_PORTS: Final = 28_000
"""Ports that Linux has for connections from one address to one other, by default."""

_INTERRUPTED: Final = 130


def bench(
    clients: Annotated[int, typer.Option(min=1, max=_PORTS, help="How many clients connect.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, max=100_000, help="Pushes a second, each to all clients.")] = 10.0,
    size: Annotated[int, typer.Option(min=64, max=60_000, help="Bytes of a push.")] = 200,
    duration: Annotated[float, typer.Option(min=0.1, max=86_400, help="Seconds of pushing.")] = 10.0,
    dialect: Annotated[str, typer.Option(help="tags (GoPusher) or channels (Pusher).")] = "channels",
    app_key: Annotated[str, typer.Option("--app", help="The key of the app; else the first.")] = "",
    url: Url = "",
    auth: Auth = "",
    yes: Annotated[bool, typer.Option("--yes", help="The server is mine, though it is not near by.")] = False,
    as_json: Json = False,
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Put load on your own server. It tells how fast and how completely everything arrives."""
    if dialect not in ("tags", "channels"):
        fail(f"--dialect is tags or channels, not {dialect!r}", code=MISUSED)
    target = find_target(url, config, insecure=insecure, backend=False)
    backends = target if url else find_target(url, config, insecure=insecure, backend=True)
    _refuse_strangers(target, yes=yes)
    _refuse_too_many(clients)
    from pushery.cli.load.dialect import Channels, Dialect, Tags
    from pushery.cli.load.run import Plan
    from pushery.cli.load.show import carry_out
    from pushery.cli.subject import NoSubject, find_subject

    credentials = find_auth(auth, config)
    _refuse_nobody(target, backends)
    try:
        settings = load_or_fail(config, {}) if config.exists() else None
        app = find_subject(settings, backends, credentials, app_key)
    except NoSubject as error:
        fail(f"{error}{f' ({error.mend})' if error.mend else ''}")
    run = secrets.token_hex(4)
    speaks: Dialect = Channels(app, run)
    if dialect == "tags":
        speaks = Tags(app, credentials or f"{app.auth_account}:{app.auth_password}", run)
    report = carry_out(Plan(target, backends, speaks, run, clients, rate, size, duration), dialect, as_json=as_json)
    if report.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not report.good:
        raise typer.Exit(FAILED)


def _refuse_strangers(target: Target, *, yes: bool) -> None:
    """Load on a server that is not one's own is an attack."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)}
    except OSError as error:
        fail(f"{target.host} is not known: {error.strerror or error}")
    foreign = sorted(address for address in found if not _is_near(address))
    if foreign and not yes:
        fail(
            f"{target.host} ({foreign[0]}) is neither this machine nor in a private network: load on a server that is "
            "not yours is an attack. Give --yes if it is yours",
            code=MISUSED,
        )


def _refuse_nobody(*targets: Target) -> None:
    """Where nobody answers there is nothing to measure. What the answer is does not matter here."""
    for target in dict.fromkeys(targets):
        try:
            target.ask("GET", "/healthz")
        except Unreachable as error:
            fail(str(error))


def _is_near(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])
    return parsed.is_loopback or parsed.is_private or parsed.is_link_local


def _refuse_too_many(clients: int) -> None:
    """Each client is an open file here, as it is on the server."""
    from pushery.app.system import raise_descriptor_limit  # takes long to import

    wanted, most = clients + _OTHER_FILES, raise_descriptor_limit()
    if most != resource.RLIM_INFINITY and wanted > most:
        fail(
            f"{clients:,} clients need {wanted:,} open files, and this process may have {most:,}: take --clients "
            f"{max(0, most - _OTHER_FILES)}, or raise the limit as root (ulimit -Hn {wanted})",
            code=MISUSED,
        )
