"""Files that may not be written: the server does not start, or, when that happens while it runs, goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from pushery.storage import open_app_store
from pushery.storage.hookoutbox import open_hook_outbox
from tests.faults.disks import SmallDisk, disk
from tests.faults.hands import (
    app_with_webhook,
    database_files,
    delivers,
    occupied,
    ordinary,
    refused_start,
    told,
    try_to_register,
)
from tests.support.server import ServerProcess, wait_until
from tests.workers.receiver import Receiver, receiving

pytestmark = pytest.mark.process

PLACE = "appdata.sqlite"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with what a server leaves."""
    directory = tmp_path / "data"
    directory.mkdir()
    open_app_store(str(directory / PLACE)).close()
    open_hook_outbox(str(directory / PLACE)).close()
    (directory / "server.log").touch()
    yield directory
    directory.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        (".", 0o500, "sqldir: directory is not writable"),
        (PLACE, 0o400, "appdata.sqlite is not readable and writable for this user"),
        (PLACE, 0o000, "appdata.sqlite is not readable and writable for this user"),
        (f"{PLACE}.key", 0o000, "appdata.sqlite.key cannot be read: Permission denied"),
        (f"{PLACE}.key", 0o644, "appdata.sqlite.key is open to other users: run chmod 600"),
        (f"{PLACE}.hooks", 0o400, "appdata.sqlite.hooks is not writable for this user"),
        ("server.log", 0o400, "server.log is not writable for this user"),
    ],
)
def test_what_may_not_be_written_is_told_in_one_line(
    tmp_path: Path, place: Path, name: str, mode: int, words: str
) -> None:
    before = database_files(place)
    (place / name).chmod(mode)
    sqldir, logdir = str(place / PLACE), str(place / "server.log")
    assert words in ordinary(lambda: refused_start(tmp_path, sqldir=sqldir, logdir=logdir))
    assert database_files(place) == before


def test_a_read_only_file_system_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with disk("mount", tmp_path / "disk") as made:
        if isinstance(made, SmallDisk):
            made.make_read_only()
        else:
            made.directory.chmod(0o500)
        said = ordinary(lambda: refused_start(tmp_path, sqldir=str(made.directory / PLACE)))
        if not isinstance(made, SmallDisk):
            made.directory.chmod(0o700)
    assert "sqldir: directory is not writable" in said


class OrdinaryServer(ServerProcess):
    """Keeps to the modes of files, also when root runs the tests."""

    def start(self) -> Self:
        return ordinary(super().start)


def test_a_running_server_keeps_what_it_has_open(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with OrdinaryServer(tmp_path, sqldir=str(tmp_path / "data" / PLACE)) as server:
        app = server.register()
        for path in (tmp_path / "data").iterdir():
            path.chmod(0o400)
        (tmp_path / "data").chmod(0o500)
        assert try_to_register(server) == (200, "")
        assert delivers(server, app)
        assert server.stop() == 0
    (tmp_path / "data").chmod(0o700)


def test_first_webhooks_wait_until_their_outbox_can_be_made(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "data").mkdir()
    settings = {"sqldir": str(tmp_path / "data" / PLACE), "webhook_private_addresses": True}
    with OrdinaryServer(tmp_path, **settings) as server:
        app = app_with_webhook(server, f"{receiver.url}/hook")
        (tmp_path / "data").chmod(0o500)
        with occupied(server, app, "first"):
            (failed,) = wait_until(lambda: server.logged("webhook_outbox_failed"), "the failure")
            assert "appdata.sqlite.hooks cannot be created: Permission denied" in failed["error"]
            assert delivers(server, server.register("other"))
            (tmp_path / "data").chmod(0o700)
            wait_until(lambda: told(receiver) == ["first"], "what has waited")
