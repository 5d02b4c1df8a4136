"""Changing an app on the command line: what is printed, what is refused, and that a running server follows."""

import json
import re
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from pushery.core.appchanges import SETTING_NAMES
from tests.cli.test_cli import assert_fails, fields_of, pushery_command, write_config
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def key(tmp_path: Path) -> str:
    """The key of an app in a registry of its own, in `tmp_path`."""
    write_config(tmp_path)
    return fields_of(pushery_command(tmp_path, "app", "add", "shop", "--password", "hunter2"))["app_key"]


def shown(directory: Path, key: str, *flags: str) -> str:
    """What `app show` prints."""
    done = pushery_command(directory, "app", "show", key, *flags)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_show_tells_every_setting_and_which_are_defaults_but_no_secrets(tmp_path: Path, key: str) -> None:
    text = shown(tmp_path, key)
    assert f"app_key       {key}\n" in text
    assert "hunter2" not in text
    assert [name for name in SETTING_NAMES if f"\n{name}=" not in text] == []
    assert "\nmax_batch=10  (default)\n" in text
    assert pushery_command(tmp_path, "app", "set", key, "max_batch=20").returncode == 0
    assert "\nmax_batch=20\n" in shown(tmp_path, key)


def test_show_masks_what_webhooks_prove_themselves_with(tmp_path: Path, key: str) -> None:
    hook = {"url": "https://me:opensesame@a.com/hook?token=opensesame", "headers": {"Authorization": "opensesame"}}
    asked = "connect_hook=https://b.com/ask?token=opensesame"
    assert pushery_command(tmp_path, "app", "set", key, f"webhooks={json.dumps([hook])}", asked).returncode == 0
    text = shown(tmp_path, key)
    assert "https://a.com/hook" in text
    assert "\nconnect_hook=https://b.com/ask\n" in text
    assert "Authorization" in text
    assert "opensesame" not in text
    assert shown(tmp_path, key, "--secrets").count("opensesame") == 4


def test_show_tells_secrets_when_asked_to(tmp_path: Path, key: str) -> None:
    text = shown(tmp_path, key, "--secrets")
    assert "hunter2" in text
    assert re.search(rf"^key           {key}  secret [0-9a-f]{{40}}  since ", text, re.MULTILINE)


def test_set_changes_what_it_is_given_and_prints_it(tmp_path: Path, key: str) -> None:
    hooks = json.dumps([{"url": "https://a.com/hook", "events": ["channel_vacated"]}])
    done = pushery_command(
        tmp_path, "app", "set", key, "client_events=true", "allowed_origins=a.com,*.b.com", f"webhooks={hooks}"
    )
    assert done.stdout.splitlines()[:2] == ["client_events=true", "allowed_origins=a.com,*.b.com"]
    assert "channel_vacated" in done.stdout
    done = pushery_command(tmp_path, "app", "set", key, "webhooks=", "client_events=")
    assert done.stdout == "webhooks=  (default)\nclient_events=false  (default)\n"
    assert "\nallowed_origins=a.com,*.b.com\n" in shown(tmp_path, key)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("max_batch=0", ["max_batch: expected int >= 1"]),
        ("max_batch=many", ["max_batch", "not a whole number"]),
        ("client_event=true", ["did you mean 'client_events'?", "watchlist"]),
        ("webhooks=ftp://a.com", ["'ftp://a.com' is not an http or https URL"]),
        ('webhooks=[{"url":"http://a","events":["x"]}]', ["there is no event 'x'", "channel_occupied"]),
    ],
)
def test_a_wrong_assignment_is_one_clear_line_and_changes_nothing(
    tmp_path: Path, key: str, assignment: str, words: list[str]
) -> None:
    before = shown(tmp_path, key)
    assert_fails(pushery_command(tmp_path, "app", "set", key, "client_events=true", assignment), 2, *words)
    assert shown(tmp_path, key) == before


def test_all_wrong_assignments_are_told_at_once(tmp_path: Path, key: str) -> None:
    done = pushery_command(tmp_path, "app", "set", key, "max_batch=0", "cache_ttl=0")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 2)


def test_a_key_is_rotated_and_the_old_one_revoked(tmp_path: Path, key: str) -> None:
    new = fields_of(pushery_command(tmp_path, "app", "rotate", key))
    assert re.fullmatch("[0-9a-f]{40}", new["secret"])
    assert f"key           {key} " in shown(tmp_path, key)
    assert f"key           {new['key']} " in shown(tmp_path, new["key"])
    assert pushery_command(tmp_path, "app", "revoke", key, key).stdout == f"Revoked {key}.\n"
    assert f"key           {key} " not in shown(tmp_path, key)
    assert_fails(pushery_command(tmp_path, "app", "revoke", key, key), 1, f"no key {key}")
    assert_fails(pushery_command(tmp_path, "app", "revoke", key, new["key"]), 1, "last key")


def test_an_app_has_five_keys_and_no_more(tmp_path: Path, key: str) -> None:
    for _ in range(4):
        assert pushery_command(tmp_path, "app", "rotate", key).returncode == 0
    assert_fails(pushery_command(tmp_path, "app", "rotate", key), 1, "at most 5 keys")


@pytest.mark.parametrize("arguments", [("show",), ("set", "max_batch=1"), ("rotate",), ("revoke", "x")])
def test_an_app_that_is_not_there_is_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_config(tmp_path)
    command, *more = arguments
    assert_fails(pushery_command(tmp_path, "app", command, "0" * 32, *more), 1, "no app with the key")


def test_a_running_server_follows(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        app = server.register()

        def push() -> int:
            return server.request("POST", f"/api/push/{app.key}", {"content": "x"}, app.auth).status

        def connects(key: str) -> bool:
            try:
                with server.client(TestApp(key, app.auth), "A:1"):
                    return True
            except InvalidStatus:
                return False

        assert push() == 200
        assert pushery_command(tmp_path, "app", "set", app.key, "enabled=off").returncode == 0
        wait_until(lambda: push() == 403, "the app to be switched off")
        assert pushery_command(tmp_path, "app", "set", app.key, "enabled=").returncode == 0
        wait_until(lambda: push() == 200, "the app to be switched on again")
        new = fields_of(pushery_command(tmp_path, "app", "rotate", app.key))["key"]
        wait_until(lambda: connects(new), "the new key")
        assert pushery_command(tmp_path, "app", "revoke", app.key, app.key).returncode == 0
        wait_until(lambda: not connects(app.key), "the end of the old key")
        assert connects(new)
