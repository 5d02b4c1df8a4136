"""The OpenAPI document: of every route, current, and true."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushery.core.appchanges import SETTING_NAMES
from pushery.core.effects import ListApps, Route
from pushery.core.exchange import Reply
from pushery.dialects.admin.openapi import document, render
from pushery.dialects.admin.rest import OPERATIONS
from tests.dialects.test_admin import LIST, OPENAPI, WITH_AUTH, admin, app, ask

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
DOCUMENT = document(OPERATIONS)
SCHEMAS = DOCUMENT["components"]["schemas"]


def test_the_file_is_current() -> None:
    assert FILE.read_text() == render(OPERATIONS), "run: python -m pushery.dialects.admin > docs/reference/openapi.json"


def test_the_server_serves_what_the_file_holds() -> None:
    reply = ask(OPENAPI, auth=None)
    assert isinstance(reply, Reply)
    assert reply.body.decode() == FILE.read_text()


@pytest.mark.parametrize("route", admin().routes(), ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described(route: Route) -> None:
    described = DOCUMENT["paths"][route.path][route.method.lower()]
    assert described["summary"] == route.summary
    assert route.handle.__doc__ == f"{route.method} {route.path}"
    named = [each["name"] for each in described.get("parameters", []) if each["in"] == "path"]
    assert named == re.findall(r"{(\w+)}", route.path)
    assert ("401" in described["responses"]) == (f"{route.method} {route.path}" in WITH_AUTH)
    assert (described.get("security") == []) == (f"{route.method} {route.path}" == OPENAPI)


def references(value: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    plain = json.loads(render(OPERATIONS))
    assert references(plain) == {f"#/components/schemas/{name}" for name in SCHEMAS}


def test_names_of_operations_are_unique() -> None:
    assert len({each.handler for each in OPERATIONS}) == len(OPERATIONS)


def test_every_setting_can_be_read_and_set_and_set_back() -> None:
    assert list(SCHEMAS["AppSettings"]["properties"]) == list(SCHEMAS["SettingsPatch"]["properties"])
    assert sorted(SCHEMAS["AppSettings"]["properties"]) == sorted(SETTING_NAMES)
    for schema in SCHEMAS["SettingsPatch"]["properties"].values():
        assert schema["anyOf"][-1] == {"type": "null"}
        assert schema["description"]


def test_an_app_is_answered_as_described() -> None:
    outcome = ask(LIST)
    assert isinstance(outcome, ListApps)
    shown = msgspec.json.decode(outcome.answer([app()]).body)
    assert sorted(SCHEMAS["AppPage"]["properties"]) == sorted(shown)
    assert sorted(SCHEMAS["AppView"]["properties"]) == sorted(shown["apps"][0])
    assert sorted(SCHEMAS["AppSettings"]["properties"]) == sorted(shown["apps"][0]["settings"])


def test_the_same_routes_make_the_same_document() -> None:
    assert render(OPERATIONS) == render(list(OPERATIONS))
