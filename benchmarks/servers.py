"""What is measured: each server knows how it is started, how a subscriber gets in, and how a push is made.

Every server is started fresh for every measurement, on a free loopback port, in a temporary folder of its own.
"""

import importlib.util
import json
import os
import secrets
import shutil
import socket
import sys
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.build import HERE, program
from benchmarks.errors import BenchError
from benchmarks.load import Published, publish
from benchmarks.process import Process, wait_until

START_S = 20
"""How long a server may take until it answers."""

FRAME = 200
"""Bytes of every message as the subscriber receives it."""

STAMP = "%t"
STAMP_DIGITS = 19
NCHAN = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
    "/usr/local/lib/nginx/modules/ngx_nchan_module.so",
)


class Server(ABC):
    """One server while it runs."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: Process
        """Set as soon as it is started."""

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be measured on this machine; None when it can."""
        return None

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def everyone(self) -> list[str]:
        """wsload's options for subscribers who all receive what `push` sends."""

    @abstractmethod
    def one_each(self) -> list[str]:
        """wsload's options for subscribers with a tag (channel) of their own each."""

    @abstractmethod
    def push(self) -> list[str]:
        """httpload's options for a push of one stamped message to everyone."""

    def answers(self) -> bool:
        """Whether it is ready for work."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def prepare(self) -> None:
        """What has to be done once, after it answers: nothing, for most."""
        return

    def paced(self, rate: int, count: int, cores: set[int] | None) -> Published | None:
        """Push `count` messages, `rate` a second. None when there is nobody to ask how it went."""
        pace = ["-r", str(rate), "-n", str(count), "-c", "4"]
        return publish([*self.push(), *pace], seconds=count / rate + 5, cores=cores)


@contextmanager
def started(kind: type[Server], cores: set[int] | None) -> Iterator[Server]:
    """A server of this kind, ready for work. Raises BenchError when it does not start."""
    with TemporaryDirectory(prefix="bench-") as folder:
        server = kind(Path(folder))
        server.process = Process(server.command(), folder=server.folder, cores=cores)
        with server.process:
            deadline = time.monotonic() + START_S
            while not server.answers():
                if not server.process.running() or not wait_until(deadline):
                    raise BenchError(f"does not start: {server.process.last_words()}")
            server.prepare()
            yield server


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def message(size: int = FRAME) -> str:
    """`{"t":%t,"p":"xxx"}`: `size` bytes once the stamp is in."""
    bare = f'{{"t":{STAMP},"p":""}}'
    return bare.replace('""', '"' + "x" * (size - len(bare) - STAMP_DIGITS + len(STAMP)) + '"')


class Bound(Server):
    """A C program that does nothing but send(2): no request, no JSON, no bookkeeping."""

    name = "bound"
    frame: ClassVar[int] = FRAME
    """Bytes of every message."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.control = free_port()

    def command(self) -> list[str]:
        return [program("limit"), "-p", str(self.port), "-c", str(self.control)]

    def everyone(self) -> list[str]:
        return ["-p", str(self.port)]

    def one_each(self) -> list[str]:
        return self.everyone()

    def push(self) -> list[str]:
        raise NotImplementedError("the bound has no HTTP")

    def paced(self, rate: int, count: int, cores: set[int] | None) -> None:
        with socket.create_connection(("127.0.0.1", self.control), timeout=count / rate + 15) as control:
            control.sendall(f"B {count} {self.frame} {1_000_000 // rate}\n".encode())
            if not control.recv(4096):
                raise BenchError("the bound went away")


