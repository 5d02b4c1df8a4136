"""`--json`: every command has it, each prints one documented shape, and errors are JSON too."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import pushery
from pushery.cli.commands import app as commands
from pushery.core.appchanges import SETTING_NAMES
from tests.cli.test_cli import pushery_command, write_config

WITHOUT = {"start": "it runs a server; its banner is for people, its log can be JSON"}


def tree(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from tree(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


COMMANDS = dict(tree(typer.main.get_command(commands)))


def test_every_command_has_json_but_those_with_a_reason() -> None:
    without = {
        name
        for name, command in COMMANDS.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == set(WITHOUT)


def test_the_help_of_every_command_has_an_example_or_says_more() -> None:
    assert [name for name, command in COMMANDS.items() if len(f"{command.help}{command.epilog}") < 40] == []


def told(directory: Path, *arguments: str) -> Any:
    """The one line of JSON that a command prints."""
    done = pushery_command(directory, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    return json.loads(line)


@pytest.mark.process
def test_apps_are_told_in_json(tmp_path: Path) -> None:
    write_config(tmp_path)
    added = told(tmp_path, "app", "add", "shöp")
    key = added["app_key"]
    assert set(added) == {"app_key", "app_id", "app_secret", "auth_account", "auth_password"}
    (listed,) = told(tmp_path, "app", "list")["apps"]
    assert (listed["app_key"], listed["name"], listed["registered"][-1]) == (key, "shöp", "Z")
    shown = told(tmp_path, "app", "show", key)
    assert set(shown["settings"]) == set(SETTING_NAMES)
    assert (shown["auth_password"], shown["keys"][0]["secret"]) == (None, None)
    assert told(tmp_path, "app", "show", key, "--secrets")["keys"][0]["secret"] == added["app_secret"]
    changed = told(tmp_path, "app", "set", key, "max_batch=20", "allowed_origins=a,b")
    assert changed == {"app_key": key, "settings": {"max_batch": 20, "allowed_origins": ["a", "b"]}}
    new = told(tmp_path, "app", "rotate", key)
    assert set(new) == {"key", "secret"}
    assert told(tmp_path, "app", "revoke", key, new["key"]) == {"revoked": new["key"]}
    assert told(tmp_path, "hooks", "list", key) == {"app_key": key, "hooks": []}
    assert told(tmp_path, "hooks", "replay", key, "--all") == {"replayed": 0}
    assert told(tmp_path, "hooks", "drop", key, "--all") == {"dropped": 0}
    assert told(tmp_path, "app", "remove", key) == {"removed": key}


@pytest.mark.process
def test_the_server_and_its_configuration_are_told_in_json(tmp_path: Path) -> None:
    assert told(tmp_path, "version") == {"version": pushery.__version__}
    assert told(tmp_path, "init") == {"config": "default.json", "auth_account": "admin"}
    (tmp_path / "default.json").chmod(0o644)
    checked = told(tmp_path, "check")
    assert checked["config"] == "default.json"
    assert "chmod 600" in checked["warnings"][0]


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "code", "words", "count"),
    [
        ("app show nokey", 1, "no app with the key nokey", 1),
        ("app set nokey max_batch=no nonsense=1", 2, "not a whole number; there is no setting", 2),
        ("app add a --account b:c", 2, "':'", 1),
        ("app show", 2, "Missing argument", 1),
        ("version --nonsense", 2, "No such option: --nonsense", 1),
        ("nonsense", 2, "No such command", 1),
        ("check --listen nowhere --ping-idle soon", 2, "listen", 2),
        ("push key x --url http://127.0.0.1:1", 1, "no answer from http://127.0.0.1:1: connection refused", 1),
        ("listen key tag --url http://127.0.0.1:1", 1, "/ws/key/tag: connection refused, so no server runs there", 1),
    ],
)
def test_an_error_is_one_object_on_standard_error(
    tmp_path: Path, arguments: str, code: int, words: str, count: int
) -> None:
    write_config(tmp_path)
    done = pushery_command(tmp_path, *arguments.split(), "--json")
    assert (done.returncode, done.stdout) == (code, "")
    error = json.loads(done.stderr)["error"]
    assert words in error["message"]
    assert len(error["messages"]) == count
