"""A real server process for tests: on a free port, in a directory of its own, stopped by its own pid."""

import base64
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from websockets.sync.client import ClientConnection, connect

ADMIN = ("admin", "correct horse")
DEADLINE_S = 20.0

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Ask until `condition` is truthy; an AssertionError that names `what` at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.01)


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    headers: "Message[str, str]"
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class TestApp:
    """A registered app, with the credentials of its own admin."""

    __test__ = False
    key: str
    auth: tuple[str, str]
    reply: Mapping[str, str] = field(default_factory=dict)


class ServerProcess:
    """`pushery start` as a child process. A context manager: leaving it stops the server in order."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.config = directory / "default.json"
        self.settings: dict[str, object] = {
            "auth_account": ADMIN[0],
            "auth_password": ADMIN[1],
            "environment": "DEBUG",
            "logdir": str(directory / "server.log"),
            "listen": "127.0.0.1:0",
            "sqldir": str(directory / "appdata.sqlite"),
            **settings,
        }
        self.port = 0
        self.flags: list[str] = []
        """Further arguments of `pushery start`."""
        self.environ: dict[str, str] = {}
        """Further environment variables."""
        self.limits: dict[int, int] = {}
        """What the system lets it have (`setrlimit`), such as `{resource.RLIMIT_NOFILE: 128}`."""
        self.admin_port = 0
        """The port of `admin_listen`; `port` when that is not set."""
        self.said = ""
        """What it has written to standard output and standard error: up to the start, and all of it once stopped."""
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The running child."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start, and return once it listens."""
        self._write_config()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pushery", "start", "--config", str(self.config), *self.flags],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=self._take_limits if self.limits else None,
            env={name: value for name, value in os.environ.items() if not name.startswith("PUSHERY_")} | self.environ,
        )
        assert self._process.stdout is not None
        self.said = ""
        for line in self._process.stdout:
            self.said += line
            if found := re.search(r"listens on https?://\S+:(\d+)", line):
                self.port = int(found[1])
            if found := re.search(r"backends +https?://\S+:(\d+)/api", line):
                self.admin_port = int(found[1])
                return self
        raise AssertionError(f"the server did not start: {self.said}")

    def _take_limits(self) -> None:
        for number, most in self.limits.items():
            resource.setrlimit(number, (most, most))

    def reload(self, **changed: object) -> None:
        """Change settings in the file and send SIGHUP; what becomes of it is logged."""
        self.settings |= changed
        self._write_config()
        self.process.send_signal(signal.SIGHUP)

    def _write_config(self) -> None:
        self.config.write_text(json.dumps(self.settings))
        self.config.chmod(0o600)

    def stop(self, number: int = signal.SIGTERM, deadline_s: float = DEADLINE_S) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.ended(deadline_s)

    def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the end that somebody has asked for already."""
        code = self.process.wait(deadline_s)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        self.process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """Kill -9: no chance to do anything in order."""
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
                return
            self.kill()

    @property
    def url(self) -> str:
        """http://host:port"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return (self.directory / "server.log").read_text()

    def request(
        self,
        method: str,
        path: str,
        data: bytes | Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = ADMIN,
        headers: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> Answer:
        """One HTTP request on a connection of its own; a mapping is sent as a form. `port` is that for backends."""
        body = urlencode(data).encode() if isinstance(data, Mapping) else data
        request = urllib.request.Request(
            f"http://127.0.0.1:{port or self.admin_port}{path}", data=body, method=method, headers=dict(headers or {})
        )
        if auth is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(auth).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    @property
    def resident_bytes(self) -> int:
        """How much memory the server takes."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines logged so far about this event."""
        return [line for line in map(json.loads, self.log.splitlines()) if line["event"] == event]

    def register(self, name: str = "test", auth: tuple[str, str] = ("app_admin", "app password")) -> TestApp:
        """Register an app."""
        fields = {"app_name": name, "auth_account": auth[0], "auth_password": auth[1]}
        answer = self.request("POST", "/api/register", fields)
        assert answer.status == 200, answer
        return TestApp(answer.json["app_key"], auth, answer.json)

    def push(self, app: TestApp, content: str, user_tag: str = "") -> int:
        """Push as the app's admin; returns the total."""
        answer = self.request("POST", f"/api/push/{app.key}", {"content": content, "user_tag": user_tag}, app.auth)
        assert answer.status == 200, answer
        return int(answer.json["total"])

    def online(self, app: TestApp) -> list[str]:
        """The tags online, first page."""
        answer = self.request("GET", f"/api/{app.key}/listonlineuser/0/0", auth=app.auth)
        assert answer.status == 200, answer
        tags: list[str] = answer.json["user_tags"]
        return tags

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        text = self.request("GET", "/metrics", auth=None).body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"{name} is not among the metrics"
        return float(found[1])

    @contextlib.contextmanager
    def client(self, app: TestApp, tag: str, **options: Any) -> Iterator[ClientConnection]:
        """A socket of the `websockets` library with this tag."""
        address = f"ws://127.0.0.1:{self.port}/ws/{app.key}/{quote(tag, safe='')}"
        with connect(address, open_timeout=DEADLINE_S, **options) as socket:
            yield socket
