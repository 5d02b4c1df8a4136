"""The server under test: a real process, in a directory of its own, on a free port."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soak.backend import Line, request
from soak.transports import Address

ADMIN: Final = ("soak", "a password for an hour")

SETTINGS: Final[Mapping[str, object]] = {
    "auth_account": ADMIN[0],
    "auth_password": ADMIN[1],
    "environment": "DEVELOPMENT",
    "log_format": "json",
    "listen": "127.0.0.1:0",
    "outbox_limit": 64 * 1024,  # slow readers are found out sooner
    "fanout_slice": 48,  # a push to everybody is a broadcast, one to some is not
    "standing_patterns": 64,
    "ping_idle": 5,
    "ping_timeout": 15,
    "webhook_private_addresses": True,
    "webhook_hold_back": 1,
    "header_timeout": 3,
    "body_timeout": 3,
}

FAILURES: Final = (
    "unexpected_error", "request_failed", "session_failed", "connection_failed", "writes_failed", "registry_failed",
    "webhook_outbox_failed",
)  # fmt: skip
"""What the log must not tell, unless it tells a code: then a client was closed for cause."""


class StartFailure(Exception):
    """The server did not start."""


class ServerProcess:
    """`pushery start` as a child. `source` is where another copy of the package lies."""

    def __init__(self, directory: Path, source: Path | None = None) -> None:
        self.directory = directory
        self.source = source
        self.address = Address("127.0.0.1", 0)
        self._process: asyncio.subprocess.Process | None = None
        self._said = ""
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start, and return once it listens. Raises StartFailure."""
        config = self.directory / "soak.json"
        paths = {"logdir": str(self.directory / "server.log"), "sqldir": str(self.directory / "appdata.sqlite")}
        config.write_text(json.dumps({**SETTINGS, **paths}))
        config.chmod(0o600)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PUSHERY_")}
        if self.source is not None:
            environ["PYTHONPATH"] = str(self.source)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pushery", "start", "--config", str(config),
            cwd=self.directory, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode():
            self._said += line
            if found := re.search(r"listens on https?://\S+:(\d+)", line):
                self.address = Address("127.0.0.1", int(found[1]))
                self._reading = asyncio.create_task(self._read_on(self._process.stdout))
                return
        raise StartFailure(f"the server did not start: {self._said}")

    async def _read_on(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            self._said += line.decode()

    async def stop(self) -> str:
        """Stop it in order; returns what was wrong with that, or with what it has said and logged."""
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()
            return "the server did not stop within 30 s of SIGTERM"
        return f"the server ended with exit code {code}: {self._said[-2000:]}" if code else self.trouble()

    def kill(self) -> None:
        """Be rid of it, whatever has happened."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def trouble(self) -> str:
        """What the log or the console tells that it must not; empty when there is nothing."""
        if "Traceback" in self._said:
            return f"the server has written a traceback: {self._said[-2000:]}"
        for line in (self.directory / "server.log").read_text().splitlines():
            entry = json.loads(line)
            if "exception" in entry or "Traceback" in line:
                return f"the log has a traceback: {line[:3000]}"
            if entry["event"] in FAILURES and "code" not in entry:
                return f"the log tells of {entry['event']}: {line[:3000]}"
        return ""

    @property
    def resident_mib(self) -> float:
        """How much memory the server takes; 0.0 when it is gone."""
        assert self._process is not None
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0.0
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    @property
    def kept_waiting_s(self) -> float:
        """How long its main thread was ready to run while others had the cores; 0.0 where Linux does not tell."""
        assert self._process is not None
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    @property
    def cpu_s(self) -> float:
        """CPU time that it has used."""
        assert self._process is not None
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def metrics(line: Line) -> dict[str, float]:
    """All metrics, by name with labels."""
    answer = await line.ask(request("GET", "/metrics"))
    found: dict[str, float] = {}
    for row in answer.body.decode().splitlines():
        if row and not row.startswith("#"):
            name, _, value = row.rpartition(" ")
            found[name] = float(value)
    return found


def errors_of(values: Mapping[str, Any]) -> dict[str, int]:
    """How many errors the server has counted, by kind."""
    return {
        found[1]: int(value)
        for name, value in values.items()
        if (found := re.fullmatch(r'pushery_errors_total\{kind="(.+)"\}', name))
    }
