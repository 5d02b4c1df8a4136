"""The list of checks, in the order in which they make sense: what a later one needs, an earlier one has seen to."""

import os
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pushery.cli.doctor import files, machine, site, trips
from pushery.cli.doctor.finding import Finding, Findings, fail, skip
from pushery.cli.subject import NoSubject, find_subject
from pushery.cli.target import Target, local_target
from pushery.config import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be examined. `url`: the server's address as clients have it; None: where the configured one listens.

    `auth` is "account:password", "" for the configured super admin's; `app_key` is "" for the first app.
    """

    config: Path
    url: Target | None
    auth: str
    app_key: str
    idle_s: float
    insecure: bool


def examine(order: Order) -> Iterator[Finding]:
    """Everything, one finding after the other."""
    settings: Settings | None = None
    if order.url is not None and not order.config.exists():
        yield skip("configuration", f"{order.config} is not here: only the server at {order.url.base} is looked at")
    else:
        settings, found = files.configuration(order.config, os.environ)
        yield from found
    if settings is not None:
        yield from _of_this_machine(settings, order)
    clients = order.url or (local_target(settings, insecure=order.insecure, backend=False) if settings else None)
    if clients is None:
        yield skip("server", "it is not known where one would run", "name it with --url")
        return
    yield from _of_the_server(order, settings, clients)


def _of_this_machine(settings: Settings, order: Order) -> Iterator[Finding]:
    yield from files.permissions(settings, order.config)
    yield from files.registry(settings)
    yield from files.disk(settings)
    yield from files.certificate(settings, time.time())
    yield from machine.descriptors(settings, *resource.getrlimit(resource.RLIMIT_NOFILE))
    yield from machine.kernel(settings, machine.read_kernel)
    yield from machine.port(settings)


def _of_the_server(order: Order, settings: Settings | None, clients: Target) -> Iterator[Finding]:
    if order.url is None and not _runs(clients):
        yield skip("server", f"none runs at {clients.base}", "pushery start, then ask again; or name one with --url")
        return
    yield from site.tls(clients, time.time())
    alive = list(site.alive(clients))
    yield from alive
    if any(finding.state == "fail" for finding in alive):
        yield skip("server", f"nothing more is asked of {clients.base}")
        return
    backends = (local_target(settings, insecure=order.insecure, backend=True) if settings else None) or clients
    if settings is None or settings.admin_address is None:
        backends = clients
    auth = order.auth or (f"{settings.auth_account}:{settings.auth_password}" if settings else "")
    yield from _whole(site.open_files(backends))
    yield from _whole(site.clock(clients, settings, time.time()))
    yield from _whole(site.largest_body(clients, settings))
    if auth:
        yield from _whole(site.forwarded(clients, auth, settings))
    else:
        yield skip("address of clients", "there is no password to ask the server with", "name it with --auth")
    yield from _with_an_app(order, settings, clients, backends, auth)


def _with_an_app(
    order: Order, settings: Settings | None, clients: Target, backends: Target, auth: str
) -> Iterator[Finding]:
    try:
        app = find_subject(settings, backends, auth, order.app_key)
    except NoSubject as error:
        yield skip("round trips", f"they need an app: {error}", error.mend)
        return
    yield from _whole(site.upgrade(clients, app, order.idle_s))
    yield from _whole(site.streaming(clients, app))
    yield from _whole(trips.signature(backends, app, int(time.time())))
    yield from _whole(trips.channel_push(clients, backends, app))
    yield from _whole(trips.tag_push(clients, backends, app, auth or f"{app.auth_account}:{app.auth_password}"))


def _whole(findings: Findings) -> Iterator[Finding]:
    """All of them. What answers may be anything: a check that it breaks must not hide the others."""
    try:
        yield from findings
    except Exception as error:
        yield fail("what answers", f"{type(error).__name__}: {error}", "is this a Pushery server? Then report it")


def _runs(target: Target) -> bool:
    try:
        socket.create_connection((target.host, target.port), target.timeout_s).close()
    except OSError:
        return False
    return True
