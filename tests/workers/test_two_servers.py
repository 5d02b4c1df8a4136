"""Two servers on one database: nothing is told twice, and clients that move from one to the other have not left."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from pushery.core.apps import App
from pushery.core.appsettings import Webhook
from pushery.storage.hookoutbox import open_hook_outbox
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, receiving
from tests.workers.worlds import World, added, an_app, occupied, removed, said, vacated, world

pytestmark = pytest.mark.process

TELLER = Path(__file__).with_name("teller.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Names and channels (with the user, where there is one), in order."""
    return [
        (event["name"], event["channel"] + ("/" + event["user_id"] if "user_id" in event else ""))
        for event in receiver.events()
    ]


def settled(receiver: Receiver, *worlds: World) -> None:
    """Wait until all that has happened so far is told: what comes last in the queue is."""
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    for number, each in enumerate(worlds):
        mark = f"{number}-{len(receiver.accepted)}"
        each.happened(app, said("settled", mark))
        wait_until(partial(has_come, receiver, mark), "the mark")


def has_come(receiver: Receiver, mark: str) -> bool:
    return mark in [event.get("data") for event in receiver.events()]


@contextmanager
def leading(directory: Path, receiver: Receiver, app: App) -> Iterator[World]:
    """A first server, which delivers already."""
    with world(directory, app) as first:
        settled(receiver, first)
        yield first


def places(receiver: Receiver) -> list[tuple[str, str]]:
    return [one for one in told(receiver) if one[0] != "client_event"]


