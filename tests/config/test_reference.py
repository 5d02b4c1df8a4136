"""The reference page of the settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from pushery.config.declaration import Setting
from pushery.config.reference import COMMAND, render_reference
from pushery.config.settings import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_is_as_the_declarations_render_it() -> None:
    assert PAGE.read_text() == render_reference(), f"the page is stale, renew it with: {COMMAND}"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_its_row_and_its_section(setting: Setting) -> None:
    page = render_reference()
    assert page.count(f"\n| [{setting.name}](#{setting.name}) |") == 1
    section = page.partition(f"\n## {setting.name}\n")[2].partition("\n## ")[0]
    for said in (setting.help, setting.environment, setting.flag, setting.kind.expects):
        assert said in section
    assert ("- Secret: yes" in section) is setting.secret


def test_the_command_writes_the_page() -> None:
    module = COMMAND.split()[2]
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True)
    assert done.stdout == render_reference()
