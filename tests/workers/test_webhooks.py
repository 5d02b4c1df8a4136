"""Webhooks from the event to a receiver, over real HTTP and a real outbox."""

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pusher
import pytest

from pushery.core.appsettings import Webhook
from pushery.core.hookevents import HookEvent
from pushery.core.ports import StorageError
from pushery.storage.hookoutbox import Changes, DeadLetter, HookOutbox, has_hook_outbox, open_hook_outbox
from pushery.workers.delivery import UNTRIED
from tests.support.server import wait_until
from tests.workers.receiver import Receiver, Request, receiving
from tests.workers.worlds import World, added, an_app, occupied, removed, said, vacated, world


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
            assert letters[0].error in ("HTTP 418", UNTRIED)  # its time may be over between two attempts
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


def test_a_private_address_is_refused_and_the_dead_letter_says_which_setting_allows_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    hosts = ("127.0.0.1", "localhost", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]")  # noqa: S104
    app = an_app(*(Webhook(url=f"http://{host}:{receiver.port}/hook") for host in hosts))
    with world(tmp_path, app, private_addresses=False) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: it.worker.stats.dead == len(hosts), "all refused")
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == len(hosts), "all on the disk")
        letters = asyncio.run(it.worker.dead_letters("key1"))
    assert receiver.requests == []
    assert [letter.url for letter in letters if "webhook_private_addresses" not in letter.error] == []


def test_redirects_are_followed_only_when_the_settings_say_so(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/old", headers={"X-Own": "1"}))
    receiver.status("/old", 307)
    receiver.location = "/new"
    with world(tmp_path, app, retry_time_s=0.1) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == 1, "a dead letter")
        (letter,) = asyncio.run(it.worker.dead_letters("key1"))
        assert "webhook_redirects" in letter.error
        assert {request.path for request in receiver.requests} == {"/old"}
    with world(tmp_path, app, redirects=True) as it:
        it.happened(app, said("a", "x"))
        wait_until(lambda: receiver.names("/new") == ["client_event"], "the event")
    assert receiver.accepted[0].headers["X-Own"] == "1"


def test_own_headers_do_not_follow_a_redirect_to_another_server(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/old", headers={"Authorization": "Bearer x"}))
    receiver.status("/old", 301)
    receiver.location = f"http://localhost:{receiver.port}/new"
    with world(tmp_path, app, redirects=True) as it:
        it.happened(app, said("a", "x"))
        wait_until(lambda: receiver.names("/new") == ["client_event"], "the event")
    assert receiver.requests[0].headers["Authorization"] == "Bearer x"
    assert "Authorization" not in receiver.accepted[0].headers


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


def test_a_worker_that_was_stopped_takes_nothing_and_stops_again(tmp_path: Path, receiver: Receiver) -> None:
    app = an_app(Webhook(url=f"{receiver.url}/hook"))
    with world(tmp_path, app) as it:
        it.stop()
        it.happened(app, occupied("a"))
        assert asyncio.run(it.worker.replay("key1")) == 0
        assert asyncio.run(it.worker.waiting("key1")) == []
    assert receiver.requests == []


@pytest.mark.parametrize("ends", [False, True], ids=["stays", "closes"])
@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 1000000000\r\n\r\n" + b"x" * 8192,
        b"Content-Length: 100\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["endless", "short", "part of a chunk", "no chunk", "not as it says"],
)
def test_an_answer_is_its_status_and_its_body_is_not_waited_for(tmp_path: Path, answer: bytes, ends: bool) -> None:
    asked: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n" + answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            if not ends:
                await reader.read()  # the other side has closed the connection when this returns
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        app = an_app(Webhook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        it = World(tmp_path, app, timeout_s=60.0)
        it.worker.start()
        it.happened(app, occupied("a"))
        await asyncio.to_thread(wait_until, lambda: it.worker.stats.delivered, "a delivery")
        await it.worker.stop(1.0)
        server.close()

    asyncio.run(run())
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", "without an answer"), (b"nonsense\r\n\r\n", ""), (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000, "")],
)
def test_an_answer_that_is_none_is_a_failure(tmp_path: Path, answer: bytes, error: str) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        app = an_app(Webhook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        it = World(tmp_path, app, retry_time_s=0.0)
        it.worker.start()
        it.happened(app, occupied("a"))
        loop = asyncio.get_running_loop()

        def dead() -> list[DeadLetter]:
            return asyncio.run_coroutine_threadsafe(it.worker.dead_letters("key1"), loop).result()

        letters = await asyncio.to_thread(wait_until, dead, "a dead letter")
        assert error in letters[0].error
        await it.worker.stop(1.0)
        server.close()

    asyncio.run(run())


def test_a_host_without_an_address_and_a_port_without_a_listener_are_failures(tmp_path: Path) -> None:
    urls = ("http://nowhere.invalid/", "http://127.0.0.1:1/", "gopher://127.0.0.1/", "http://[/", f"http://{'a' * 70}/")
    app = an_app(*(Webhook(url=url) for url in urls))
    with world(tmp_path, app, retry_time_s=0.0) as it:
        it.happened(app, occupied("a"))
        wait_until(lambda: len(asyncio.run(it.worker.dead_letters("key1"))) == len(urls), "all given up")
        errors = {letter.url: letter.error for letter in asyncio.run(it.worker.dead_letters("key1"))}
    assert "cannot be resolved" in errors[urls[0]]
    assert "no connection" in errors[urls[1]]
    assert "cannot be used" in errors[urls[2]]
    assert "cannot be" in errors[urls[3]]
    assert "cannot be" in errors[urls[4]]


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
