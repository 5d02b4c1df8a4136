"""A backend and its client beside an attack: pushes at a pace, and tells how long each push took to arrive.

In a process of its own, with one thread, so that neither the test nor the attackers stand in the way of its clock.
A push counts from the moment when it was due: a server that holds up the backend does not hide its delay by that.
"""

import contextlib
import json
import math
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.raw import PING, PONG, basic, client_frame, handshake
from tests.support.server import ServerProcess, TestApp

RATE: Final = 50
"""Pushes a second."""

_ROOT: Final = Path(__file__).parents[2]
_TAG: Final = "beside"


class Beside:
    """Pushes all the time, from the moment it is made."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process that pushes."""
        return self._process.pid

    def delays(self) -> list[float]:
        """Of every push since the last call, how long it took or has taken so far, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer: list[float] = json.loads(self._process.stdout.readline())
        return answer


def percentile(delays: list[float], share: float) -> float:
    """The delay that this share of all does not pass."""
    return sorted(delays)[math.ceil(share * len(delays)) - 1]


@contextlib.contextmanager
def beside(server: ServerProcess, app: TestApp) -> Iterator[Beside]:
    """Something that uses the server as it is meant to be used."""
    with running("beside", str(server.port), app.key, *app.auth) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[]\n", "it did not get through"
        yield Beside(process)


@contextlib.contextmanager
def running(name: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A module of this directory as a process; its input ends when the block does, and then it ends."""
    command = [sys.executable, "-m", f"tests.support.{name}", *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        process.communicate("", timeout=20)
    finally:
        process.kill()
        process.communicate()


class _Pacer:
    def __init__(self, port: int, key: str, auth: tuple[str, str]) -> None:
        self._client = socket.create_connection(("127.0.0.1", port))
        self._client.sendall(handshake(key, _TAG))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._client.recv(4096)
        self._received = head.partition(b"\r\n\r\n")[2]
        self._backend = socket.create_connection(("127.0.0.1", port))
        self._backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"POST /api/push/{key} HTTP/1.1\r\nHost: h\r\nAuthorization: {basic(auth)}\r\n".encode()
        self._due: dict[int, float] = {}
        """When each push was due that has not arrived."""
        self._next = 0
        self._delays: list[float] = []

    def run(self) -> None:
        begin = time.monotonic()
        while True:
            wait = begin + self._next / RATE - time.monotonic()
            if wait <= 0:
                self._push(begin + self._next / RATE)
                continue
            readable, _, _ = select.select([self._client, self._backend, sys.stdin], [], [], wait)
            if self._client in readable:
                self._take()
            if self._backend in readable:
                assert self._backend.recv(1 << 16), "the server closed the backend's connection"
            if sys.stdin in readable:
                if not sys.stdin.readline():
                    return
                self._tell()

    def _push(self, due: float) -> None:
        self._due[self._next] = due
        body = b"user_tag=%%5E%b%%24&content=%d" % (_TAG.encode(), self._next)
        self._backend.sendall(self._head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._next += 1

    def _take(self) -> None:
        data = self._client.recv(1 << 16)
        assert data, "the server closed the client's socket"
        self._received += data
        now = time.monotonic()
        while len(self._received) >= 2 and len(self._received) >= 2 + self._received[1]:
            size = self._received[1]
            if self._received[0] & 0x0F == PING:
                self._client.sendall(client_frame(PONG))
            else:
                self._delays.append(now - self._due.pop(int(self._received[2 : 2 + size])))
            self._received = self._received[2 + size :]

    def _tell(self) -> None:
        now = time.monotonic()
        delays = self._delays + [now - due for due in self._due.values()]
        self._delays = []
        print(json.dumps(delays), flush=True)


if __name__ == "__main__":
    port, key, account, password = sys.argv[1:]
    pacer = _Pacer(int(port), key, (account, password))
    print("[]", flush=True)
    pacer.run()
