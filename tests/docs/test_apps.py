"""The pages on apps lack nothing: every setting with what it may be, every route of the admin API."""

from typing import Any

import pytest

from pushery.cli.assignments import value_text
from pushery.core.appchanges import MAX_KEYS, SETTING_NAMES
from pushery.core.appsettings import HOOK_EVENTS, AppSettings
from pushery.dialects.admin.openapi import Operation, document
from pushery.dialects.admin.rest import DEFAULT_LIMIT, MAX_LIMIT, OPERATIONS
from tests.docs.pages import REFERENCE, rows, section

SETTINGS_PAGE = REFERENCE / "app-settings.md"
API_PAGE = REFERENCE / "admin-api.md"
SCHEMAS = document(OPERATIONS)["components"]["schemas"]


def row_of(name: str, schema: dict[str, Any]) -> list[str]:
    """Name, default, values and meaning of a setting, as its row has them."""
    default = value_text(getattr(AppSettings(), name))
    return [f"`{name}`", f"`{default}`" if default else "none", values_of(schema), schema["description"]]


def values_of(schema: dict[str, Any]) -> str:
    """What a setting may be."""
    if schema["type"] == "boolean":
        return "`true`, `false`"
    if schema["type"] == "array":
        return f"up to {schema['maxItems']:,}"
    if schema["type"] == "string":
        return f"up to {schema['maxLength']:,} characters"
    return f"{schema['minimum']:,} to {schema['maximum']:,}"


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_every_setting_of_an_app_has_its_row(name: str) -> None:
    assert row_of(name, SCHEMAS["AppSettings"]["properties"][name]) in rows(SETTINGS_PAGE)


def test_no_row_tells_of_a_setting_that_is_not_there() -> None:
    told = {row[0].strip("`") for row in rows(SETTINGS_PAGE) if len(row) == 4 and row[0].startswith("`")}
    assert told == set(SETTING_NAMES)


@pytest.mark.parametrize("name", SCHEMAS["Webhook"]["properties"])
def test_every_member_of_a_webhook_is_told(name: str) -> None:
    assert name in [row[0].strip("`") for row in rows(SETTINGS_PAGE) if len(row) == 2]


def test_every_event_of_a_webhook_is_named() -> None:
    told = section(SETTINGS_PAGE, "Webhooks")
    assert [event for event in HOOK_EVENTS if f"`{event}`" not in told] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_route_of_the_admin_api_is_told(operation: Operation) -> None:
    name = f"{operation.method} {operation.path}"
    told = section(API_PAGE, name)
    assert operation.summary in told
    assert "curl" in told
    assert f"**Answer:** {operation.status}" in told
    assert [
        status for status in operation.refusals if status not in (401, 413, 415, 503) and str(status) not in told
    ] == []
    assert f"`{name}`" in [row[0] for row in rows(API_PAGE)]


def test_limits_are_told_as_they_are() -> None:
    assert f"{DEFAULT_LIMIT} without it, {MAX_LIMIT:,} at most" in API_PAGE.read_text()
    assert f"at most {MAX_KEYS} keys" in API_PAGE.read_text()
