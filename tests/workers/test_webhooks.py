"""Webhooks from the event to a receiver, over real HTTP and a real outbox."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pusher
import pytest

from pushery.core.appsettings import Webhook
from pushery.core.hookevents import HookEvent
from pushery.core.ports import StorageError
from pushery.storage.hookoutbox import has_hook_outbox
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, Request, receiving
from tests.workers.worlds import World, added, an_app, occupied, said, vacated, world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_an_event_arrives_as_the_protocol_says(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as it:
        before = it.clock.wall_ms()
        it.happened(app, HookEvent("client_event", "presence-a", "client-x", '{"é":1}', "1.2", "u1"))
        wait_until(lambda: receiver.accepted, "the event")
    (request,) = receiver.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Pusher-Key"] == "key1"
    assert request.headers["X-Pusher-Signature"] == hmac.new(b"secret", request.body, hashlib.sha256).hexdigest()
    time_ms = request.json["time_ms"]
    assert before <= time_ms <= it.clock.wall_ms()
    event = (
        '{"name":"client_event","channel":"presence-a","event":"client-x","data":"{\\"é\\":1}",'
        '"socket_id":"1.2","user_id":"u1"}'
    )
    assert request.body.decode() == f'{{"time_ms":{time_ms},"events":[{event}]}}'


def test_options_change_while_it_runs(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app, private_addresses=False) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: it.worker.stats.dead == 1, "the first event to be given up")
        it.worker.configure(replace(it.options, private_addresses=True))
        it.happened(app, occupied("b"))
        wait_until(lambda: receiver.accepted, "the second event")
        it.worker.configure(it.options)
        it.happened(app, occupied("c"))
        wait_until(lambda: it.worker.stats.dead == 2, "the third event to be given up")
    assert len(receiver.requests) == 1


def test_it_is_measured_how_long_requests_and_events_take(tmp_path: Path, receiver: Receiver) -> None:
    async def refuse(request: Request) -> int:
        return 503

    receiver.answers["/bad"] = refuse
    good, bad = an_app(Webhook(url=f"{receiver.url}/hook")), an_app(Webhook(url=f"{receiver.url}/bad"), number=2)
    with world(tmp_path, good, bad) as it:
        stats = it.worker.stats
        before = it.clock.wall_ms()
        it.happened(good, occupied("a"))
        it.happened(bad, occupied("a"))
        wait_until(lambda: stats.delivered and stats.failed_attempts, "both requests")
        wait_until(lambda: stats.oldest_ms is not None, "the event that waits")
        assert stats.oldest_ms is not None
        assert before <= stats.oldest_ms <= it.clock.wall_ms()
        assert sum(stats.request_seconds.counts) >= 2
        assert sum(stats.delay_seconds.counts) == 1
        assert 0 <= stats.delay_seconds.total < 20
        it.directory.drop("key2")
        wait_until(lambda: stats.oldest_ms is None, "nothing to wait")


@pytest.mark.parametrize("batch", [False, True])
def test_the_official_library_accepts_our_requests(tmp_path: Path, receiver: Receiver, batch: bool) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"), batch=batch)
    with world(tmp_path, app) as it:
        it.happened(app, occupied("a"), HookEvent("subscription_count", channel="a", subscription_count=0))
        wait_until(lambda: len(receiver.names()) == 2, "both events")
    backend = pusher.Pusher(app_id="1", key="key1", secret="secret")
    for request in receiver.requests:
        signature = request.headers["X-Pusher-Signature"]
        assert backend.validate_webhook(request.headers["X-Pusher-Key"], signature, request.body.decode())
        assert backend.validate_webhook("key1", signature, request.body.decode() + " ") is None


def test_a_channel_that_is_back_in_time_was_never_away(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app, hold_back_s=30.0) as it:
        it.happened(app, occupied("a"), vacated("a"), occupied("a"), said("a", "end"))
        wait_until(lambda: len(receiver.names()) == 2, "both events")
        assert receiver.names() == ["channel_occupied", "client_event"]
        it.happened(app, vacated("a"))
        it.happened(app, said("a", "between"))
        wait_until(lambda: "between" in str(receiver.events()), "the event in between")
        it.clock.ahead_s += 30
        it.happened(app, said("b", "wake"))
        wait_until(lambda: "channel_vacated" in receiver.names(), "the departure")


def test_the_filters_of_each_webhook_are_kept(tmp_path: Path, receiver: Receiver) -> None:
    hooks = (
        Webhook(url=f"{receiver.url}/all"),
        Webhook(url=f"{receiver.url}/members", events=("member_added",)),
        Webhook(url=f"{receiver.url}/sockets", events=("connected",)),
        Webhook(url=f"{receiver.url}/rooms", channel_prefix="presence-room", channel_suffix="-x"),
    )
    app = an_app(*hooks)
    with world(tmp_path, app) as it:
        it.happened(app, HookEvent("connected", socket_id="1.1"), occupied("presence-room-x"))
        it.happened(app, added("presence-hall", "u"), occupied("presence-room-y"))
        wait_until(lambda: len(receiver.names()) == 6, "all events")
    assert sorted(receiver.names("/all")) == ["channel_occupied", "channel_occupied", "member_added"]
    assert receiver.names("/sockets") == ["connected"]
    assert receiver.names("/members") == ["member_added"]
    assert [event["channel"] for event in receiver.events("/rooms")] == ["presence-room-x"]


def test_own_headers_are_sent_but_replace_none_of_ours(tmp_path: Path, receiver: Receiver) -> None:
    own = {"Authorization": "Bearer x", "content-type": "text/plain", "X-Pusher-Key": "y", "Host": "z", "bad\n": "1"}
    app = an_app(Webhook(url=f"{receiver.url}/hook", headers=own))
    with world(tmp_path, app) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: receiver.accepted, "the event")
    headers = receiver.requests[0].headers
    assert headers["Authorization"] == "Bearer x"
    assert (headers["Content-Type"], headers["X-Pusher-Key"]) == ("application/json", "key1")
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"


def test_requests_of_a_webhook_share_connections(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as it:
        it.happened(app, *(said("a", str(number)) for number in range(30)))
        wait_until(lambda: len(receiver.accepted) == 30, "all events")
    assert len({request.connection for request in receiver.requests}) == 1


def test_events_that_queue_up_go_out_together_when_the_app_wants_it(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"), batch=True)
    receiver.status("/hook", 500)
    with world(tmp_path, app, batch_events=10, batch_bytes=2000) as it:
        it.happened(app, *(said(f"c{number % 3}", f"{number:02}" + "x" * 100) for number in range(60)))
        wait_until(lambda: len(receiver.requests) >= 3, "some attempts")
        receiver.status("/hook", 200)
        wait_until(lambda: len(receiver.events()) == 60, "all events")
    assert max(len(request.events) for request in receiver.accepted) > 1
    for request in receiver.accepted:
        assert len(request.events) <= 10
        assert len(request.body) <= 2100
    for channel in ("c0", "c1", "c2"):
        numbers = [event["data"][:2] for event in receiver.events() if event["channel"] == channel]
        assert numbers == sorted(numbers)


def test_a_secret_that_was_rotated_signs_what_waited(tmp_path: Path, receiver: Receiver) -> None:
    hook = Webhook(url=f"{receiver.url}/hook")
    app = an_app(hook)
    receiver.status("/hook", 500)
    with world(tmp_path, app) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: receiver.requests, "an attempt")
        it.directory.put(an_app(hook, secret="rotated"))
        receiver.status("/hook", 200)
        wait_until(lambda: receiver.accepted, "the event")
    (request,) = receiver.accepted
    assert request.headers["X-Pusher-Signature"] == hmac.new(b"rotated", request.body, hashlib.sha256).hexdigest()


def test_no_file_and_no_thread_is_made_before_an_app_has_webhooks(tmp_path: Path, receiver: Receiver) -> None:
    with world(tmp_path, an_app()) as it:
        assert not has_hook_outbox(it.sqldir)
        assert asyncio.run(it.worker.dead_letters("key1")) == []
        app = an_app(Webhook(url=f"{receiver.url}/hook"))
        it.directory.put(app)
        it.happened(app, occupied("a"))
        wait_until(lambda: receiver.names() == ["channel_occupied"], "the event")
        assert has_hook_outbox(it.sqldir)


def test_an_outbox_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    it = World(tmp_path, an_app(Webhook(url="http://example.org/")))
    Path(f"{it.sqldir}.hooks").write_text("no database, but long enough to be seen as something else" * 20)
    with pytest.raises(StorageError, match="not an SQLite database"):
        it.worker.start()
    it.stop()


def test_a_worker_that_was_stopped_takes_nothing_and_stops_again(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as it:
        it.stop()
        it.happened(app, occupied("a"))
        assert asyncio.run(it.worker.replay("key1")) == 0
        assert asyncio.run(it.worker.waiting("key1")) == []
    assert receiver.requests == []
