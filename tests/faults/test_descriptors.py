"""Silent connections take all there are: who is in is served, changes and webhooks work, and afterwards all is well.

That clients are told to come again while backends still get in is `tests/server/test_limits.py`.
"""

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.sync.client import connect

from tests.faults.hands import REGISTER, app_with_webhook, delivers, told
from tests.support.raw import RawConnection, is_turned_away, request
from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, wait_until
from tests.workers.receiver import receiving

pytestmark = pytest.mark.process

MOST = 128


@contextmanager
def flood(server: ServerProcess) -> Iterator[None]:
    """Somebody opens connections and says nothing, until the server turns them away, and then goes on."""
    with ExitStack() as connections:
        silent: list[socket.socket] = []

        def one_more() -> bool:
            silent.append(connections.enter_context(socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)))
            return any(is_turned_away(each) for each in silent)

        wait_until(one_more, "one that is turned away")
        for _ in range(MOST):
            one_more()
        wait_until(lambda: sum(map(is_turned_away, silent)) > MOST, "all further ones turned away")
        yield


def test_who_is_in_is_served_and_everything_goes_on_afterwards(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, webhook_private_addresses=True)
    server.limits[resource.RLIMIT_NOFILE] = MOST
    with receiving() as receiver, server, RawConnection(server.port) as backend:
        plain, hooked = server.register(), app_with_webhook(server, f"{receiver.url}/hook")
        listener = connect(f"ws://127.0.0.1:{server.port}/app/{hooked.key}?protocol=7", open_timeout=DEADLINE_S)
        with server.client(plain, "A:1") as client, listener:
            listener.recv(DEADLINE_S)
            with flood(server):
                for number in range(3):
                    content = f"content={number}".encode()
                    backend.send(request("POST", f"/api/push/{plain.key}", content, plain.auth))
                    assert backend.answer().json["total"] == "1"
                    assert client.recv(DEADLINE_S) == str(number)
                backend.send(request("POST", "/api/register", urlencode(REGISTER).encode(), ADMIN))
                registered = backend.answer()
                assert registered.status == 200
                listener.send(json.dumps({"event": "pusher:subscribe", "data": {"channel": "c"}}))
                assert "subscription_succeeded" in str(listener.recv(DEADLINE_S))
            wait_until(lambda: told(receiver) == ["c"], "the webhook")
            assert client.ping().wait(DEADLINE_S)
        assert delivers(server, server.register("later"))
        apps = server.request("GET", "/api/admin/apps").body
        assert registered.json["app_key"].encode() in apps
        assert server.stop() == 0
