"""`pushery hooks`: what it shows, what it changes, and how it ends."""

import json
from contextlib import closing
from pathlib import Path

import pytest
import typer
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from pushery.cli.hooks import hooks
from pushery.core.apps import AppDraft, KeyPair
from pushery.storage import open_app_store
from pushery.storage.hookoutbox import Changes, Failure, HookOutbox, NewEvent, has_hook_outbox, open_hook_outbox
from tests.support.server import ADMIN

commands = typer.Typer()
commands.add_typer(hooks, name="hooks")


@pytest.fixture
def sqldir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    sqldir = str(tmp_path / "apps.sqlite")
    config = {"auth_account": ADMIN[0], "auth_password": ADMIN[1], "sqldir": sqldir}
    (tmp_path / "default.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    draft = AppDraft(
        key="key1", secret="s", name="n", auth_account="a", auth_password="b", request_ip="local:0", registered_ms=0
    )
    with closing(open_app_store(sqldir, None)) as store:
        store.add(draft)
        store.change("key1", lambda app: replace(app, keys=(*app.keys, KeyPair(key="key2", secret="s"))))
    return sqldir


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["hooks", *arguments])


def event(name: str, channel: str) -> NewEvent:
    body = json.dumps({"name": name, "channel": channel}).encode()
    return NewEvent("key1", "http://example.org/hook", channel, 1_700_000_000_000, body)


def fill(outbox: HookOutbox) -> tuple[list[int], list[int]]:
    """Two dead letters and two events that wait."""
    dead = outbox.write(Changes(new=[event("channel_occupied", "a"), event("client_event", "b\x1b[2J")]))
    outbox.write(Changes(dead=[Failure(one, 7, "HTTP 500") for one in dead], died_ms=1_700_000_300_000))
    return dead, outbox.write(Changes(new=[event("cache_miss", "c"), event("member_added", "d")]))


def test_an_app_without_anything_is_said_to_have_nothing(sqldir: str) -> None:
    done = run("list", "key1")
    assert done.exit_code == 0
    assert done.stdout == "Nothing waits for the webhooks of key1, and nothing was given up.\n"
    assert not has_hook_outbox(sqldir), "to look makes no file"
    assert run("replay", "key1", "--all").stdout == "0 go out again.\n"
    assert run("drop", "key1", "--all").stdout == "0 are deleted.\n"


@pytest.mark.parametrize("arguments", [("list",), ("replay", "--all"), ("drop", "--all"), ("drop", "--waiting", "1")])
def test_a_key_of_no_app_is_an_error(sqldir: str, arguments: tuple[str, ...]) -> None:
    command, *more = arguments
    done = run(command, "nokey", *more)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "pushery: there is no app with the key nokey; `pushery app list` shows those there are\n"


def test_any_valid_key_of_the_app_will_do(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as outbox:
        dead, waiting = fill(outbox)
    assert run("list", "key2").stdout == run("list", "key1").stdout
    assert run("replay", "key2", str(dead[0])).stdout == "1 goes out again.\n"
    assert run("drop", "key2", str(dead[1])).stdout == "1 is deleted.\n"
    assert run("drop", "key2", str(waiting[0]), "--waiting").stdout == "1 is deleted.\n"


def test_the_list_shows_dead_letters_and_what_waits(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as outbox:
        dead, waiting = fill(outbox)
    lines = run("list", "key1").stdout.splitlines()
    assert lines[0].split() == ["id", "state", "happened", "sent", "event", "channel", "error", "URL"]
    assert [(int(line.split()[0]), line.split()[1]) for line in lines[1:]] == [
        *((one, "dead") for one in dead),
        *((one, "waits") for one in waiting),
    ]
    assert "channel_occupied" in lines[1]
    assert "HTTP 500  http://example.org/hook" in lines[1]
    assert "\x1b" not in "".join(lines)
    assert len(run("list", "key1", "--limit", "1").stdout.splitlines()) == 3


def test_replay_moves_the_chosen_letters_into_the_queue(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as outbox:
        dead, waiting = fill(outbox)
        assert run("replay", "key1", str(dead[1])).stdout == "1 goes out again.\n"
        assert [letter.id for letter in outbox.dead_letters("key1")] == dead[:1]
        assert run("replay", "key1", "--all").stdout == "1 goes out again.\n"
        assert len(outbox.waiting("key1")) == len(waiting) + 2


def test_drop_deletes_dead_letters_or_what_waits(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as outbox:
        dead, waiting = fill(outbox)
        assert run("drop", "key1", *map(str, dead)).stdout == "2 are deleted.\n"
        assert outbox.dead_letters("key1") == []
        assert run("drop", "key1", str(waiting[0]), "--waiting").stdout == "1 is deleted.\n"
        assert [row.id for row in outbox.waiting()] == waiting[1:]


@pytest.mark.parametrize("arguments", [("replay", "key1"), ("drop", "key1", "5", "--all"), ("replay", "key1", "x")])
def test_what_cannot_be_meant_is_wrong_usage(sqldir: str, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_numbers_that_are_not_there_are_a_failure(sqldir: str) -> None:
    with closing(open_hook_outbox(sqldir)) as outbox:
        dead, _ = fill(outbox)
    done = run("replay", "key1", "999", str(dead[0]))
    assert done.exit_code == 1
    assert done.stderr == "pushery: 1 of the numbers is not there for key1; 1 go out again\n"


def test_a_file_that_is_no_outbox_is_one_line(sqldir: str) -> None:
    Path(f"{sqldir}.hooks").write_text("something else " * 100)
    done = run("list", "key1")
    assert done.exit_code == 1
    assert "is not an SQLite database" in done.stderr
    assert len(done.stderr.splitlines()) == 1
