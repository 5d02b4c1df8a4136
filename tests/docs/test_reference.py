"""What the server has, the reference has: no route, close code, metric, command, flag or error without its row."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from docsite.surface import surface
from pushery.cli.commands import app
from pushery.config import SETTINGS
from pushery.core.apps import Directory
from pushery.core.backlog import Backlog
from pushery.core.codes import CLOSES, Close
from pushery.core.effects import Route
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Hub
from pushery.core.stats import Stats
from pushery.dialects.admin import Admin, AdminOptions
from pushery.dialects.gopusher import GoPusher, GoPusherOptions
from pushery.dialects.pusher import PusherApi, PusherSockets, SocketOptions
from pushery.dialects.pusher.fallbacks import PusherFallbacks
from pushery.node.system import SystemClock, SystemIds
from pushery.server.admission import Admission, Limits
from pushery.server.operations import Operations
from pushery.server.pauses import PAUSES
from pushery.workers import ConnectHookCollector, HookCollector, HookStats
from tests.docs.pages import REFERENCE, ROOT, rows, section

SOURCES = sorted((ROOT / "src" / "pushery").rglob("*.py"))


def operations() -> Operations:
    hub = Hub(fanout_slice=1, standing_patterns=1)
    hub.crowd("an app")
    operations = Operations(
        hub,
        Admission(Limits(), Stats(), 1024, lambda: 0.0),
        Backlog(1, lambda: None),
        Directory(),
        per_app=True,
        is_stopping=lambda: False,
        further=[HookCollector(HookStats()), ConnectHookCollector({}), PAUSES],
    )
    operations.collector.certificate_expires_s = 0.0
    return operations


def routes() -> list[Route]:
    return [
        *GoPusher(GoPusherOptions("a", "b", False, 512), Directory(), SystemClock()).routes(),
        *operations().routes(),
    ]


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_told(route: Route) -> None:
    told = section(REFERENCE / "http-api.md", f"{route.method} {route.path}")
    assert told, f"http-api.md lacks the section '{route.method} {route.path}'"
    assert "**Who:**" in told
    assert "curl" in told or "websocket.md" in told
    assert f"`{route.method} {route.path}`" in [row[0] for row in rows(REFERENCE / "http-api.md")]


@pytest.mark.parametrize("close", CLOSES, ids=lambda close: str(close.code))
def test_every_close_code_has_its_row(close: Close) -> None:
    assert [str(close.code), close.reason or "(none)", close.then] in rows(REFERENCE / "websocket.md")


def test_no_row_tells_of_a_close_code_that_is_not_sent() -> None:
    told = {row[0] for row in rows(REFERENCE / "websocket.md") if re.fullmatch(r"\d{4}", row[0])}
    assert told == {str(close.code) for close in CLOSES}


def metrics() -> list[tuple[str, str]]:
    reply = operations().metrics(Request("GET", "/metrics", "", {}, b""), {})
    assert isinstance(reply, Reply)
    return re.findall(r"^# TYPE (\S+) (\S+)$", reply.body.decode(), re.MULTILINE)


@pytest.mark.parametrize(("name", "kind"), metrics(), ids=lambda value: value)
def test_every_metric_has_its_row(name: str, kind: str) -> None:
    told = {row[0]: row[1] for row in rows(REFERENCE / "metrics.md")}
    assert told.get(f"`{name}`") == kind


def test_no_row_tells_of_a_metric_that_is_not_there() -> None:
    told = {row[0].strip("`") for row in rows(REFERENCE / "metrics.md") if row[1] in ("counter", "gauge", "histogram")}
    assert told == {name for name, _ in metrics()}


def commands(group: Any, name: str = "pushery") -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


COMMANDS = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_is_told_with_its_flags(name: str, command: Any) -> None:
    told = section(REFERENCE / "cli.md", name)
    assert told, f"cli.md lacks the section '{name}'"
    settings = {setting.flag for setting in SETTINGS}
    flags = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")}
    if flags & settings:
        assert flags >= settings
        assert "settings.md" in told
    for flag in flags - settings:
        assert re.search(rf"`{flag}[` ]", told), f"the section '{name}' lacks {flag}"
    for parameter in command.params:
        if not parameter.opts[0].startswith("-"):
            assert parameter.opts[0].upper() in told
    assert "Exit codes" in told


def told_elsewhere() -> list[tuple[str, Route]]:
    """The routes that have a page of their own, with its name."""
    directory, ids, clock = Directory(), SystemIds(), SystemClock()
    sockets = PusherSockets(SocketOptions(512, 120), directory, ids, clock)
    admin = Admin(AdminOptions("a", "b", False), directory, ids, clock)
    return [
        *(("pusher-http-api.md", route) for route in PusherApi(directory, clock, 600.0).routes()),
        *(("pusher-protocol.md", route) for route in [*sockets.routes(), *PusherFallbacks(sockets).routes()]),
        *(("admin-api.md", route) for route in admin.routes()),
        *(("console-api.md", route) for route in surface().routes if route.path.startswith("/console/api/")),
    ]


@pytest.mark.parametrize(("page", "route"), told_elsewhere(), ids=lambda value: getattr(value, "path", value))
def test_every_route_of_another_api_has_its_row(page: str, route: Route) -> None:
    assert f"`{route.method} {route.path}`" in [row[0] for row in rows(REFERENCE / page)]


def refusals() -> list[tuple[int, str]]:
    """Status and code of every Refusal that the source makes."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
                status, code = (argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant))
                assert isinstance(status, int)
                assert isinstance(code, str)
                found.add((status, code))
    return sorted(found)


@pytest.mark.parametrize(("status", "code"), refusals(), ids=lambda value: str(value))
def test_every_error_code_has_its_row(status: int, code: str) -> None:
    assert [f"`{code}`", str(status)] in [row[:2] for row in rows(REFERENCE / "errors.md")]


def test_no_row_tells_of_an_error_that_is_not_made() -> None:
    told = {(int(row[1]), row[0].strip("`")) for row in rows(REFERENCE / "errors.md") if row[1].isdigit()}
    assert told == set(refusals())


def test_every_kind_of_error_that_is_counted_beside_refusals_is_told() -> None:
    kinds = {kind for source in SOURCES for kind in re.findall(r'\berrors\["(\w+)"\]', source.read_text())}
    told = (REFERENCE / "metrics.md").read_text()
    assert {kind for kind in kinds if f"`{kind}`" not in told} == set()