def test_what_both_tell_is_delivered_once_and_in_order(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"), batch=True)
    with leading(tmp_path, receiver, app) as first, world(tmp_path, app) as second:
        for number in range(300):
            first.happened(app, said("a", f"first {number}"))
            second.happened(app, said("b", f"second {number}"))
        wait_until(lambda: len(receiver.events()) >= 601, "all events")
        for channel, name in (("a", "first"), ("b", "second")):
            heard = [event["data"] for event in receiver.events() if event["channel"] == channel]
            assert heard == [f"{name} {number}" for number in range(300)]
        wait_until(lambda: first.worker.stats.delivered == 601, "all answers")
        assert second.worker.stats.delivered == 0


def test_clients_that_move_to_the_new_server_have_neither_left_nor_come(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as old:
        old.happened(app, occupied("presence-a"), added("presence-a", "u1"), occupied("b"))
        settled(receiver, old)
        with world(tmp_path, app) as new:
            settled(receiver, new)
            old.worker.send_away()
            old.happened(app, removed("presence-a", "u1"), vacated("presence-a"), vacated("b"))
            new.happened(app, occupied("presence-a"), added("presence-a", "u1"), occupied("b"))
            settled(receiver, old)
            old.stop()
            new.happened(app, occupied("c"))
            settled(receiver, new)
            new.clock.ahead_s += 60
            settled(receiver, new)
            assert sorted(places(receiver)) == [
                ("channel_occupied", "b"),
                ("channel_occupied", "c"),
                ("channel_occupied", "presence-a"),
                ("member_added", "presence-a/u1"),
            ]
            new.happened(app, vacated("b"))
            wait_until(lambda: places(receiver)[-1] == ("channel_vacated", "b"), "who leaves the new one for good")


def test_who_does_not_come_back_is_told_to_be_gone_once_its_time_is_over(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app, return_s=60.0) as old:
        old.happened(app, occupied("presence-a"), added("presence-a", "u1"), added("presence-a", "u2"))
        settled(receiver, old)
        with world(tmp_path, app, return_s=60.0) as new:
            old.worker.send_away()
            old.happened(app, removed("presence-a", "u1"), removed("presence-a", "u2"), vacated("presence-a"))
            new.happened(app, occupied("presence-a"), added("presence-a", "u1"))
            settled(receiver, old)
            old.clock.ahead_s += 100
            new.clock.ahead_s += 50
            settled(receiver, old)
            old.stop()
            settled(receiver, new)
            new.clock.ahead_s += 50  # sixty seconds after its start, but not after it has taken over
            settled(receiver, new)
            assert "member_removed" not in receiver.names()
            new.clock.ahead_s += 20
            wait_until(lambda: "member_removed" in receiver.names(), "the one who did not come back")
            assert places(receiver)[3:] == [("member_removed", "presence-a/u2")]


def test_a_server_that_stops_alone_leaves_it_to_the_next_start_who_is_gone(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as old:
        old.happened(app, occupied("back"), occupied("gone"))
        settled(receiver, old)
        old.worker.send_away()
        old.happened(app, vacated("back"), vacated("gone"))
        settled(receiver, old)
        old.clock.ahead_s += 60
        settled(receiver, old)
    with world(tmp_path, app, return_s=60.0) as new:
        new.happened(app, occupied("back"))
        settled(receiver, new)
        assert "channel_vacated" not in receiver.names()
        new.clock.ahead_s += 70
        settled(receiver, new)
        wait_until(lambda: places(receiver)[2:] == [("channel_vacated", "gone")], "the one that nobody came back to")


def test_two_that_see_the_same_channel_tell_of_it_once(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with leading(tmp_path, receiver, app) as first, world(tmp_path, app) as second:
        settled(receiver, first, second)
        for number in range(50):
            first.happened(app, occupied(f"c{number}"))
            second.happened(app, occupied(f"c{number}"))
        settled(receiver, first, second)
        assert sorted(places(receiver)) == sorted(("channel_occupied", f"c{number}") for number in range(50))


def test_who_leaves_one_of_two_is_told_to_be_gone_when_the_other_has_ended(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with leading(tmp_path, receiver, app) as first:
        with world(tmp_path, app) as second:
            settled(receiver, first, second)
            first.happened(app, occupied("moved"), occupied("left"))
            settled(receiver, first)
            second.happened(app, occupied("moved"))
            first.happened(app, vacated("moved"), vacated("left"))
            settled(receiver, first, second)
            first.clock.ahead_s += 60
            settled(receiver, first)
            assert "channel_vacated" not in receiver.names()
        wait_until(lambda: receiver.names().count("channel_vacated") == 2, "both, for the second is gone")
        assert sorted(places(receiver)[2:]) == [("channel_vacated", "left"), ("channel_vacated", "moved")]


def test_a_follower_that_ends_leaves_what_it_told_to_the_one_that_leads(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with leading(tmp_path, receiver, app) as first:
        with world(tmp_path, app) as second:
            settled(receiver, first)
            second.happened(app, occupied("only there"))
            settled(receiver, second)
            assert places(receiver) == [("channel_occupied", "only there")]
        wait_until(lambda: "channel_vacated" in receiver.names(), "the channel that nobody came back to")


@pytest.mark.process
def test_the_next_takes_over_from_one_that_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    sqldir, url = str(tmp_path / "apps.sqlite"), f"{receiver.url}/hook"
    receiver.status("/hook", 503)
    command = [sys.executable, str(TELLER), sqldir, url]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            with closing(open_hook_outbox(sqldir)) as outbox:
                wait_until(lambda: len(outbox.ids()) > 100, "events on the disk")
                app = an_app(Webhook(url=url), batch=True)
                with world(tmp_path, app) as next_one:
                    next_one.happened(app, said("mine", "x"))
                    wait_until(lambda: "mine" in {row.lane for row in outbox.waiting()}, "what the other one writes")
                    assert next_one.worker.stats.queued == 0
                    assert process.poll() is None
                    process.kill()
                    process.wait()
                    receiver.accepted.clear()
                    receiver.status("/hook", 200)
                    wait_until(lambda: not outbox.ids(), "an empty queue")
        finally:
            process.kill()
    events = [event for event in receiver.events() if event["name"] == "client_event"]
    assert [event["data"] for event in events if event["channel"] == "mine"] == ["x"]
    for number in range(3):
        heard = [int(event["data"]) for event in events if event["channel"] == f"c{number}"]
        assert heard == list(range(number, 3 * len(heard) + number, 3))
