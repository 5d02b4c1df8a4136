"""The HTTP fallbacks over real connections: streams, polls, lost connections, a server that stops."""

import hashlib
import hmac
import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.raw import RawConnection, request
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

JSON = {"Content-Type": "application/json", "Origin": "https://example.org"}
QUERY = "?protocol=7&client=js&version=8.6.0&t=1&n=1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server"), ping_idle=1, ping_timeout=1) as running:
        yield running


class Listener(RawConnection):
    """A connection on which a client receives."""

    def __init__(self, server: ServerProcess, app: TestApp, session: str, **options: Any) -> None:
        super().__init__(server.port, **options)
        self.base = f"/pusher/app/{app.key}/7/{session}"
        self._lines = b""

    def stream(self, version: str = "1.1") -> bytes:
        """Ask for a reply that goes on; returns its head."""
        self.send(request("POST", f"{self.base}/xhr_streaming{QUERY}", b"", headers=JSON, version=version))
        return self._until(b"\r\n\r\n")

    def line(self) -> str:
        """The next line of a stream; "" when it has ended."""
        while b"\n" not in self._lines:
            size = int(self._until(b"\r\n"), 16)
            self._lines += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
            if not size:
                return ""
        line, _, self._lines = self._lines.partition(b"\n")
        return line.decode()

    def events(self) -> list[dict[str, Any]]:
        """The events of the next line that has some."""
        while not (line := self.line()).startswith("a[") or not json.loads(line[1:]):
            assert line
        return [json.loads(text) for text in json.loads(line[1:])]

    def poll(self) -> list[str]:
        """Ask for a reply that ends; returns its lines once it has come."""
        self.send(request("POST", f"{self.base}/xhr{QUERY}", b"", headers=JSON))
        answer = self.answer()
        assert answer.status == 200
        return answer.body.decode().splitlines()


def send(server: ServerProcess, listener: Listener, *messages: object) -> int:
    """Send as the client of this session; returns the status."""
    body = json.dumps([json.dumps(message) for message in messages]).encode()
    return server.request("POST", f"{listener.base}/xhr_send?t=1&n=2", body, None, JSON).status


def subscribe(server: ServerProcess, listener: Listener, channel: str = "news") -> None:
    """Subscribe the session to a public channel."""
    assert send(server, listener, {"event": "pusher:subscribe", "data": {"channel": channel}}) == 204


def publish(server: ServerProcess, app: TestApp, data: str) -> None:
    """Publish an event `e` to `news`, as the app's backend does."""
    body = json.dumps({"name": "e", "channels": ["news"], "data": data}).encode()
    path = f"/apps/{app.reply['app_id']}/events"
    query = urlencode(
        {
            "auth_key": app.key,
            "auth_timestamp": int(time.time()),
            "auth_version": "1.0",
            "body_md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
        }
    )
    signed = f"POST\n{path}\n{query}".encode()
    signature = hmac.new(app.reply["app_secret"].encode(), signed, hashlib.sha256).hexdigest()
    answer = server.request("POST", f"{path}?{query}&auth_signature={signature}", body, None, JSON)
    assert answer.status == 200, answer


def test_a_stream_carries_what_is_published_and_answers_what_is_sent(server: ServerProcess, app: TestApp) -> None:
    with Listener(server, app, "stream") as listener:
        head = listener.stream()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Access-Control-Allow-Origin: *" in head
        assert set(listener.line()) == {"h"}
        assert listener.line() == "o{}"
        assert listener.events()[0]["event"] == "pusher:connection_established"
        subscribe(server, listener)
        assert listener.events()[0]["event"] == "pusher_internal:subscription_succeeded"
        publish(server, app, "hello")
        assert listener.events() == [{"event": "e", "channel": "news", "data": "hello"}]
        assert send(server, listener) == 204
        assert listener.line() in ("a[]", "h")


def test_a_stream_of_http_1_0_ends_with_its_connection(server: ServerProcess) -> None:
    nobody = TestApp("nobody", ("", ""))
    with Listener(server, nobody, "old") as listener:
        assert b"Transfer-Encoding" not in listener.stream("1.0")
        assert listener.rest().decode().splitlines()[-1].startswith("c[4001,")


def test_polls_on_one_connection_miss_nothing(server: ServerProcess, app: TestApp) -> None:
    with Listener(server, app, "poll") as listener:
        assert [line[0] for line in listener.poll()] == ["o", "a"]
        subscribe(server, listener)
        for number in range(20):
            publish(server, app, str(number))
        seen: list[str] = []
        while len(seen) < 20:
            for line in listener.poll():
                events = [json.loads(text) for text in json.loads(line[1:])]
                seen += [event["data"] for event in events if event["event"] == "e"]
        assert seen == [str(number) for number in range(20)]


@pytest.mark.parametrize("reset", [False, True])
def test_events_wait_for_a_client_whose_connection_is_gone(server: ServerProcess, app: TestApp, reset: bool) -> None:
    with Listener(server, app, "back") as listener:
        listener.stream()
        assert listener.events()
        subscribe(server, listener)
        assert listener.events()
        if reset:
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for number in range(10):
        publish(server, app, str(number))
    with Listener(server, app, "back") as again:
        again.stream()
        assert json.loads(again.line()[1:]) == []
        seen: list[str] = []
        while len(seen) < 10:
            seen += [event["data"] for event in again.events()]
        assert seen[-1] == "9"
        assert seen == [str(number) for number in range(10)]


def test_a_stream_whose_client_does_not_answer_is_closed(server: ServerProcess, app: TestApp) -> None:
    with Listener(server, app, "silent") as listener:
        listener.stream()
        assert listener.events()
        lines = []
        while line := listener.line():
            lines.append(line)
        assert lines[0] == "h"
        assert lines[-1].startswith("c[4201,")


def test_a_client_that_does_not_read_holds_up_nobody(server: ServerProcess, app: TestApp) -> None:
    with Listener(server, app, "slow", receive_buffer=4096) as slow, Listener(server, app, "fast") as fast:
        slow.stream()
        subscribe(server, slow)
        fast.poll()
        subscribe(server, fast)
        fast.poll()
        before = server.metric("pushery_slow_clients_total")
        text = "x" * 10_000
        for number in range(400):
            publish(server, app, text)
            if number % 10 == 9:
                assert fast.poll()
                assert send(server, slow, {"event": "pusher:pong"}) in (204, 404)
        wait_until(lambda: server.metric("pushery_slow_clients_total") == before + 1, "the slow one to be closed")


def test_whoever_is_there_is_told_when_the_server_stops(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = ServerProcess(tmp_path_factory.mktemp("stopping"), shutdown_timeout=10).start()
    app = server.register()
    with Listener(server, app, "stream") as streaming, Listener(server, app, "poll") as polling:
        streaming.stream()
        assert streaming.events()
        polling.poll()
        polling.send(request("POST", f"{polling.base}/xhr{QUERY}", b"", headers=JSON))
        wait_until(lambda: server.metric("pushery_connections") == 2, "both sessions")
        started = time.monotonic()
        server.process.terminate()
        last = ""
        while line := streaming.line():
            last = line
        assert last.startswith("c[4100,")
        assert polling.answer().body.splitlines()[-1].startswith(b"c[4100,")
        streaming.socket.close()
        polling.socket.close()
        assert server.ended() == 0
        assert time.monotonic() - started < 5
