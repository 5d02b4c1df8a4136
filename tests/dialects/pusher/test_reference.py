"""What the Pusher HTTP API has, its reference page has: no route and no error without its row."""

import ast

import pytest

from pushery.core.apps import Directory
from pushery.core.effects import Route
from pushery.dialects.pusher.rest import PusherApi
from tests.dialects.pusher.backend import StillClock
from tests.docs.pages import REFERENCE, ROOT, rows, section

PAGE = REFERENCE / "pusher-http-api.md"
SOURCES = [ROOT / "src" / "pushery" / "dialects" / "pusher" / name for name in ("errors.py", "requests.py", "rest.py")]


def codes() -> set[str]:
    """The code of every refusal that the API makes."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            at = {"ApiRefusal": 1, "malformed": 0}.get(name)
            if at is not None and isinstance(node.args[at], ast.Constant):
                found.add(str(ast.literal_eval(node.args[at])))
    return found


@pytest.mark.parametrize(
    "route", PusherApi(Directory(), StillClock(), 600.0).routes(), ids=lambda route: str(route.path)
)
def test_every_route_is_told(route: Route) -> None:
    told = section(PAGE, f"{route.method} {route.path}")
    assert "**Who:**" in told
    assert "curl" in told
    assert f"`{route.method} {route.path}`" in [row[0] for row in rows(PAGE)]


def test_every_error_has_its_row_and_every_row_its_error() -> None:
    assert {row[2].strip("`") for row in rows(PAGE) if row[0].isdigit()} == codes()
