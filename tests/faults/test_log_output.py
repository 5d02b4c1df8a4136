"""Where the log goes is full, gone, or read by nobody: the server neither ends nor waits, and goes on logging later."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushery.app.logs import LogOutput
from tests.faults.hands import delivers
from tests.support.server import DEADLINE_S, ServerProcess, wait_until

PIPE_BYTES = 65536


@pytest.fixture
def pipe() -> Iterator[tuple[int, LogOutput]]:
    """A pipe's end to read from, and a log that goes to the other one."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    output = LogOutput(Path(f"/dev/fd/{writing}"))
    os.close(writing)
    try:
        yield reading, output
    finally:
        os.close(reading)


def read(descriptor: int) -> bytes:
    data = b""
    while True:
        try:
            data += os.read(descriptor, PIPE_BYTES)
        except BlockingIOError:
            return data


@pytest.mark.parametrize("size", [10, 1000, 4096, 10_000])
def test_what_a_sleeping_reader_has_no_room_for_is_lost_line_by_line_and_counted(
    pipe: tuple[int, LogOutput], size: int
) -> None:
    reading, output = pipe
    output.lines_lost = "lost {}\n".format
    line = "x" * (size - 1)
    count = 2 * PIPE_BYTES // size + 10
    for _ in range(count):
        output.write(f"{line}\n")
    kept = read(reading)
    output.write("awake\n")
    lines = (kept + read(reading)).decode().splitlines()
    whole = [one for one in lines if one == line]
    assert 0 < len(whole) < count
    assert lines[-2:] == ["awake", f"lost {count - len(whole)}"]
    cut = [one for one in lines[:-2] if one != line]
    assert len(cut) <= 1, "a line that follows one that was cut off begins anew"


def test_a_log_whose_reader_is_gone_takes_lines_without_a_word(pipe: tuple[int, LogOutput]) -> None:
    reading, output = pipe
    other = os.dup(reading)
    os.dup2(os.open(os.devnull, os.O_RDONLY), reading)
    os.close(other)
    for _ in range(3):
        output.write("nobody\n")


@pytest.mark.process
def test_a_reader_of_standard_error_that_falls_asleep_or_goes_holds_nothing_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, logdir="console") as server:
        app = server.register()
        for _ in range(PIPE_BYTES // 100):  # each is a line of more than 100 bytes
            server.push(app, "x")
        assert delivers(server, app)
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert delivers(server, app)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(DEADLINE_S) == 0
        server._process = None


@pytest.mark.process
def test_a_log_on_a_device_that_is_always_full_is_no_reason_to_fall(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, logdir="/dev/full") as server:
        assert delivers(server, server.register())
        assert server.stop() == 0


@pytest.mark.process
def test_a_rotated_log_is_left_on_sighup_and_no_line_is_lost(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        app = server.register()
        (tmp_path / "server.log").rename(tmp_path / "server.log.1")
        server.push(app, "into the old one")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: (tmp_path / "server.log").exists() and server.logged("reloaded"), "the new file")
        old = [json.loads(line)["event"] for line in (tmp_path / "server.log.1").read_text().splitlines()]
    assert old == ["listening", "app_registered", "answered", "answered"]


@pytest.mark.process
def test_without_its_directory_the_log_goes_to_standard_error_until_the_directory_is_back(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with ServerProcess(tmp_path, logdir="logs/") as server:
        shutil.rmtree(logs)
        assert delivers(server, server.register())
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stdout is not None
        for line in server.process.stdout:
            if "reload_refused" in line:
                break
        assert "No such file or directory" in line
        logs.mkdir()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in "".join(path.read_text() for path in logs.iterdir()), "the new file")


@pytest.mark.process
@pytest.mark.parametrize("closed", [">/dev/full", ">&-", "<&- >&- 2>&-"])
def test_where_a_server_starts_without_its_standard_streams_it_serves(tmp_path: Path, closed: str) -> None:
    server = ServerProcess(tmp_path)
    server.config.write_text(json.dumps(server.settings))
    server.config.chmod(0o600)
    command = f"exec {sys.executable} -m pushery start --config {server.config} {closed}"
    process = subprocess.Popen(["sh", "-c", command], cwd=tmp_path)
    try:
        log = tmp_path / "server.log"
        wait_until(lambda: log.exists() and server.logged("listening"), "the start")
        server.port = server.admin_port = server.logged("listening")[0]["port"]
        assert delivers(server, server.register())
        open_files = Path(f"/proc/{process.pid}/fd")
        assert not any(str(os.readlink(open_files / number)).startswith(str(tmp_path)) for number in "012")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait(DEADLINE_S)


@pytest.mark.process
@pytest.mark.parametrize("where", ["/dev/full", None])
def test_the_exit_code_is_the_same_when_nobody_can_read_why(tmp_path: Path, where: str | None) -> None:
    target = f"2>{where}" if where else "2>&-"
    command = f"exec {sys.executable} -m pushery start --config {tmp_path / 'none.json'} {target}"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False).returncode == 2
