"""Runs the examples of a page as a reader would: one bash, one block after another, beside a real server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.docs.pages import ROOT, Block
from tests.support.server import wait_until

START = "bash start"
RUN = "bash run"
OUTPUT = "text output"
"""Info strings of the blocks that mean something: what starts the server, what is run, and what that says.

A line of output may hold `…` for whatever differs from run to run. Blocks without such a mark are not run.
"""

PORT = "8001"
OTHER_HOST = "gopusher.example"
"""What the pages call a server that is there already; the test's own stands in for it."""

BACKEND_PORT = "8002"
"""Where a reader's own backend listens; here it is any free port."""


class Shell:
    """A bash in a directory that looks like a fresh clone, with a server on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._output = directory.parent / f"{directory.name}.output"
        self._count = 0
        self._read_to = 0
        (directory / ".venv").symlink_to(sys.prefix)
        (directory / "examples").symlink_to(ROOT / "examples")
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("PUSHERY_")}
        self._server: subprocess.Popen[str] | None = None
        self._port = ""
        self.backend_port = _free_port()
        bash = shutil.which("bash")
        assert bash is not None
        with self._output.open("wb") as output:
            self._bash = subprocess.Popen(
                [bash, "--noprofile", "--norc"],
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def play(self, blocks: list[Block]) -> None:
        """Run the blocks in order, and hold what they say against what the page says they do."""
        if not any(block.info == START for block in blocks):
            self._start_server()
        for block in blocks:
            if block.info == START:
                self._start_server()
            elif block.info == RUN:
                self._run(block.text)
            elif block.info == OUTPUT:
                self._expect(block.text)

    def _start_server(self) -> None:
        """What `make start` does: a configuration when there is none, then the server."""
        self._pushery("init")
        config = self._directory / "default.json"
        fresh = config.read_text()
        config.write_text(fresh.replace(f'":{PORT}"', '"localhost:0"'))
        self._server = subprocess.Popen(
            [sys.executable, "-m", "pushery", "start"],
            cwd=self._directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        )
        assert self._server.stdout is not None
        for line in self._server.stdout:
            if found := re.search(r"listens on https?://\S+:(\d+)", line):
                self._port = found[1]
                break
        assert self._port, "the server did not start"
        config.write_text(fresh.replace(f'":{PORT}"', f'"localhost:{self._port}"'))

    def _pushery(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pushery", *arguments]
        subprocess.run(command, cwd=self._directory, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def _run(self, commands: str) -> None:
        self._count += 1
        mark = f"<<block {self._count} ended with "
        places = ((OTHER_HOST, "localhost"), (PORT, self._port), (BACKEND_PORT, self.backend_port))
        for word, instead in places:
            commands = commands.replace(word, instead)
        assert self._bash.stdin is not None
        self._bash.stdin.write(f'{commands}\necho "{mark}$?>>"\n'.encode())
        self._bash.stdin.flush()
        wait_until(lambda: mark in self._said(), f"the end of:\n{commands}", 60)
        code = self._said().partition(mark)[2].partition(">>")[0]
        assert code == "0", f"exit code {code} of:\n{commands}\nwhich said:\n{self._said()[self._read_to :]}"

    def _expect(self, text: str) -> None:
        """Wait for each line, in any order: several programs write here, and may share a line."""
        for line in text.splitlines():
            pattern = re.compile(re.escape(line.rstrip()).replace("…", "[^\n]*?"))
            wait_until(partial(self._has, pattern), f"{line!r} in:\n{self._said()[self._read_to :]}")
        self._read_to = len(self._said())

    def _has(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self._said(), self._read_to) is not None

    def _said(self) -> str:
        return self._output.read_text(errors="replace")

    def close(self) -> None:
        """End bash with all it has started, and the server in order."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()
        if self._server is not None:
            self._server.terminate()
            self._server.communicate()


def _free_port() -> str:
    with socket.create_server(("localhost", 0)) as listener:
        return str(listener.getsockname()[1])
