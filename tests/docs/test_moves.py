"""The pages on moving here name settings that are there, and set what can be set."""

import re
import shlex
from pathlib import Path

import pytest

from pushery.cli.assignments import parse_assignments
from pushery.config import SETTINGS
from pushery.core.appchanges import SETTING_NAMES, change_settings, given_problem, text_problem
from pushery.core.appsettings import AppSettings
from tests.docs.pages import ROOT, prose, rows, section

HOW_TO = ROOT / "docs" / "how-to"
PAGES = [HOW_TO / f"move-from-{name}.md" for name in ("pusher", "soketi", "reverb")]
NOT_SETTINGS = {"webhooks", "url", "events", "headers", "channel_prefix", "channel_suffix"}
"""Members of a webhook, which the pages name beside settings."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_that_a_page_gives_can_be_given_so(page: Path) -> None:
    told = re.findall(r"pushery app set APP_KEY ([^`\n]+)", page.read_text())
    told += [row[1].strip("`") for row in rows(page) if re.match(r"`[a-z_]+=[^`]*`$", row[-1]) and len(row) == 2]
    told = [line for line in told if not line.startswith("webhooks=")]
    assert told
    for assignments in map(shlex.split, told):
        assert change_settings(AppSettings(), parse_assignments(assignments)) != AppSettings()


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_every_name_that_an_option_has_here_is_one_of_a_setting(page: Path) -> None:
    known = {*SETTING_NAMES, *(setting.name for setting in SETTINGS), *NOT_SETTINGS}
    here = [row[1] for row in rows(page) if len(row) == 2 and row[1] not in ("Here", "---")]
    named = {name for cell in here for name in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", cell)}
    assert len(named) > 5
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_says_what_is_not_there_how_to_cross_and_how_to_check(page: Path) -> None:
    assert "one core" in section(page, "What is not there")
    assert "ublish to both" in section(page, "Across, without a gap")
    assert "pushery doctor" in section(page, "See that it works")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_keeps_id_key_and_secret_by_a_command_that_takes_them(page: Path) -> None:
    kept = section(page, "Keep id, key and secret")
    assert "othing changes but the host" in kept
    [told] = re.findall(r"^pushery app add (.+)$", kept, re.MULTILINE)
    name, *flags = shlex.split(told)
    assert flags[::2] == ["--id", "--key", "--secret"]
    given = dict(zip(("id", "key", "secret"), flags[1::2], strict=True))
    assert [given_problem(what, value) for what, value in given.items()] == [None, None, None]
    assert text_problem("name", name) is None
    assert given["secret"].startswith("@")  # not for `ps` to show


def test_a_key_of_gopushers_is_kept_too() -> None:
    page = HOW_TO / "move-from-gopusher.md"
    assert "--key OLD_KEY` a key is kept, and\n  nothing changes but the host" in prose(page)
    assert '"app_key"] = app["app_key"]' in section(page, "Take the apps over")
