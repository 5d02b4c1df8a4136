"""`pushery top` against a real server, in a pipe and on a terminal."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.test_cli import assert_fails, clean_environment, pushery_command
from tests.support.server import DEADLINE_S, ServerProcess, wait_until

pytestmark = pytest.mark.process


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(self.theirs)
        self.said = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pushery", *arguments],
            cwd=directory,
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
            env=clean_environment(TERM="xterm"),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
        )
        os.set_blocking(self._ours, False)

    def shows(self, words: str) -> bool:
        """Whether it has shown these words since it was asked last."""
        with suppress(BlockingIOError):
            self.said += os.read(self._ours, 1 << 20)
        found = words.encode() in self.said
        if found:
            self.said = b""
        return found

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def ended(self) -> int:
        """Its exit code; all that it writes meanwhile is read."""
        wait_until(lambda: self.shows("\0") or self.process.poll() is not None, "the end")
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self.theirs)


@contextmanager
def terminal(directory: Path, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(directory, *arguments)
    try:
        yield opened
    finally:
        opened.close()


def test_one_reading_tells_what_happened_since_the_look_before(server: ServerProcess) -> None:
    app = server.register()
    with server.client(app, "A:1"):
        done = pushery_command(server.directory, "top", "--once", "--json", "--interval", "0.2", "--url", server.url)
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        reading = json.loads(line)
        assert (reading["connections"], reading["apps"], reading["restarted"]) == (1, None, False)
        assert reading["memory_bytes"] > 1_000_000
        assert reading["requests_per_s"] > 0


def test_as_many_readings_as_wanted_come_one_a_line(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, metrics_per_app=True) as server:
        app = server.register()
        server.push(app, "hello")
        done = pushery_command(tmp_path, "top", "--json", "-n", "3", "--interval", "0.1", "--url", server.url)
        readings = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(readings) == 3
        assert [each["app_key"] for each in readings[0]["apps"]] == [app.key]


def test_in_a_pipe_the_figures_come_as_text(server: ServerProcess) -> None:
    done = pushery_command(server.directory, "top", "--once", "--interval", "0.1", "--url", server.url)
    assert done.returncode == 0
    assert "deliveries/s" in done.stdout
    assert "set metrics_per_app to true" in done.stdout
    assert "\x1b" not in done.stdout


def test_once_fails_when_nobody_answers_and_when_it_is_no_pushery(server: ServerProcess) -> None:
    assert_fails(pushery_command(server.directory, "top", "--once", "--url", "http://127.0.0.1:9"), 1, "no answer from")
    done = pushery_command(server.directory, "top", "--once", "--url", f"{server.url}/elsewhere")
    assert_fails(done, 1, "has no /metrics")
    assert_fails(pushery_command(server.directory, "top", "--url", "nonsense"), 2, "--url takes")


@pytest.mark.parametrize("way", ["q", "ctrl-c", "sigterm"])
def test_it_ends_and_the_terminal_is_as_before(server: ServerProcess, way: str) -> None:
    with terminal(server.directory, "top", "--interval", "0.2", "--url", server.url) as shown:
        wait_until(lambda: shown.shows("deliveries/s"), "the figures")
        assert termios.tcgetattr(shown.theirs) != shown.before
        ends = {"q": 0, "ctrl-c": 130, "sigterm": 143}
        if way == "q":
            shown.press("q")
        else:
            shown.process.send_signal(signal.SIGINT if way == "ctrl-c" else signal.SIGTERM)
        assert shown.ended() == ends[way]
        assert termios.tcgetattr(shown.theirs) == shown.before


def test_a_server_that_goes_away_is_told_and_awaited(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with server:
        port = server.port
        with terminal(tmp_path, "top", "--interval", "0.2", "--url", server.url) as shown:
            wait_until(lambda: shown.shows("deliveries/s"), "the figures")
            server.stop()
            wait_until(lambda: shown.shows("trying again"), "the trouble")
            server.settings["listen"] = f"127.0.0.1:{port}"
            server.start()
            wait_until(lambda: shown.shows("no errors") and not shown.shows("trying again"), "the figures again")
            shown.press("q")
            assert shown.ended() == 0
