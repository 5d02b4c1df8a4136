"""The configuration file that a first start writes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.config import jsonc
from pushery.config.loader import load
from pushery.config.settings import SETTINGS, Settings
from pushery.config.template import WIDTH, render_default_config

README_KEYS = ["auth_account", "auth_password", "environment", "logdir", "listen", "sqldir"]
COMMENTED_OUT = re.compile(r'^( *)//(?="[a-z_]+":)', re.MULTILINE)


def load_text(text: str, directory: Path) -> Settings:
    path = directory / "default.json"
    path.write_text(text)
    return load(path, {}, {})


def test_it_loads_to_the_defaults_and_the_given_password(tmp_path: Path) -> None:
    settings = load_text(render_default_config("sesame"), tmp_path)
    assert settings == Settings(auth_account="admin", auth_password="sesame")


def test_every_commented_out_setting_can_be_taken_into_use_and_holds_its_default(tmp_path: Path) -> None:
    text, count = COMMENTED_OUT.subn(r"\1", render_default_config("sesame"))
    assert count == len(SETTINGS) - len(README_KEYS)
    assert load_text(text, tmp_path) == Settings(auth_account="admin", auth_password="sesame")


def test_the_readmes_keys_come_live_in_the_readmes_order() -> None:
    decoded = jsonc.decode(render_default_config("sesame"))
    assert isinstance(decoded, dict)
    assert list(decoded) == README_KEYS


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_every_setting_stands_in_it_once_below_its_help(name: str) -> None:
    assert len(re.findall(rf'^ +// .*\n +(?://)?"{name}": ', render_default_config("sesame"), re.MULTILINE)) == 1


def test_no_line_is_wider_than_the_page() -> None:
    assert max(map(len, render_default_config("sesame").splitlines())) <= WIDTH


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_password_survives(password: str) -> None:
    decoded = jsonc.decode(render_default_config(password))
    assert isinstance(decoded, dict)
    assert decoded["auth_password"] == password


def test_an_empty_password_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        render_default_config("")