class Prototype(Server):
    """`prototype.py`: a bare Python data plane on uvloop, speaking as much Pusher as it must."""

    name = "prototype"

    @classmethod
    def missing(cls) -> str | None:
        absent = [name for name in ("uvloop", "httptools", "orjson") if importlib.util.find_spec(name) is None]
        return f"{', '.join(absent)} not installed" if absent else None

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "prototype.py"), str(self.port)]

    def _subscribe(self, channel: str) -> list[str]:
        hello = json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}})
        return ["-p", str(self.port), "-m", hello, "-w", "subscription_succeeded"]

    def everyone(self) -> list[str]:
        return self._subscribe("all")

    def one_each(self) -> list[str]:
        return self._subscribe("user-%d")

    def push(self) -> list[str]:
        around = json.dumps({"event": "e", "channel": "all", "data": message(FRAME)}, separators=(",", ":"))
        overhead = len(around) - FRAME - len(STAMP) + STAMP_DIGITS
        body = json.dumps({"name": "e", "channel": "all", "data": message(FRAME - overhead)})
        return [
            *("-p", str(self.port), "-u", "/apps/app-id/events", "-s", "app-key:app-secret"),
            *("-H", "Content-Type: application/json", "-B", body),
        ]


class Nchan(Server):
    """nginx with the nchan module, one worker, nothing stored."""

    name = "nchan"

    @classmethod
    def _module(cls) -> str | None:
        return next((path for path in NCHAN if Path(path).exists()), None)

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("nginx") is None:
            return "nginx not installed (Debian: apt install nginx-light libnginx-mod-nchan)"
        return None if cls._module() else "nginx has no nchan module (Debian: apt install libnginx-mod-nchan)"

    def command(self) -> list[str]:
        path = self.folder / "nginx.conf"
        path.write_text(
            (HERE / "nginx.conf")
            .read_text()
            .replace("@MODULE@", str(self._module()))
            .replace("@USER@", "user root;" if os.geteuid() == 0 else "")
            .replace("@PORT@", str(self.port))
        )
        return ["nginx", "-p", str(self.folder), "-c", str(path), "-e", "stderr"]

    def everyone(self) -> list[str]:
        return ["-p", str(self.port), "-u", "/subscribe/all"]

    def one_each(self) -> list[str]:
        return ["-p", str(self.port), "-u", "/subscribe/user-%d"]

    def push(self) -> list[str]:
        return ["-p", str(self.port), "-u", "/publish/all", "-B", message()]


class Pushery(Server):
    """The server of this repository, started as its users start it."""

    name = "pushery"
    account = "bench"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.config = folder / "bench.json"
        self.password = secrets.token_urlsafe(12)
        self.app_key = ""
        """Known once the app is registered."""

    def command(self) -> list[str]:
        settings = {
            "auth_account": self.account,
            "auth_password": self.password,
            "environment": "PRODUCTION",
            "logdir": "console",
            "listen": f"127.0.0.1:{self.port}",
            "sqldir": str(self.folder / "bench.sqlite"),
            "client_messages_per_second": 0,  # a measurement sends all it can from few sockets
        }
        self.config.write_text(json.dumps(settings))
        return [sys.executable, "-m", "pushery", "start", "--config", str(self.config)]

    def answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False

    def prepare(self) -> None:
        form = {"app_name": "bench", "auth_account": "bench-app", "auth_password": self.password}
        request = Request(
            f"http://127.0.0.1:{self.port}/api/register",
            urlencode(form).encode(),
            {"Authorization": basic(self.account, self.password)},
        )
        try:
            with urlopen(request, timeout=10) as reply:
                self.app_key = json.load(reply)["app_key"]
        except HTTPError as error:
            raise BenchError(f"/api/register answers {error.code}: {error.read(200)!r}") from None
        except (URLError, OSError, ValueError, KeyError) as error:
            raise BenchError(f"/api/register: {error!r}") from None

    def everyone(self) -> list[str]:
        return self.one_each()

    def one_each(self) -> list[str]:
        return ["-p", str(self.port), "-u", f"/ws/{self.app_key}/user:%d"]

    def push(self) -> list[str]:
        body = json.dumps({"content": message()}, separators=(",", ":"))
        return [
            *("-p", str(self.port), "-u", f"/api/push/{self.app_key}", "-B", body),
            *("-H", "Content-Type: application/json", "-H", f"Authorization: {basic('bench-app', self.password)}"),
        ]


def basic(account: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + b64encode(f"{account}:{password}".encode()).decode()


SERVERS: tuple[type[Server], ...] = (Bound, Prototype, Nchan, Pushery)
"""In the order of the table's columns. Others may stand for one of them, under the same name."""
