"""What clients may do to a real server, and that those who keep to it notice nothing of those who do not."""

import base64
import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery.core.codes import SLOW_CLIENT
from tests.support.raw import RawConnection, handshake, is_turned_away, request
from tests.support.server import ADMIN, DEADLINE_S, Answer, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process


def refused(server: ServerProcess, app: TestApp, tag: str = "x") -> tuple[int, str, str]:
    """Status, code and Retry-After of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{server.port}/ws/{app.key}/{tag}"):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"], response.headers["Retry-After"]


def push(server: ServerProcess, app: TestApp, content: str = "hello") -> Answer:
    """One push to everybody."""
    return server.request("POST", f"/api/push/{app.key}", {"content": content})


@contextmanager
def raw(server: ServerProcess, data: bytes) -> Iterator[socket.socket]:
    """A connection on which this has been sent."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S)) as client:
        client.sendall(data)
        yield client


def test_there_are_only_so_many_sockets_and_one_that_goes_makes_room(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, max_sockets=2) as server, ExitStack() as open_ones:
        app = server.register()
        first = open_ones.enter_context(server.client(app, "a"))
        open_ones.enter_context(server.client(app, "b"))
        assert refused(server, app) == (503, "too_many_sockets", "5")
        assert push(server, app).json["total"] == "2"
        first.close()
        wait_until(lambda: push(server, app).json["total"] == "1", "its end to be seen")
        with server.client(app, "c") as third:
            push(server, app)
            assert third.recv() == "hello"
        assert server.metric('pushery_errors_total{kind="too_many_sockets"}') == 1


def test_an_address_has_its_share_and_behind_a_proxy_it_is_the_clients(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, max_sockets_per_address=1, trusted_proxies=["127.0.0.1"]) as server:
        app = server.register()
        url = f"ws://127.0.0.1:{server.port}/ws/{app.key}/x"

        def via(address: str) -> dict[str, str]:
            return {"X-Forwarded-For": address}

        with connect(url, additional_headers=via("203.0.113.1")), connect(url, additional_headers=via("203.0.113.2")):
            with pytest.raises(InvalidStatus) as caught, connect(url, additional_headers=via("203.0.113.1")):
                pass
            assert caught.value.response.status_code == 429
        wait_until(lambda: server.metric("pushery_connections") == 0, "both gone")
        with connect(url, additional_headers=via("203.0.113.1")):
            pass


def test_handshakes_and_publishes_above_the_rate_are_told_to_come_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, handshakes_per_second=1, publishes_per_second=3) as server:
        app = server.register()
        with server.client(app, "a"):
            assert refused(server, app) == (503, "too_many_handshakes", "1")
        answers = [push(server, app) for _ in range(10)]
        assert 3 <= [answer.status for answer in answers].count(200) < 10
        last = next(answer for answer in answers if answer.status == 429)
        assert (last.json["error"]["code"], last.headers["Retry-After"]) == ("too_fast", "1")
        server.reload(publishes_per_second=0, handshakes_per_second=0)
        wait_until(lambda: server.logged("reloaded"), "the reload")
        assert [push(server, app).status for _ in range(10)] == [200] * 10


