"""`pushery push` and `pushery listen` with channels, against a real server."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_cli import assert_fails, clean_environment, pushery_command
from tests.support.server import DEADLINE_S, ServerProcess, TestApp

pytestmark = pytest.mark.process

MASTER = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def app(server: ServerProcess) -> TestApp:
    return server.register()


@contextmanager
def hearing(server: ServerProcess, *arguments: str, ready: str = "subscribed to ") -> Iterator["subprocess.Popen[str]"]:
    """`pushery listen` once standard error has a line with `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", "listen", *arguments, "--url", server.url],
        cwd=server.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError(said)
        yield process
    finally:
        process.kill()
        process.communicate()


def publish(server: ServerProcess, app: TestApp, channel: str, event: str, data: str, *more: str) -> str:
    """What `pushery push` says."""
    arguments = ("push", app.key, data, "--channel", channel, "--event", event, "--url", server.url, *more)
    done = pushery_command(server.directory, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def heard(process: "subprocess.Popen[str]") -> list[str]:
    """The lines it has printed by its end, which is in order."""
    printed, complained = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, complained
    return printed.splitlines()


def test_an_event_on_a_public_channel_is_a_line_with_channel_event_and_data(
    server: ServerProcess, app: TestApp
) -> None:
    with hearing(server, app.key, "--channel", "news", "--count", "2") as listener:
        assert publish(server, app, "news", "flash", '{"id": 1, "text": "é"}') == "sent to 1 client on news\n"
        publish(server, app, "news", "flash", "two\nlines")
        assert heard(listener) == ['news flash {"id":1,"text":"é"}', "news flash two\\nlines"]


def test_with_json_every_event_is_an_object(server: ServerProcess, app: TestApp) -> None:
    with hearing(server, app.key, "--channel", "private-a", "--count", "1", "--json") as listener:
        told = publish(server, app, "private-a", "flash", '{"id": 1}', "--channel", "b", "--json")
        assert json.loads(told) == {"channels": {"private-a": 1, "b": 0}}
        assert [json.loads(line) for line in heard(listener)] == [
            {"channel": "private-a", "event": "flash", "data": {"id": 1}}
        ]


def test_a_remote_server_takes_what_a_given_secret_signs(server: ServerProcess, app: TestApp, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(app.reply["app_secret"] + "\n")
    arguments = ("--channel", "a", "--event", "e", "--url", server.url, "--app-id", app.reply["app_id"])
    done = pushery_command(tmp_path, "push", app.key, "x", *arguments, "--secret", f"@{tmp_path / 'secret'}")
    assert (done.returncode, done.stdout) == (0, "sent to 0 clients on a\n"), done.stderr
    assert_fails(pushery_command(tmp_path, "push", app.key, "x", *arguments, "--secret", "f" * 40), 1, "signature")
    assert_fails(pushery_command(tmp_path, "push", app.key, "x", *arguments[:-2]), 2, "--secret")


def test_a_presence_channel_tells_who_comes_and_goes(server: ServerProcess, app: TestApp) -> None:
    room = ("--channel", "presence-room")
    with hearing(server, app.key, *room, "--user-id", "ann", "--count", "2", ready="(1 present)") as ann:
        info = '{"name":"Bob"}'
        with hearing(server, app.key, *room, "--user-id", "bob", "--user-info", info, ready="(2 present)"):
            pass
        assert heard(ann) == [
            'presence-room pusher:member_added {"user_id":"bob","user_info":{"name":"Bob"}}',
            'presence-room pusher:member_removed {"user_id":"bob"}',
        ]


def test_only_events_that_are_asked_for_are_printed_and_counted(server: ServerProcess, app: TestApp) -> None:
    with hearing(server, app.key, "--channel", "a", "--event", "wanted", "--count", "1") as listener:
        publish(server, app, "a", "other", "x")
        publish(server, app, "a", "wanted", "y")
        assert heard(listener) == ["a wanted y"]


def test_encrypted_events_are_opened_with_the_key_and_opaque_without(server: ServerProcess, app: TestApp) -> None:
    channel, key = "private-encrypted-a", ("--encryption-key", MASTER)
    where = ("--channel", channel, "--count", "1")
    with hearing(server, app.key, *where, *key) as knowing, hearing(server, app.key, *where, "--json") as blind:
        assert publish(server, app, channel, "e", "the secret", *key) == f"sent to 2 clients on {channel}\n"
        assert heard(knowing) == [f"{channel} e the secret"]
        (told,) = map(json.loads, heard(blind))
    assert told["encrypted"] is True
    assert set(told["data"]) == {"nonce", "ciphertext"}


def test_a_user_who_signs_in_hears_what_is_sent_to_them(server: ServerProcess, app: TestApp) -> None:
    assert pushery_command(server.directory, "app", "set", app.key, "user_authentication=true").returncode == 0
    own = "#server-to-user-ann"
    while True:  # the server takes the setting in within two seconds
        try:
            with hearing(server, app.key, "--sign-in", "ann", "--count", "1") as listener:
                assert publish(server, app, own, "hello", "you") == f"sent to 1 client on {own}\n"
                assert heard(listener) == [f"{own} hello you"]
            return
        except AssertionError as error:
            if "refused" not in str(error):
                raise


def test_a_close_is_told_with_its_code_and_what_it_means(server: ServerProcess, app: TestApp) -> None:
    with hearing(server, app.key, "--channel", "a") as listener:
        assert server.request("DELETE", f"/api/{app.key}/unregister").status == 200
        _, complained = listener.communicate(timeout=DEADLINE_S)
    assert listener.returncode == 1
    assert complained.splitlines()[-1] == (
        "pushery: closed by the server: 4001 application does not exist. Do not reconnect: mend the key."
    )


def test_an_unknown_key_and_a_wrong_secret_are_refused_in_one_line(server: ServerProcess, app: TestApp) -> None:
    at = ("--url", server.url)
    done = pushery_command(server.directory, "listen", "0" * 32, "--channel", "a", *at)
    assert_fails(done, 1, "4001 application does not exist", "mend the key")
    done = pushery_command(server.directory, "listen", app.key, "--channel", "private-a", "--secret", "no", *at)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("pushery: refused: Invalid signature")
    done = pushery_command(
        server.directory, "listen", app.key, "--channel", "private-a", "--secret", "no", *at, "--json"
    )
    assert "Invalid signature" in json.loads(done.stderr.splitlines()[-1])["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("push k x --channel a", "--event"),
        ("push k x --channel a --event e --tag b", "one or the other"),
        ("push k x --event e", "--channel"),
        ("push k x --channel a --event e --secret s", "go together"),
        ("push k x --channel a*b --event e --secret s --app-id 1", "not the name of a channel"),
        ("push k x --channel private-encrypted-a --event e --secret s --app-id 1", "--encryption-key"),
        ("push k x --channel a --event e", "give --secret"),
        ("listen k", "either a tag, or channels"),
        ("listen k tag --channel a", "either a tag, or channels"),
        ("listen k tag --event a", "--channel"),
        ("listen k --channel presence-a --secret s", "--user-id"),
        ("listen k --channel presence-a --secret s --user-id a --user-info [1]", "JSON object"),
        ("listen k --channel a --encryption-key short", "32 bytes in base64"),
        ("listen k --channel private-a", "give --secret"),
        ("listen k --channel private-a --secret @nowhere", "cannot be read"),
    ],
)
def test_a_slip_is_one_clear_line(tmp_path: Path, arguments: str, words: str) -> None:
    done = pushery_command(tmp_path, *arguments.split(), "--url", "http://127.0.0.1:9")
    assert_fails(done, 2, words)
