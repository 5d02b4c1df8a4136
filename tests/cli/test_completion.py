"""Completion in a real bash, and as the scripts of zsh and fish ask: what Tab offers, and that nothing is ever said."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pushery.core.appchanges import SETTING_NAMES
from tests.cli.test_cli import clean_environment, fields_of, pushery_command, write_config
from tests.support.server import DEADLINE_S

pytestmark = pytest.mark.process

BASH = shutil.which("bash") or "bash"


def offered(directory: Path, *words: str) -> list[str]:
    """What bash offers for the last of `words`, by the script that `--show-completion` prints for it."""
    script = """
        source <(_PUSHERY_COMPLETE=source_bash pushery)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _pushery_completion pushery
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{Path(sys.executable).parent}:{clean_environment()['PATH']}"
    done = subprocess.run(
        [BASH, "--noprofile", "--norc", "-c", script, "bash", "pushery", *words],
        cwd=directory,
        env=clean_environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_and_flags_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "app", "re") == ["remove", "revoke"]
    assert "--json" in offered(tmp_path, "app", "list", "--j")


def test_keys_of_apps_are_offered_from_the_registry(tmp_path: Path) -> None:
    write_config(tmp_path).rename(tmp_path / "other.json")
    where = ("--config", "other.json")
    keys = [fields_of(pushery_command(tmp_path, "app", "add", name, *where))["app_key"] for name in ("a", "b")]
    assert sorted(offered(tmp_path, "app", "show", *where, "")) == sorted(keys)
    assert offered(tmp_path, "push", *where, keys[0][:20]) == [keys[0]]
    new = fields_of(pushery_command(tmp_path, "app", "rotate", keys[0], *where))["key"]
    assert sorted(offered(tmp_path, "app", "revoke", *where, keys[0], "")) == sorted([keys[0], new])


def test_names_of_settings_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "app", "set", "key", "max_b") == ["max_batch="]
    assert len(offered(tmp_path, "app", "set", "key", "")) == len(SETTING_NAMES)


def test_where_nothing_can_be_read_nothing_is_offered_said_or_made(tmp_path: Path) -> None:
    assert offered(tmp_path, "app", "show", "") == []
    config = write_config(tmp_path)
    assert offered(tmp_path, "app", "show", "") == []
    assert list(tmp_path.iterdir()) == [config]
    (tmp_path / "appdata.sqlite").write_text("no database " * 1000)
    assert offered(tmp_path, "app", "show", "") == []
    config.write_text("{")
    assert offered(tmp_path, "app", "show", "") == []


def asked(directory: Path, line: str, shell: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the script of zsh or fish asks the command for, with this line before the cursor."""
    return subprocess.run(
        [sys.executable, "-m", "pushery"],
        cwd=directory,
        env=clean_environment(_PUSHERY_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS=line, **variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_zsh_is_offered_words_with_what_they_mean(tmp_path: Path) -> None:
    write_config(tmp_path)
    key = fields_of(pushery_command(tmp_path, "app", "add", "shop"))["app_key"]
    assert f'"{key}":"shop"' in asked(tmp_path, "pushery app show ", "zsh").stdout
    assert '"max_batch="' in asked(tmp_path, f"pushery app set {key} max_b", "zsh").stdout
    assert '"--json":' in asked(tmp_path, "pushery app list --j", "zsh").stdout


def test_fish_is_offered_words_and_where_there_are_none_its_own_files(tmp_path: Path) -> None:
    write_config(tmp_path)
    key = fields_of(pushery_command(tmp_path, "app", "add", "shop"))["app_key"]
    words = asked(tmp_path, "pushery app show ", "fish", _TYPER_COMPLETE_FISH_ACTION="get-args").stdout
    assert words == f"{key}\tshop\n"
    for line, none in (("pushery app show ", 0), ("pushery app list --config ", 1)):
        assert asked(tmp_path, line, "fish", _TYPER_COMPLETE_FISH_ACTION="is-args").returncode == none


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pushery", "--show-completion", shell],
        cwd=tmp_path,
        env=clean_environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert "_PUSHERY_COMPLETE" in done.stdout
