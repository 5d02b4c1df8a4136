"""What the tests of faults do to a server from outside, and how they look at what it does then."""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until
from tests.workers.receiver import Receiver

PR_CAPBSET_DROP: Final = 24
CAP_DAC_OVERRIDE: Final = 1
CAP_DAC_READ_SEARCH: Final = 2
REGISTER: Final = {"app_name": "n", "auth_account": "somebody", "auth_password": "a password"}

T = TypeVar("T")


def refused_start(directory: Path, limits: Mapping[int, int] | None = None, **settings: object) -> str:
    """Start a server that must not start: exit code 2 and one line on standard error, which is returned.

    `limits` are what the system lets it have (`setrlimit`).
    """

    def take_limits() -> None:
        for number, most in (limits or {}).items():
            resource.setrlimit(number, (most, most))

    server = ServerProcess(directory, **settings)
    server.config.write_text(json.dumps(server.settings))
    server.config.chmod(0o600)
    command = [sys.executable, "-m", "pushery", "start", "--config", str(server.config)]
    done = subprocess.run(
        command,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        preexec_fn=take_limits if limits else None,
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pushery: ")
    return lines[0].removeprefix("pushery: ")


def ordinary(call: Callable[[], T]) -> T:
    """Call it so that the processes it starts obey the permissions of files, also when root runs the tests."""
    if os.geteuid() != 0:
        return call()

    def drop_and_call() -> T:
        # Of this thread and what it starts only (capabilities(7)): root then owns its files, but keeps to their modes.
        library = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            assert library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
        return call()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(drop_and_call).result()


def database_files(directory: Path) -> dict[str, bytes]:
    """What is in the files of the registry and the outbox."""
    return {path.name: path.read_bytes() for path in sorted(directory.glob("appdata.sqlite*"))}


def try_to_register(server: ServerProcess) -> tuple[int, str]:
    """Status and error code of a registration."""
    answer = server.request("POST", "/api/register", REGISTER)
    if answer.status == 503:
        assert answer.headers["Retry-After"] == "5"
    return answer.status, answer.json["error"]["code"] if answer.status != 200 else ""


def refuses_changes(server: ServerProcess) -> bool:
    """Whether a registration is answered as a fault of the registry is."""
    return try_to_register(server) == (503, "registry_unavailable")


def delivers(server: ServerProcess, app: TestApp) -> bool:
    """Whether a client comes in and gets what is pushed."""
    with server.client(app, "A:1") as client:
        assert server.push(app, "still here") == 1
        return client.recv(DEADLINE_S) == "still here"


def reason(server: ServerProcess) -> str:
    """What the log says last of why the registry failed."""
    return str(server.logged("registry_failed")[-1]["error"])


def app_with_webhook(server: ServerProcess, url: str) -> TestApp:
    """An app that tells this URL which channels are occupied. The server must allow private addresses."""
    body = {"name": "test", "settings": {"webhooks": [{"url": url, "events": ["channel_occupied"]}]}}
    answer = server.request(
        "POST", "/api/admin/apps", json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status == 201, answer
    return TestApp(answer.json["app_key"], ("", ""), answer.json)


@contextmanager
def occupied(server: ServerProcess, app: TestApp, *channels: str) -> Iterator[None]:
    """Somebody is subscribed to these channels."""
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{server.port}/app/{app.key}?protocol=7", open_timeout=DEADLINE_S) as client:
        client.recv(DEADLINE_S)
        for channel in channels:
            client.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}}))
            client.recv(DEADLINE_S)
        yield


def told(receiver: Receiver) -> list[str]:
    """The channels that the receiver has accepted to be occupied, in order."""
    return [event["channel"] for event in receiver.events() if event["name"] == "channel_occupied"]


@contextmanager
def at_most(server: ServerProcess, limit: int, value: int) -> Iterator[None]:
    """The running server has a soft limit (`resource.RLIMIT_...`) for the time of the block."""
    before = resource.prlimit(server.process.pid, limit)
    resource.prlimit(server.process.pid, limit, (value, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, limit, before)


def slowest_answer_s(server: ServerProcess, app: TestApp, until: Callable[[], Any]) -> float:
    """Push to nobody, again and again until the condition holds; how long the slowest answer took."""
    slowest = 0.0

    def push_and_ask() -> bool:
        nonlocal slowest
        began = time.monotonic()
        server.push(app, "tick")
        slowest = max(slowest, time.monotonic() - began)
        return bool(until())

    wait_until(push_and_ask, "the end of the fault")
    return slowest
