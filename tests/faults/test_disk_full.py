"""The disk is full: changes are refused, pushes go on, webhooks wait, log lines are lost; with room all goes on."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disks import KINDS, Disk, SmallDisk, disk
from tests.faults.hands import (
    app_with_webhook,
    delivers,
    occupied,
    refused_start,
    refuses_changes,
    told,
    try_to_register,
)
from tests.support.server import ServerProcess, wait_until
from tests.workers.receiver import Receiver, receiving

pytestmark = pytest.mark.process


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "disk").mkdir()
    with disk(request.param, tmp_path / "disk") as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def logged_lines(server: ServerProcess) -> list[dict[str, object]]:
    """The lines of the log that are whole."""
    lines = []
    for line in server.log.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            assert not line.endswith("}"), line
    return lines


def test_changes_are_refused_whole_while_pushes_go_on(small: Disk) -> None:
    with ServerProcess(small.directory) as server:
        app = server.register()
        before = server.request("GET", "/api/admin/apps").json
        small.fill(server)
        assert refuses_changes(server)
        for field, value in (("name", "other"), ("settings", {"max_batch": 20})):
            body = json.dumps({field: value}).encode()
            headers = {"Content-Type": "application/json"}
            assert server.request("PATCH", f"/api/admin/apps/{app.key}", body, headers=headers).status == 503
        assert server.request("DELETE", f"/api/{app.key}/unregister").status == 503
        assert delivers(server, app)
        assert server.request("GET", "/api/admin/apps").json == before
        small.free(server)
        assert try_to_register(server) == (200, "")
        made = server.request("GET", "/api/admin/apps").json
        server.kill()
        with server:
            assert server.request("GET", "/api/admin/apps").json == made
            assert delivers(server, app)


def test_webhooks_wait_for_room_and_are_then_delivered(small: Disk, receiver: Receiver) -> None:
    with ServerProcess(small.directory, webhook_private_addresses=True) as server:
        app = app_with_webhook(server, f"{receiver.url}/hook")
        with occupied(server, app, "before"):
            wait_until(lambda: told(receiver) == ["before"], "the first event")
            small.fill(server)
            with occupied(server, app, *(f"during{number}" for number in range(20))):
                assert refuses_changes(server)
                assert told(receiver) == ["before"]
                small.free(server)
                wait_until(lambda: len(told(receiver)) == 21, "what has waited")


def test_a_server_stops_in_order_on_a_full_disk(small: Disk, receiver: Receiver) -> None:
    with ServerProcess(small.directory, webhook_private_addresses=True) as server:
        app = app_with_webhook(server, f"{receiver.url}/hook")
        with occupied(server, app, "first"):
            wait_until(lambda: told(receiver) == ["first"], "the first event")
            small.fill(server)
        assert server.stop() == 0


def test_the_log_goes_on_when_there_is_room_and_says_what_is_missing(small: Disk) -> None:
    with ServerProcess(small.directory) as server:
        app = server.register()
        small.fill(server)
        for _ in range(100):  # more than what is left of the last block
            server.push(app, "x")
        small.free(server)
        assert delivers(server, app)
        (lost,) = [line for line in logged_lines(server) if line["event"] == "log_lines_lost"]
        assert isinstance(lost["lines"], int)
        assert 50 < lost["lines"] <= 101


def test_on_a_full_disk_no_server_starts_and_the_next_one_on_a_free_one_does(small: Disk, tmp_path: Path) -> None:
    place = str(small.directory / "appdata.sqlite")
    with ServerProcess(tmp_path, sqldir=place) as server:
        app = server.register()
        assert server.stop() == 0
    if isinstance(small, SmallDisk):
        small.fill()
        assert "cannot grow: the disk is full" in refused_start(tmp_path, sqldir=place)
        small.free()
    else:
        assert "cannot be read or written" in refused_start(tmp_path, {resource.RLIMIT_FSIZE: 1}, sqldir=place)
    with server:
        assert delivers(server, app)
