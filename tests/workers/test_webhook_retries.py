"""Events that wait: they are sent again, in order, until they are accepted, given up or dropped."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pushery.core.appsettings import Webhook
from pushery.core.ports import StorageError
from pushery.storage.hookoutbox import Changes, HookOutbox, open_hook_outbox
from pushery.workers.delivery import TRIED, UNTRIED
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, Request, receiving
from tests.workers.worlds import World, added, an_app, occupied, removed, said, vacated, world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_what_is_not_accepted_is_sent_again_in_order_until_it_is(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 503)
    with world(tmp_path, app) as it:
        it.happened(app, *(said("a", str(number)) for number in range(20)))
        wait_until(lambda: len(receiver.requests) >= 3, "three attempts")
        assert {request.events[0]["data"] for request in receiver.requests} == {"0"}
        receiver.status("/hook", 204)
        wait_until(lambda: len(receiver.accepted) == 20, "all events")
        assert [event["data"] for event in receiver.events()] == [str(number) for number in range(20)]
        assert len({request.body for request in receiver.requests}) == 20, "a retry is the same, byte for byte"
        wait_until(lambda: it.worker.stats.queued == 0, "an empty queue")
        assert it.worker.stats.delivered == 20
        assert it.worker.stats.failed_attempts >= 3


def test_an_event_that_fails_holds_up_its_own_channel_only(tmp_path: Path, receiver: Receiver) -> None:
    async def refuse_a(request: Request) -> int:
        return 500 if request.events[0]["channel"] == "a" else 200

    receiver.answers["/hook"] = refuse_a
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as it:
        it.happened(app, said("a", "1"), said("a", "2"), *(said(f"c{number}", "") for number in range(30)))
        wait_until(lambda: len(receiver.accepted) == 30, "the other channels")
        assert "a" not in {event["channel"] for event in receiver.events()}


def test_a_webhook_that_hangs_delays_no_other_and_gets_few_connections(tmp_path: Path, receiver: Receiver) -> None:
    slow = an_app(Webhook(url=f"{receiver.url}/slow"), Webhook(url=f"{receiver.url}/fast"))
    other = an_app(Webhook(url=f"{receiver.url}/other"), number=2)
    receiver.hang("/slow")
    with world(tmp_path, slow, other, timeout_s=30.0) as it:
        started = time.monotonic()
        for number in range(100):
            it.happened(slow, said(f"c{number}", ""))
            it.happened(other, said(f"c{number}", ""))
        assert time.monotonic() - started < 1.0, "the caller must not wait"
        wait_until(lambda: len(receiver.accepted) == 200, "all but the slow one")
        assert [request.path for request in receiver.requests].count("/slow") == 8
        stopping = time.monotonic()
        it.stop(timeout_s=0.2)
        assert time.monotonic() - stopping < 5.0


def test_what_is_never_accepted_becomes_a_dead_letter_that_can_be_sent_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 418)
    with world(tmp_path, app, retry_time_s=0.2) as it:
        it.happened(app, said("a", "1"), said("a", "2"))
        wait_until(lambda: it.worker.stats.dead == 2, "both dead")

        async def look() -> None:
            letters = await it.worker.dead_letters("key1")
            assert [msgspec.json.decode(letter.event)["data"] for letter in letters] == ["1", "2"]
            # Its time may be over between two attempts.
            assert letters[0].error in ("HTTP 418", TRIED.format("HTTP 418"))
            assert letters[0].attempts >= 2
            assert await it.worker.dead_letters("key1", after=letters[0].id) == letters[1:]
            assert await it.worker.replay("key2") == 0
            receiver.status("/hook", 200)
            assert await it.worker.replay("key1", [letters[1].id]) == 1
            assert await it.worker.replay("key1") == 1

        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == 2, "both on the disk")
        asyncio.run(look())
        wait_until(lambda: len(receiver.accepted) == 2, "both events")
        assert [event["data"] for event in receiver.events()] == ["2", "1"]
        assert receiver.accepted[0].json["time_ms"] > receiver.requests[0].json["time_ms"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_dead_letter_whose_time_is_over_tells_what_came_of_sending_it(
    tmp_path: Path, receiver: Receiver, restarts: bool
) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 503)
    with contextlib.ExitStack() as stack:
        it = stack.enter_context(world(tmp_path, app, retry_first_s=60.0, retry_most_s=60.0))
        it.happened(app, said("a", "sent"), said("a", "behind it"))
        wait_until(lambda: attempts(it) == [1, 0], "a failure that is on the disk")
        if restarts:
            receiver.status("/hook", 500)
            it.stop()
            it = stack.enter_context(world(tmp_path, app, retry_first_s=60.0, retry_most_s=60.0))
            wait_until(lambda: attempts(it) == [2, 0], "another failure")
        it.clock.ahead_s = 301.0
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == 2, "both on the disk")
        sent, behind = asyncio.run(it.worker.dead_letters("key1"))
    status, count = (500, 2) if restarts else (503, 1)
    assert (sent.error, sent.attempts) == (f"HTTP {status}; not sent again: its time was over", count)
    assert (behind.error, behind.attempts) == (UNTRIED, 0)


def attempts(it: World) -> list[int]:
    """How often each event was sent that waits."""
    return [letter.attempts for letter in asyncio.run(it.worker.waiting("key1"))]


def test_what_another_process_replays_or_drops_is_noticed(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 500)
    with world(tmp_path, app, retry_time_s=0.1) as it:
        it.happened(app, said("a", "dead"))
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == 1, "a dead letter")
        receiver.status("/hook", 200)
        outbox = open_hook_outbox(it.sqldir)
        assert outbox.replay("key1", None, it.clock.wall_ms()) == 1
        wait_until(lambda: receiver.names() == ["client_event"], "the replayed event")
        outbox.close()
    receiver.status("/hook", 500)
    receiver.requests.clear()
    with world(tmp_path, app, retry_time_s=300) as it:
        it.happened(app, said("a", "unwanted"))
        wait_until(lambda: len(receiver.requests) > 3, "attempts")
        outbox = open_hook_outbox(it.sqldir)
        assert outbox.drop_waiting("key1", None) == 1
        outbox.close()
        wait_until(lambda: it.worker.stats.queued == 0, "an empty queue")


@pytest.mark.parametrize("unregistered", [False, True])
def test_what_waits_is_dropped_with_its_webhook_or_app(tmp_path: Path, receiver: Receiver, unregistered: bool) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 500)
    with world(tmp_path, app) as it:
        it.happened(app, occupied("a"), *(said(f"c{number}", "") for number in range(50)))
        wait_until(lambda: len(receiver.requests) > 3, "attempts")
        if unregistered:
            it.directory.drop("key1")
        else:
            it.directory.put(an_app())
        outbox = open_hook_outbox(it.sqldir)
        wait_until(lambda: outbox.ids() == set(), "an empty outbox")
        wait_until(lambda: it.worker.stats.queued == 0, "an empty queue")
        if unregistered:
            wait_until(lambda: outbox.apps() == set(), "nothing of the app")
        outbox.close()


def test_more_than_memory_may_hold_is_dropped_and_counted(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 500)
    it = World(tmp_path, app, intake_limit=10)
    it.worker._is_awake = True  # as while the thread has not come to it yet
    it.happened(app, *(said("a", str(number)) for number in range(15)))
    assert it.worker.stats.dropped == 5
    with world(tmp_path, app, target_limit=3) as other:
        other.happened(app, *(said("a", "first") for _ in range(3)))
        wait_until(lambda: other.worker.stats.queued == 3, "a full queue")
        other.happened(app, said("a", "late"))
        wait_until(lambda: other.worker.stats.dropped == 1, "a dropped event")


def test_events_wait_for_a_disk_that_fails_for_a_while(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    monkeypatch.setattr("pushery.workers.engine.DISK_RETRY_S", 0.02)
    write, failures = HookOutbox.write, [StorageError("the disk is full") for _ in range(3)]

    def failing_write(outbox: HookOutbox, changes: Changes) -> list[int]:
        if failures:
            raise failures.pop()
        return write(outbox, changes)

    monkeypatch.setattr(HookOutbox, "write", failing_write)
    with world(tmp_path, app) as it:
        it.happened(app, *(said("a", str(number)) for number in range(5)))
        wait_until(lambda: len(receiver.accepted) == 5, "all events")
    assert [event["data"] for event in receiver.events()] == list("01234")
    assert not failures


def test_what_waits_at_the_stop_is_delivered_after_the_next_start(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    receiver.status("/hook", 500)
    with world(tmp_path, app) as it:
        it.happened(app, *(said("a", str(number)) for number in range(5000)))
    receiver.status("/hook", 200)
    with world(tmp_path, an_app(Webhook(url=f"{receiver.url}/hook"), batch=True)):
        wait_until(lambda: len(receiver.events()) == 5000, "all events")
    assert [event["data"] for event in receiver.events()] == [str(number) for number in range(5000)]


def test_after_a_restart_only_those_who_did_not_return_are_told_to_be_gone(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app, hold_back_s=30.0) as it:
        it.happened(app, occupied("presence-a"), added("presence-a", "u1"), added("presence-a", "u2"), occupied("b"))
        wait_until(lambda: len(receiver.accepted) == 4, "all arrivals")
        # At the stop all sockets are closed, and nobody is to hear of that.
        it.happened(app, removed("presence-a", "u1"), vacated("b"))
    receiver.accepted.clear()
    with world(tmp_path, app, return_s=0.5) as it:
        it.happened(app, occupied("presence-a"), added("presence-a", "u1"), occupied("c"))
        wait_until(lambda: len(receiver.accepted) == 3, "what has changed")
    told = sorted((event["name"], event["channel"], event.get("user_id")) for event in receiver.events())
    assert told == [
        ("channel_occupied", "c", None),
        ("channel_vacated", "b", None),
        ("member_removed", "presence-a", "u2"),
    ]
    receiver.accepted.clear()
    with world(tmp_path, app, return_s=0.01):
        wait_until(lambda: len(receiver.accepted) == 3, "the rest")
    assert sorted(receiver.names()) == ["channel_vacated", "channel_vacated", "member_removed"]
