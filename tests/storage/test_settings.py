"""Settings as text: what is at its default is left out, and what a newer version wrote is neither an end nor lost."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pushery.core.apps import AppDraft
from pushery.core.appsettings import AppSettings
from pushery.core.ports import StorageError
from pushery.storage import open_app_store
from pushery.storage.settings import decode_settings, encode_settings

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


def draft(key: str) -> AppDraft:
    return AppDraft(key=key, secret="s", name="n", auth_account="a", auth_password="p", request_ip="", registered_ms=1)


def test_defaults_are_left_out_so_that_a_new_default_reaches_old_apps() -> None:
    assert encode_settings(AppSettings(), "{}") == "{}"
    assert encode_settings(AppSettings(max_batch=3), '{"max_batch":7,"enabled":false}') == '{"max_batch":3}'
    assert decode_settings('{"max_batch":3}') == AppSettings(max_batch=3)


def test_members_of_a_newer_version_are_ignored_and_kept() -> None:
    text = '{"max_batch":3,"from_the_future":{"a":[1]}}'
    assert decode_settings(text) == AppSettings(max_batch=3)
    assert json.loads(encode_settings(AppSettings(enabled=False), text)) == {
        "enabled": False,
        "from_the_future": {"a": [1]},
    }


@pytest.mark.parametrize(
    "text", ['{"max_batch":0}', '{"max_batch":"3"}', '{"webhooks":[{"url":"http://a","newer":1}]}', '{"enabled":null}']
)
def test_a_value_that_a_setting_cannot_have_is_told(text: str) -> None:
    with pytest.raises(StorageError, match="do not fit this Pushery"):
        decode_settings(text)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"', "[" * 100_000])
def test_what_is_no_object_is_told(text: str) -> None:
    for read in (decode_settings, lambda text: encode_settings(AppSettings(), text)):
        with pytest.raises(StorageError, match="not a JSON object"):
            read(text)


@given(st.dictionaries(st.sampled_from(["enabled", "max_batch", "webhooks", "newer"]) | st.text(), VALUES))
def test_no_object_breaks_the_reading_of_it(members: dict[str, Any]) -> None:
    text = json.dumps(members)
    try:
        settings = decode_settings(text)
    except StorageError:
        return
    assert decode_settings(encode_settings(settings, text)) == settings


def test_the_app_whose_settings_are_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "apps.sqlite"
    with closing(open_app_store(str(path))) as store:
        store.add(draft("a"))
    for settings, reason in (('{"max_batch":0}', "max_batch"), ("", "JSON object")):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE pushery_apps SET settings = ?", (settings,))
        with closing(open_app_store(str(path))) as store:
            for ask in (store.load, lambda: store.change("a", lambda app: replace(app, name="new"))):
                with pytest.raises(StorageError, match=f"^the database {path}, app 1: its settings .*{reason}"):
                    ask()


def test_a_change_keeps_what_a_newer_version_wrote(tmp_path: Path) -> None:
    path = tmp_path / "apps.sqlite"
    with closing(open_app_store(str(path))) as store:
        store.add(draft("a"))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("""UPDATE pushery_apps SET settings = '{"newer":1}'""")
        changed = store.change("a", lambda app: replace(app, settings=AppSettings(enabled=False)))
        assert list(store.load()) == [changed]
    with closing(sqlite3.connect(path)) as connection:
        [text] = connection.execute("SELECT settings FROM pushery_apps").fetchone()
    assert json.loads(text) == {"enabled": False, "newer": 1}
