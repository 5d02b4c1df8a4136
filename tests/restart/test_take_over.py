"""One server takes over from another: nothing is refused, lost or doubled, and whoever stands beside it is heard."""

import contextlib
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvloop

from benchmarks.restart import ACTIVATION, REUSE_PORT, Plan, described, take_over
from tests.support.raw import RawConnection, request
from tests.support.server import ServerProcess, wait_until

pytestmark = pytest.mark.process

CROWD = Plan(clients=300, drain_rate=600, backends=8, every_s=0.1, before_s=0.3, after_s=0.3)


@pytest.mark.parametrize("kind", [REUSE_PORT, ACTIVATION])
def test_a_crowd_and_its_backends_notice_nothing_but_the_time_it_takes_to_come_back(kind: str, tmp_path: Path) -> None:
    plan = Plan(**{**CROWD.__dict__, "kind": kind})
    sum_total = uvloop.run(take_over(plan, tmp_path))
    assert sum_total.is_flawless, described(sum_total)
    assert len(sum_total.gaps) == plan.clients
    assert sum_total.returns[-1] - sum_total.returns[0] > 0.3, "they come back spread out"
    assert sum_total.published > 50


def test_when_the_old_server_is_killed_no_connection_is_refused(tmp_path: Path) -> None:
    plan = Plan(**{**CROWD.__dict__, "number": int(signal.SIGKILL)})
    sum_total = uvloop.run(take_over(plan, tmp_path))
    assert (sum_total.refused, sum_total.twice, sum_total.out_of_order, sum_total.missed) == (0, 0, 0, 0)
    assert sum_total.cut == plan.clients
    assert len(sum_total.gaps) == plan.clients
    assert len(sum_total.failures) <= plan.backends, "at most what was under way"


class Series:
    """Servers that follow each other on one database and one port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers: list[ServerProcess] = []

    def start(self, **settings: object) -> ServerProcess:
        """The next one."""
        server = self._made(settings)
        server.start()
        self.servers.append(server)
        return server

    def fails(self, **settings: object) -> str:
        """What the next one says that cannot start."""
        server = self._made(settings)
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
        assert server.ended() == 2
        return server.said

    def _made(self, settings: dict[str, object]) -> ServerProcess:
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        sqldir = str(self.directory / "apps.sqlite")
        return ServerProcess(directory, **{"reuse_port": True, "sqldir": sqldir, "drain_rate": 0, **settings})


@pytest.fixture
def series(tmp_path: Path) -> Iterator[Series]:
    with contextlib.ExitStack() as stack:
        made = Series(tmp_path)
        stack.callback(lambda: [server.stop() for server in made.servers if server._process is not None])
        yield made


def test_one_after_the_other_takes_over_and_the_newest_can_be_taken_back(series: Series) -> None:
    first = series.start()
    port = first.port
    app = first.register()
    for _ in range(3):
        before, after = series.servers[-1], series.start()
        assert after.port == port
        with before.client(app, "A"):
            assert before.stop() == 0
        with after.client(app, "A") as client:
            assert after.push(app, "x") == 1
            assert client.recv(10) == "x"
    old, new = series.servers[-1], series.start()
    assert new.stop() == 0
    with old.client(app, "A") as client:
        assert old.push(app, "still here") == 1
        assert client.recv(10) == "still here"
    assert old.stop() == 0
    alone = series.start(listen=f"127.0.0.1:{port}")
    assert alone.port == port


def test_a_push_reaches_the_sockets_of_both_and_the_total_counts_its_own(series: Series) -> None:
    one = series.start()
    app = one.register()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(one.client(app, f"A{number}")) for number in range(5)]
        two = series.start()
        clients += [stack.enter_context(one.client(app, f"B{number}")) for number in range(20)]
        totals = {one.push(app, f"push {number}") for number in range(30)}
        for client in clients:
            heard = [client.recv(10) for _ in range(30)]
            assert sorted(heard) == sorted(f"push {number}" for number in range(30))
        assert sum(totals) in (25, *totals), "each push was answered by one of the two"
        assert one.stop() == two.stop() == 0


def test_a_port_that_is_not_shared_is_still_taken(series: Series) -> None:
    one = series.start(reuse_port=False)
    said = series.fails(listen=f"127.0.0.1:{one.port}")
    assert said.startswith(f"pushery: cannot listen on 127.0.0.1:{one.port}: Address already in use.")


def test_a_server_that_stands_alone_makes_no_directory(series: Series) -> None:
    series.start(reuse_port=False)
    assert not (series.directory / "apps.sqlite.bus").exists()


def test_an_app_that_is_unregistered_on_one_is_gone_on_both(series: Series) -> None:
    one = series.start()
    app = one.register()
    with RawConnection(one.port) as first:
        first.open_socket(app.key, "A")
        two = series.start()
        others = []
        while not two.logged("socket_opened"):
            others.append(RawConnection(one.port))
            others[-1].open_socket(app.key, "B")
        assert one.request("DELETE", f"/api/{app.key}/unregister", auth=app.auth).status == 200
        for raw in (first, *others):
            assert raw.frame().code == 4001
            raw.socket.close()


def test_a_kept_connection_is_served_and_told_to_close_while_sockets_are_drained(series: Series) -> None:
    old = series.start(drain_rate=2, shutdown_timeout=8, ping_idle=60)
    app = old.register()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(RawConnection(old.port)) for _ in range(6)]
        for raw in sockets:
            raw.open_socket(app.key, "A")
        kept = stack.enter_context(RawConnection(old.port))
        kept.send(request("GET", "/healthz"))
        assert kept.answer().headers["Connection"] != "close"
        new = series.start()
        old.process.send_signal(signal.SIGTERM)
        wait_until(lambda: old.logged("stopping"), "the stop")
        kept.send(request("POST", f"/api/push/{app.key}", urlencode({"content": "x"}).encode(), app.auth))
        answer = kept.answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert kept.rest() == b""
        assert 0 < int(answer.json["total"]) <= 6
        heard = 0
        for raw in sockets:
            frame = raw.frame()
            if frame.payload == b"x":
                heard += 1
                frame = raw.frame()
            assert frame.code == 1012
            raw.socket.close()
        assert heard == int(answer.json["total"])
        assert old.ended() == 0
        assert new.push(app, "to nobody") == 0


def test_a_server_that_cannot_start_beside_the_old_one_leaves_it_as_it_was(series: Series) -> None:
    old = series.start()
    app = old.register()
    with old.client(app, "A") as client:
        assert "tls_certificate" in series.fails(tls_certificate="/no/such", tls_key="/no/such")
        assert "Traceback" not in series.fails(secret_key="A" * 43 + "=")
        for number in range(20):
            assert old.push(app, f"{number}") == 1
            assert client.recv(10) == f"{number}"


def test_systemd_hears_when_it_serves_and_when_it_stops(tmp_path: Path) -> None:
    name = tmp_path / "notify"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as supervisor:
        supervisor.bind(str(name))
        supervisor.settimeout(20)
        server = ServerProcess(tmp_path)
        server.environ["NOTIFY_SOCKET"] = str(name)
        with server:
            assert supervisor.recv(1000) == f"READY=1\nMAINPID={server.process.pid}".encode()
            server.process.send_signal(signal.SIGTERM)
            assert supervisor.recv(1000) == b"STOPPING=1"
            assert server.ended() == 0
