"""The description of an app's settings that the page draws its form by."""

from typing import Any

import msgspec
import pytest

from pushery.console.api.schema import GROUPS, SCHEMA
from pushery.core.appchanges import SETTING_NAMES, SettingsError, change_settings
from pushery.core.appsettings import HOOK_EVENTS, OPERATORS_ONLY, AppSettings

ANSWER: Any = msgspec.json.decode(SCHEMA)
ROWS = {row["name"]: row for row in ANSWER["settings"]}
TYPES = {"boolean": bool, "integer": int, "number": float, "string": str, "strings": tuple, "webhooks": tuple}


def test_every_setting_is_in_exactly_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(SETTING_NAMES)
    assert len(ANSWER["settings"]) == len(SETTING_NAMES)


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_a_setting_is_told_as_it_is(name: str) -> None:
    row, default = ROWS[name], getattr(AppSettings(), name)
    assert type(default) is TYPES[row["type"]]
    assert row["default"] == (list(default) if isinstance(default, tuple) else default)
    assert name in GROUPS[row["group"]]
    assert row["operator_only"] == (name in OPERATORS_ONLY)
    assert row["description"]


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "maximum" in row])
def test_bounds_are_told_as_they_hold(name: str) -> None:
    row = ROWS[name]
    for value in (row["minimum"], row["maximum"]):
        assert getattr(change_settings(AppSettings(), {name: value}), name) == value
    for value in (row["minimum"] - 1, row["maximum"] + 1):
        with pytest.raises(SettingsError, match=name):
            change_settings(AppSettings(), {name: value})


def test_texts_and_lists_have_their_lengths() -> None:
    assert ROWS["token_issuer"]["max_length"] == 200
    assert (ROWS["allowed_origins"]["max_length"], ROWS["allowed_origins"]["max_items"]) == (200, 100)
    assert ROWS["webhooks"]["max_items"] == 20


def test_the_events_of_webhooks_are_named() -> None:
    assert ANSWER["hook_events"] == list(HOOK_EVENTS)
