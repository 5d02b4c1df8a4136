"""The whole story once, as a person would live it: register, connect, push, list, unregister, restart."""

import pytest

from tests.support.server import ServerProcess, TestApp

pytestmark = pytest.mark.process


def test_three_clients_get_what_is_pushed_to_all_to_a_pattern_and_to_a_tag(server: ServerProcess, app: TestApp) -> None:
    with server.client(app, "A:1") as a1, server.client(app, "A:2") as a2, server.client(app, "B:1") as b1:
        assert server.push(app, "to all") == 3
        assert server.push(app, "to A", "^A:") == 2
        assert server.push(app, "to A:1", "A:1") == 1
        assert server.push(app, "to nobody", "^C") == 0
        assert server.push(app, "the end") == 3
        received = [[socket.recv(10) for _ in range(count)] for socket, count in ((a1, 4), (a2, 3), (b1, 2))]
    assert received == [
        ["to all", "to A", "to A:1", "the end"],
        ["to all", "to A", "the end"],
        ["to all", "the end"],
    ]


def test_an_app_survives_a_restart_and_a_kill(server: ServerProcess, app: TestApp) -> None:
    assert server.stop() == 0
    server.start()
    with server.client(app, "A:1") as socket:
        assert server.push(app, "after the restart") == 1
        assert socket.recv(10) == "after the restart"
    server.kill()
    server.start()
    with server.client(app, "A:1") as socket:
        assert server.push(app, "after the kill") == 1
        assert socket.recv(10) == "after the kill"
