"""Clients that go from an old server to a new one: no webhook says that they left or came."""

import contextlib
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.server import ServerProcess, wait_until
from tests.workers.receiver import Receiver, receiving

pytestmark = pytest.mark.process

QUICK = {"reuse_port": True, "webhook_private_addresses": True, "webhook_hold_back": 0.5, "webhook_return_time": 3.0}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


class Member:
    """A client on a presence channel, as one user."""

    def __init__(self, socket: ClientConnection, key: str, secret: str, user: str) -> None:
        self.socket = socket
        socket_id = json.loads(json.loads(self.socket.recv(20))["data"])["socket_id"]
        said = json.dumps({"user_id": user})
        signed = hmac.new(secret.encode(), f"{socket_id}:presence-room:{said}".encode(), hashlib.sha256).hexdigest()
        data = {"channel": "presence-room", "auth": f"{key}:{signed}", "channel_data": said}
        self.socket.send(json.dumps({"event": "pusher:subscribe", "data": data}))
        while "subscription_succeeded" not in str(self.socket.recv(20)):
            pass

    def closed(self) -> bool:
        """Waits for the server to close it."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.socket.recv(20)
        return True


def test_who_moves_is_told_neither_to_have_left_nor_to_have_come(tmp_path: Path, receiver: Receiver) -> None:
    settings = {"webhooks": [{"url": f"{receiver.url}/hook"}]}
    (tmp_path / "new").mkdir()
    # Slow enough that the first ones are closed for longer than departures are held back.
    drain = {"drain_rate": 2, "shutdown_timeout": 4}
    with ServerProcess(tmp_path, **QUICK, **drain) as old, contextlib.ExitStack() as stack:
        body = json.dumps({"name": "moving", "settings": settings}).encode()
        app = old.request("POST", "/api/admin/apps", body, headers={"Content-Type": "application/json"}).json
        key, secret = app["app_key"], app["keys"][0]["secret"]

        def member(number: int) -> Member:
            socket = stack.enter_context(connect(f"ws://127.0.0.1:{old.port}/app/{key}?protocol=7"))
            return Member(socket, key, secret, f"u{number}")

        members = [member(number) for number in range(5)]
        wait_until(lambda: receiver.names().count("member_added") == 5, "the members")
        new = stack.enter_context(ServerProcess(tmp_path / "new", **QUICK, sqldir=str(tmp_path / "appdata.sqlite")))
        wait_until(lambda: new.logged("webhooks_wait"), "the new one to wait")
        old.process.terminate()
        back = {number: member(number) for number in range(4) if members[number].closed()}
        assert members[4].closed(), "and does not come back"
        assert old.ended() == 0
        wait_until(lambda: new.logged("webhooks_taken_over"), "the new one to take over")
        assert sorted(receiver.names()) == ["channel_occupied", *["member_added"] * 5]
        wait_until(lambda: "member_removed" in receiver.names(), "who did not come back")
        back[0].socket.close()
        wait_until(lambda: receiver.names().count("member_removed") == 2, "who leaves the new one")
        gone = [event["user_id"] for event in receiver.events() if event["name"] == "member_removed"]
        assert gone == ["u4", "u0"]
        assert sorted(receiver.names()) == ["channel_occupied", *["member_added"] * 5, *["member_removed"] * 2]
