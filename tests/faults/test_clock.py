"""The wall clock is put forward or back while a server runs: what is measured does not notice, what is dated follows.

The process reads its clocks in one place (`node/system.py`), so the clock is stepped there, in a real server: monotonic
time goes on, as it does when an administrator or NTP steps a machine's clock (clock_gettime(2)).
"""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import pytest

from tests.clients.site import Account
from tests.faults.hands import app_with_webhook, occupied, told
from tests.support.raw import PING, PONG, RawConnection, client_frame, request
from tests.support.server import ServerProcess, TestApp, wait_until
from tests.workers.receiver import Receiver, receiving

pytestmark = pytest.mark.process

DAY_S = 86400
STEPS = [DAY_S, -DAY_S, 60 * DAY_S]


class SteppedServer(ServerProcess):
    """A server whose wall clock can be put elsewhere."""

    def __init__(self, directory: Path, **settings: object) -> None:
        super().__init__(directory, **settings)
        self._clock = directory / "clock"
        self.environ = {"PYTHONPATH": str(Path(__file__).parent / "stepped"), "STEPPED_CLOCK": str(self._clock)}
        self.step(0)

    def step(self, seconds: int) -> None:
        """So far from the true time."""
        new = self._clock.with_name("clock.new")
        new.write_text(str(seconds))
        new.replace(self._clock)

    def is_off_by(self, seconds: int) -> bool:
        """Whether the Date header of a reply is so far from the true time."""
        date = parsedate_to_datetime(self.request("GET", "/healthz").headers["Date"]).timestamp()
        return abs(date - time.time() - seconds) < 10


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SteppedServer]:
    settings = {"ping_idle": 0.5, "ping_timeout": 0.5, "keepalive_timeout": 30, "webhook_private_addresses": True}
    with SteppedServer(tmp_path, **settings) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_sockets_connections_and_pings_do_not_notice(server: SteppedServer) -> None:
    app, ask = server.register(), request("GET", "/healthz")
    with RawConnection(server.port) as client, RawConnection(server.port) as kept:
        client.open_socket(app.key, "A:1")
        for step in (*STEPS, 0):
            kept.send(ask)
            assert kept.answer().status == 200
            server.step(step)
            wait_until(partial(server.is_off_by, step), "the Date header")
            ping = client.frame()
            assert ping.opcode == PING
            client.send(client_frame(PONG, ping.payload))
            assert server.push(app, "still here") == 1
            assert client.text() == "still here"
        kept.send(ask)
        assert kept.answer().status == 200


def test_signatures_are_judged_by_the_clock_as_it_is_now(server: SteppedServer) -> None:
    registered: TestApp = server.register()
    backend = Account(registered.reply["app_id"], registered.key, registered.reply["app_secret"]).backend(server.port)
    backend.trigger("c", "e", {})
    for step in STEPS:
        server.step(step)
        with pytest.raises(Exception, match="timestamp"):
            backend.trigger("c", "e", {})
    server.step(0)
    backend.trigger("c", "e", {})


@pytest.mark.parametrize("step", [DAY_S, -DAY_S])
def test_webhooks_neither_stall_nor_flood(server: SteppedServer, receiver: Receiver, step: int) -> None:
    app = app_with_webhook(server, f"{receiver.url}/hook")
    receiver.status("/hook", 503)
    with occupied(server, app, "waits"):
        wait_until(lambda: len(receiver.requests) >= 1, "the first attempt")
        server.step(step)
        if step < 0:
            before = len(receiver.requests)
            wait_until(lambda: len(receiver.requests) > before, "the next attempt")
            receiver.status("/hook", 200)
            wait_until(lambda: told(receiver) == ["waits"], "what has waited")
        else:  # its time is over, by the clock: it is kept as a dead letter, which an operator can send again
            wait_until(lambda: server.metric("pushery_webhooks_dead_total") == 1, "the dead letter")
            receiver.status("/hook", 200)
        with occupied(server, app, "new"):
            wait_until(lambda: "new" in told(receiver), "what is new")
        assert len(receiver.requests) < 20
