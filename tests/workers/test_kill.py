"""kill -9 with a full queue: what was on the disk is delivered after the next start, in order, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pushery.core.appsettings import Webhook
from pushery.storage.hookoutbox import open_hook_outbox
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, receiving
from tests.workers.worlds import an_app, world

TELLER = Path(__file__).with_name("teller.py")
ROOT = Path(__file__).parents[2]
ROUNDS = 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def tell_until_killed(sqldir: str, url: str, rows: int) -> None:
    """Let a child tell, and kill it once so many events are on the disk, wherever it is then."""
    command = [sys.executable, str(TELLER), sqldir, url]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ) as process:
        try:
            with closing(open_hook_outbox(sqldir)) as outbox:
                wait_until(lambda: len(outbox.ids()) >= rows, "events on the disk")
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()


@pytest.mark.process
@pytest.mark.timeout(90)
def test_what_was_on_the_disk_survives_being_killed(tmp_path: Path, receiver: Receiver) -> None:
    sqldir, url = str(tmp_path / "apps.sqlite"), f"{receiver.url}/hook"
    for number in range(ROUNDS):
        receiver.status("/hook", 503)
        receiver.accepted.clear()
        tell_until_killed(sqldir, url, 20 + 400 * number)
        with closing(open_hook_outbox(sqldir)) as outbox:
            events = [msgspec.json.decode(said[1]) for _, said in sorted(outbox.events(outbox.ids()).items())]
        told = [event["data"] for event in events if event["name"] == "client_event"]
        assert told == [str(one) for one in range(len(told))], "the disk holds a beginning, without holes"
        receiver.status("/hook", 200)
        with world(tmp_path, an_app(Webhook(url=url), batch=True), return_s=0.0) as it:
            wait_until(lambda: "channel_vacated" in receiver.names(), "the channel that nobody came back to")
            wait_until(lambda: it.worker.stats.queued == 0, "an empty queue")
        for channel in ("c0", "c1", "c2"):
            expected = [event["data"] for event in events if event["channel"] == channel and "data" in event]
            assert [
                event["data"]
                for event in receiver.events()
                if event.get("data") in set(expected) and event["channel"] == channel
            ] == expected
        with closing(open_hook_outbox(sqldir)) as outbox:
            assert (outbox.ids(), outbox.taken()) == (set(), [])
