"""The command line, as a person or a script drives it: what it prints, and the exit codes it ends with."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import pushery
from pushery.cli.commands import app as commands
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

COMMANDS = (
    *("start", "init", "check", "version", "push", "listen"),
    *("app", "app add", "app list", "app remove", "app show", "app set", "app rotate", "app revoke"),
    *("hooks", "hooks list", "hooks replay", "hooks drop"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


def clean_environment(**changed: str) -> dict[str, str]:
    """This environment without settings of ours, and `changed`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PUSHERY_")} | changed


def pushery_command(
    directory: Path, *arguments: str, said: str = "", environ: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command in `directory` to its end; it never shows a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "pushery", *arguments],
        cwd=directory,
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(**(environ or {})),
    )
    assert "Traceback" not in done.stderr
    return done


def write_config(directory: Path, **settings: object) -> Path:
    """A configuration that can be used, changed by `settings`."""
    config = directory / "default.json"
    config.write_text(json.dumps({"auth_account": ADMIN[0], "auth_password": ADMIN[1], **settings}))
    config.chmod(0o600)
    return config


def assert_fails(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    """It has ended with `code` and one line on standard error that holds all `words`."""
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("pushery: ")
    assert [word for word in words if word not in line] == []


def test_init_writes_a_configuration_that_only_its_owner_reads_and_that_starts(tmp_path: Path) -> None:
    done = pushery_command(tmp_path, "init")
    assert done.returncode == 0
    config = tmp_path / "default.json"
    assert config.stat().st_mode & 0o777 == 0o600
    assert pushery_command(tmp_path, "check").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", "start", "--listen", "127.0.0.1:0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean_environment(),
    )
    try:
        assert process.stdout is not None
        assert re.search(r"listens on http://127\.0\.0\.1:\d+", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("console", [True, False])
def test_the_start_names_the_console_at_the_address_for_backends_where_there_is_one(
    tmp_path: Path, console: bool
) -> None:
    with ServerProcess(tmp_path, console=console, admin_listen="127.0.0.1:0") as server:
        assert server.stop() == 0
        named = re.findall(r"^  console +http://127\.0\.0\.1:(\d+)/console$", server.said, re.MULTILINE)
        assert named == ([str(server.admin_port)] if console else [])


def test_a_push_with_a_wrong_password_says_which_flag_mends_it(server: ServerProcess) -> None:
    app = server.register("locked")
    done = pushery_command(server.directory, "push", app.key, "x", "--url", server.url, "--auth", "admin:wrong")
    assert_fails(done, 1, "does not take this account and password", "--auth")


def test_the_list_of_commands_cuts_no_sentence(tmp_path: Path) -> None:
    for group in ([], ["app"], ["hooks"]):
        done = pushery_command(tmp_path, *group, "--help")
        _, _, listed = done.stdout.partition("Commands:")
        assert listed
        assert "..." not in listed


def test_every_init_draws_another_password_and_prints_none(tmp_path: Path) -> None:
    passwords = set()
    for name in ("one.json", "two.json"):
        done = pushery_command(tmp_path, "init", "-c", name)
        found = re.search(r'"auth_password": *"([^"]{16,})"', (tmp_path / name).read_text())
        assert found is not None
        assert found[1] not in done.stdout + done.stderr
        passwords.add(found[1])
    assert len(passwords) == 2


def test_init_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    (tmp_path / "default.json").write_text("mine")
    assert_fails(pushery_command(tmp_path, "init"), 2, "default.json", "there already")
    assert (tmp_path / "default.json").read_text() == "mine"
    assert_fails(pushery_command(tmp_path, "init", "-c", "no/such/file.json"), 2, "no/such/file.json")


def test_check_says_every_problem_at_once(tmp_path: Path) -> None:
    write_config(tmp_path, listen="nowhere", ping_idle=-1, lisen=":1", mask_passwords="yes please")
    done = pushery_command(tmp_path, "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 4
    for word in ("listen", "ping_idle", "lisen", "mask_passwords"):
        assert word in done.stderr


def test_check_says_what_is_wrong_in_the_file_and_around_it_in_one_go(tmp_path: Path) -> None:
    write_config(tmp_path, lisen=":1", sqldir="no/a.sqlite")
    for command in ("check", "start"):
        done = pushery_command(tmp_path, command)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 2
        assert "lisen" in done.stderr
        assert "sqldir" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["push", "k", "x", "--auth", "nocolon", "--url", "http://127.0.0.1:9"], "account:password"),
        (["push", "k", "x", "--url", "http://[::1"], "--url takes"),
        (["listen", "k", "t", "--url", "http://127.0.0.1:99999"], "--url takes"),
        (["listen", "k", "t", "--url", "ftp://127.0.0.1"], "--url takes"),
        (["push", "k", "x", "--url", "http://127.0.0.1:9"], "give --auth"),
        (["push", "k", b"\xff", "--auth", "a:b", "--url", "http://127.0.0.1:9"], "is not UTF-8"),
        (["listen", "k", b"\xff", "--url", "http://127.0.0.1:9"], "is not UTF-8"),
        (["app", "add", "x" * 201], "1 to 200"),
        (["app", "add", "x", "--account", "a:b"], "':'"),
        (["app", "add", "x", "--key", "a:b"], "the key of an app has 1 to 64"),
        (["app", "add", "x", "--key", "admin"], "paths"),
        (["app", "add", "x", "--id", "a/b"], "the id of an app has 1 to 64"),
        (["app", "add", "x", "--secret", "a b"], "the secret of an app has 1 to 128"),
        (["app", "add", "x", "--secret", "@nowhere"], "--secret: nowhere cannot be read"),
        (["app", "add", "x", "--secret", "@/dev/null"], "the secret of an app has 1 to 128"),
    ],
)
def test_a_slip_on_the_command_line_is_one_clear_line(
    tmp_path: Path, arguments: list[str | bytes], reason: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pushery", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr


def test_check_looks_at_the_world_too(tmp_path: Path) -> None:
    write_config(tmp_path, sqldir="no/a.sqlite", logdir="no/b.log", tls_certificate="no.pem", tls_key="no.key")
    done = pushery_command(tmp_path, "check")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4
    assert not (tmp_path / "no").exists()


def test_check_of_a_good_configuration_is_fine_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = pushery_command(tmp_path, "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "default.json is fine.\n", "")
    assert list(tmp_path.iterdir()) == [config]


def test_check_warns_of_passwords_that_everybody_can_read(tmp_path: Path) -> None:
    write_config(tmp_path).chmod(0o644)
    done = pushery_command(tmp_path, "check")
    assert done.returncode == 0
    assert "chmod 600" in done.stderr
    assert ADMIN[1] not in done.stderr


@pytest.mark.parametrize("command", ["start", "check", "app list"])
def test_without_a_configuration_the_way_to_one_is_named(tmp_path: Path, command: str) -> None:
    assert_fails(pushery_command(tmp_path, *command.split()), 2, "default.json", "pushery init")


def test_apps_are_added_listed_and_removed_without_a_server(tmp_path: Path) -> None:
    write_config(tmp_path)
    first = fields_of(pushery_command(tmp_path, "app", "add", "first"))
    second = fields_of(pushery_command(tmp_path, "app", "add", "the second", "--account", "a", "--password", "p w"))
    assert re.fullmatch(r"[0-9a-f]{32}", first["app_key"])
    assert first["auth_account"] == "first"
    assert len(first["auth_password"]) >= 16
    assert (second["auth_account"], second["auth_password"]) == ("a", "p w")
    lines = pushery_command(tmp_path, "app", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [first["app_key"], second["app_key"]]
    assert lines[2].endswith("  the second")
    assert pushery_command(tmp_path, "app", "remove", first["app_key"]).returncode == 0
    assert_fails(pushery_command(tmp_path, "app", "remove", first["app_key"]), 1, first["app_key"])
    assert len(pushery_command(tmp_path, "app", "list").stdout.splitlines()) == 2


def fields_of(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """What `app add` prints."""
    assert done.returncode == 0, done.stderr
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def test_an_app_that_could_never_log_in_is_not_added(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert_fails(pushery_command(tmp_path, "app", "add", "x", "--account", "a:b"), 2, "':'")
    assert_fails(pushery_command(tmp_path, "app", "add", ""), 2, "name")


def test_a_database_of_another_key_is_told_in_one_line(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert pushery_command(tmp_path, "app", "add", "x").returncode == 0
    (tmp_path / "appdata.sqlite.key").unlink()
    assert_fails(pushery_command(tmp_path, "app", "list"), 1, "appdata.sqlite.key")


@contextmanager
def listening(server: ServerProcess, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`pushery listen` once it has connected."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", "listen", *arguments, "--url", server.url],
        cwd=server.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's job in the background ignores it
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("connected as ")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_is_pushed_on_the_command_line_is_printed_by_who_listens(server: ServerProcess, app: TestApp) -> None:
    at = ("--url", server.url)
    with listening(server, app.key, "A:1", "--count", "3") as listener:
        done = pushery_command(server.directory, "push", app.key, "hello é", *at)
        assert (done.returncode, done.stdout) == (0, "sent to 1 client\n"), done.stderr
        auth = ("--auth", ":".join(app.auth))
        done = pushery_command(server.directory, "push", app.key, "-", "--tag", "^A:1$", *auth, *at, said="two\nlines")
        assert (done.returncode, done.stdout) == (0, "sent to 1 client\n"), done.stderr
        done = pushery_command(server.directory, "push", app.key, "not meant", "--tag", "^B", *at)
        assert (done.returncode, done.stdout) == (0, "sent to 0 clients\n"), done.stderr
        server.push(app, "the last")
        printed, complained = listener.communicate(timeout=DEADLINE_S)
        assert (printed, complained, listener.returncode) == ("hello é\ntwo\nlines\nthe last\n", "", 0)


def test_push_says_why_it_was_refused(server: ServerProcess, app: TestApp) -> None:
    at = ("--url", server.url)
    run = pushery_command
    assert_fails(run(server.directory, "push", "0" * 32, "x", *at), 1, "There is no app with this key")
    assert_fails(run(server.directory, "push", app.key, "x", "--tag", "(", *at), 1, "not a valid RE2 pattern")
    assert_fails(run(server.directory, "push", app.key, "x", "--auth", "a:b", *at), 1, "super admin")
    assert_fails(run(server.directory, "push", app.key, "", *at), 1, "content")


def test_listen_says_why_it_was_refused(server: ServerProcess, app: TestApp) -> None:
    at = ("--url", server.url)
    assert_fails(pushery_command(server.directory, "listen", "0" * 32, "A", *at), 1, "There is no app with this key")
    assert_fails(pushery_command(server.directory, "listen", app.key, "x" * 201, *at), 1, "200 characters")


def test_listen_says_why_it_was_closed(server: ServerProcess, app: TestApp) -> None:
    with listening(server, app.key, "A") as listener:
        assert server.request("DELETE", f"/api/{app.key}/unregister").status == 200
        _, complained = listener.communicate(timeout=DEADLINE_S)
    assert (listener.returncode, complained) == (
        1,
        "pushery: closed by the server: 4001 app unregistered. Do not reconnect: the app is gone.\n",
    )


def test_ctrl_c_ends_listening_without_a_word(server: ServerProcess, app: TestApp) -> None:
    with listening(server, app.key, "A") as listener:
        listener.send_signal(signal.SIGINT)
        printed, complained = listener.communicate(timeout=DEADLINE_S)
    assert (listener.returncode, printed, complained.strip()) == (130, "", "")


def test_a_server_that_cannot_be_reached_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        write_config(tmp_path)
        assert_fails(pushery_command(tmp_path, "push", "key", "x", "--url", url), 1, url, "refused")
        assert_fails(pushery_command(tmp_path, "listen", "key", "A", "--url", url), 1, url.removeprefix("http"))
        write_config(tmp_path, listen=url.removeprefix("http://"))
        assert_fails(pushery_command(tmp_path, "push", "key", "x"), 1, url)


def test_an_address_that_is_none_is_misuse(tmp_path: Path) -> None:
    write_config(tmp_path)
    for command in ("push", "listen"):
        assert_fails(pushery_command(tmp_path, command, "key", "x", "--url", "ftp://x"), 2, "--url")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = in_this_process(*command.split(), "--help")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.strip().startswith(f"Usage: pushery {command}")
    assert len(done.stdout.splitlines()) > 5


def test_the_help_lists_all_commands() -> None:
    done = in_this_process("-h")
    assert done.exit_code == 0
    for command in COMMANDS:
        assert re.search(rf"^\W*{command.split()[0]}\W", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments", ["start --nonsense", "nonsense", "push", "listen key tag --count -1", "app nonsense"]
)
def test_wrong_usage_is_exit_code_2(arguments: str) -> None:
    done = in_this_process(*arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: pushery" in done.stderr


def test_wrong_usage_of_the_real_program_is_one_line_that_names_the_help(tmp_path: Path) -> None:
    for arguments, words in (
        (("start", "--nonsense", "1"), ("--nonsense", "`pushery start -h`")),
        (("nonsense",), ("'nonsense'", "`pushery -h`")),
        (("app", "add"), ("'name'", "`pushery app add -h`")),
        (("bench", "--clients", "0"), ("--clients", "`pushery bench -h`")),
    ):
        assert_fails(pushery_command(tmp_path, *arguments), 2, *words)


def test_a_group_of_commands_by_itself_shows_its_help(tmp_path: Path) -> None:
    done = pushery_command(tmp_path, "app")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: pushery app")
    assert "rotate" in done.stderr


def in_this_process(*arguments: str) -> Result:
    """A command that ends while its arguments are read needs no process of its own."""
    return CliRunner().invoke(commands, list(arguments), prog_name="pushery")


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, auth_account="from-file", listen="203.0.113.1:1")
    server.flags = ["--listen", "127.0.0.1:0"]
    ways: list[tuple[str, dict[str, str], list[str]]] = [
        ("from-file", {}, []),
        ("from-environment", {"PUSHERY_AUTH_ACCOUNT": "from-environment"}, []),
        ("from-flag", {"PUSHERY_AUTH_ACCOUNT": "from-environment"}, ["--auth-account", "from-flag"]),
    ]
    for account, environ, flags in ways:
        server.environ, server.flags = environ, ["--listen", "127.0.0.1:0", *flags]
        with server:
            assert server.request("GET", "/api/app-list/0/1", auth=(account, ADMIN[1])).status == 200


def test_what_is_wrong_with_a_flag_or_a_variable_is_named_as_it_was_given(tmp_path: Path) -> None:
    write_config(tmp_path)
    done = pushery_command(
        tmp_path, "check", "--ping-idle", "soon", environ={"PUSHERY_LISTN": "x", "PUSHERY_OUTBOX_LIMIT": "y"}
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3
    for name in ("--ping-idle", "PUSHERY_LISTN", "PUSHERY_OUTBOX_LIMIT"):
        assert name in done.stderr


def test_a_configuration_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    write_config(tmp_path).rename(tmp_path / "other.json")
    done = pushery_command(tmp_path, "check", environ={"PUSHERY_CONFIG": "other.json"})
    assert (done.returncode, done.stdout) == (0, "other.json is fine.\n")


def test_version_is_the_packages(tmp_path: Path) -> None:
    assert pushery_command(tmp_path, "version").stdout == f"{pushery.__version__}\n"
    script = Path(sys.executable).with_name("pushery")
    by_script = subprocess.run([script, "version"], capture_output=True, text=True, timeout=60, check=True)
    assert by_script.stdout == f"{pushery.__version__}\n"


def test_output_into_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    write_config(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done: subprocess.CompletedProcess[Any] = subprocess.run(
            [sys.executable, "-m", "pushery", "start", "--help"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert "Traceback" not in done.stderr


def test_the_server_starts_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert server.request("GET", "/healthz").status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(DEADLINE_S) == 0
        wait_until(lambda: server.logged("stopped"), "the end")
        server._process = None