def test_an_apps_own_limit_holds_for_pushes_as_for_events(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        app, other = server.register(), server.register("other")
        change, kind = b'{"settings":{"events_per_second":2}}', {"Content-Type": "application/json"}
        assert server.request("PATCH", f"/api/admin/apps/{app.key}", change, headers=kind).status == 200
        statuses = [push(server, app).status for _ in range(8)]
        assert 429 in statuses
        assert statuses[:2] == [200, 200]
        assert [push(server, other).status for _ in range(8)] == [200] * 8


def test_who_guesses_passwords_is_stopped_and_who_knows_them_is_not(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, auth_failures_per_minute=3) as server:
        app = server.register()
        guesses = [server.request("GET", "/api/app-list/1/1", auth=(ADMIN[0], str(n))).status for n in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        # The app's admin has not been here before, so he is not told apart from one who guesses; the super admin has.
        locked_out = server.request("POST", f"/api/push/{app.key}", {"content": "x"}, auth=app.auth)
        assert (locked_out.status, locked_out.json["error"]["code"]) == (429, "too_many_failures")
        assert 0 < int(locked_out.headers["Retry-After"]) <= 20
        assert push(server, app).status == 200
        assert len(server.logged("credentials_guessed")) == 1


def test_all_backends_that_were_right_before_are_listened_to_even_on_one_connection(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, auth_failures_per_minute=3) as server, RawConnection(server.port) as shared:
        apps = [server.register("a", ("a", "pa")), server.register("b", ("b", "pb"))]

        def pushes() -> list[int]:
            statuses = []
            for app in apps:
                shared.send(request("POST", f"/api/push/{app.key}", b"content=x", app.auth))
                statuses.append(shared.answer().status)
            return statuses

        assert pushes() == [200, 200]
        for number in range(5):
            server.request("GET", "/api/app-list/1/1", auth=(ADMIN[0], str(number)))
        assert pushes() == [200, 200]


def test_at_the_limit_of_open_files_clients_are_refused_and_all_else_goes_on(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    server.limits[resource.RLIMIT_NOFILE] = 128
    with server, ExitStack() as open_ones:
        app = server.register()
        first = open_ones.enter_context(server.client(app, "first"))
        with ExitStack() as crowd:
            clients: list[ClientConnection] = []
            while True:
                try:
                    clients.append(crowd.enter_context(server.client(app, f"{len(clients)}")))
                except InvalidStatus:
                    break
            assert 50 <= len(clients) <= 70
            assert refused(server, app) == (503, "out_of_descriptors", "5")
            assert push(server, app).json["total"] == str(len(clients) + 1)
            assert first.recv() == "hello"
            wait_until(lambda: server.logged("out_of_descriptors"), "the log")
            # Further connections take what is kept for backends; then they are turned away at once.
            idle = [crowd.enter_context(raw(server, b"")) for _ in range(60)]
            told = wait_until(lambda: [each for each in idle if is_turned_away(each)], "one turned away")
            assert told
        wait_until(lambda: push(server, app).json.get("total") == "1", "the crowd gone")
        with server.client(app, "later"):
            pass
        assert len(server.logged("out_of_descriptors")) == 1
        assert server.register("new").key


def test_those_who_hold_most_are_closed_when_too_much_waits(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, max_buffered_bytes="4MiB") as server, ExitStack() as open_ones:
        app = server.register()
        reader = open_ones.enter_context(server.client(app, "reader", max_size=None))
        head = f"POST /api/push/{app.key} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
        small = open_ones.enter_context(raw(server, head + b"x" * 1000))
        large = [open_ones.enter_context(raw(server, head + b"x" * 900_000)) for _ in range(8)]
        answers = wait_until(lambda: [each for each in large if is_turned_away(each)], "the largest turned away")
        assert 1 <= len(answers) <= 8
        assert not is_turned_away(small)
        assert b"overloaded" in answers[0].recv(4096)
        assert push(server, app).json["total"] == "1"
        assert reader.recv() == "hello"
        wait_until(lambda: server.metric("pushery_buffered_bytes") <= 4 * 1024 * 1024, "room")
        wait_until(lambda: server.logged("too_much_buffered"), "the log")
        assert 1 <= server.metric('pushery_errors_total{kind="overloaded"}') <= 8


def test_slow_readers_together_are_bounded_and_the_slowest_are_closed(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, max_buffered_bytes="4MiB", outbox_limit="4MiB") as server, ExitStack() as open_ones:
        app = server.register()
        good = open_ones.enter_context(server.client(app, "good", max_size=None))
        slow = [open_ones.enter_context(raw(server, handshake(app.key, f"slow{n}"))) for n in range(10)]
        wait_until(lambda: len(server.online(app)) == 11, "all online")
        content = "x" * 500_000
        for _ in range(30):
            assert push(server, app, content).status == 200
            assert good.recv() == content
        wait_until(lambda: server.metric("pushery_buffered_bytes") <= 4 * 1024 * 1024, "room")
        assert server.metric("pushery_slow_clients_total") >= 1
        assert push(server, app).status == 200
        assert good.recv() == "hello"
        too_slow = SLOW_CLIENT.code.to_bytes(2, "big") + SLOW_CLIENT.reason.encode()
        ends = [_read_to_end(client) for client in slow]
        assert [end for end in ends if end not in (b"hello", too_slow)] == []
        assert too_slow in ends


def _read_to_end(client: socket.socket) -> bytes:
    """What a client is told last, of which it has read nothing before."""
    received = b""
    while not received.endswith((b"hello", b"outbox full")):
        piece = client.recv(1 << 20)
        assert piece, received[-200:]
        received = received[-200:] + piece
    return b"hello" if received.endswith(b"hello") else received[-2 - len(SLOW_CLIENT.reason) :]


def test_with_an_address_of_its_own_the_backends_side_is_not_found_where_clients_are(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, admin_listen="127.0.0.1:0") as server:
        front = server.port
        assert server.admin_port not in (0, front)
        app = server.register()
        with server.client(app, "a") as client:
            assert push(server, app).json["total"] == "1"
            assert client.recv() == "hello"
        health = server.request("GET", "/healthz", auth=None)
        assert health.status == 200
        hidden = [
            ("POST", "/api/register"), ("POST", f"/api/push/{app.key}"), ("GET", "/metrics"), ("GET", "/readyz"),
            ("GET", "/api/app-list/1/1"), ("GET", "/api/admin/apps"), ("GET", "/apps/1/channels"),
        ]  # fmt: skip
        for method, path in hidden:
            answer = server.request(method, path, port=front)
            assert (answer.status, answer.json["error"]["code"]) == (404, "unknown_route"), path
        assert server.request("GET", "/healthz", auth=None, port=front).status == 200
        with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{server.admin_port}/ws/{app.key}/x"):
            pass
        assert caught.value.response.status_code == 404
        # The command line finds it by the configuration.
        server.settings |= {"listen": f"127.0.0.1:{front}", "admin_listen": f"127.0.0.1:{server.admin_port}"}
        server.config.write_text(json.dumps(server.settings))
        pushed = subprocess.run(
            [sys.executable, "-m", "pushery", "push", app.key, "hi", "--config", str(server.config)],
            capture_output=True, text=True, timeout=DEADLINE_S, check=True,
        )  # fmt: skip
        assert pushed.stdout == "sent to 0 clients\n"


def test_basic_credentials_of_an_unknown_scheme_are_no_guess(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, auth_failures_per_minute=1) as server:
        header = {"Authorization": "Basic " + base64.b64encode(b"x:y").decode()}
        assert server.request("GET", "/api/app-list/1/1", auth=None, headers=header).status == 401
        assert server.request("GET", "/api/app-list/1/1", auth=None, headers=header).status == 429
        assert server.request("GET", "/api/app-list/1/1", auth=None).status == 401
