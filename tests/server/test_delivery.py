"""Who gets what: exact totals, order, and nobody who waits for a slow client."""

import contextlib
import itertools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.support.raw import CLOSE, TEXT, RawConnection, client_frame, close_payload, handshake, request
from tests.support.server import DEADLINE_S, ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

KIB = 1024
MIB = 1024 * KIB
TINY = 4 * KIB
"""A receive buffer for clients that shall be slow."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app. Its slices are small, its outboxes too."""
    settings = {"fanout_slice": 64, "outbox_limit": 64 * KIB, "close_timeout": 30}
    with ServerProcess(tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


class Publisher:
    """A backend with one connection."""

    def __init__(self, raw: RawConnection, app: TestApp) -> None:
        self._raw = raw
        self._app = app

    def push(self, content: str, user_tag: str = "") -> int:
        """Push; returns the total."""
        self._raw.send(self.request(content, user_tag))
        return self.total()

    def request(self, content: str, user_tag: str = "") -> bytes:
        body = urlencode({"content": content, "user_tag": user_tag}).encode()
        return request("POST", f"/api/push/{self._app.key}", body, self._app.auth)

    def total(self) -> int:
        answer = self._raw.answer()
        assert answer.status == 200, answer
        return int(answer.json["total"])


@pytest.fixture
def publisher(server: ServerProcess, app: TestApp) -> Iterator[Publisher]:
    """A backend of `app`."""
    with RawConnection(server.port) as raw:
        yield Publisher(raw, app)


def until_close(raw: RawConnection) -> list[str]:
    """All texts up to the server's close frame."""
    texts = []
    while (frame := raw.frame()).opcode != CLOSE:
        assert frame.opcode == TEXT
        texts.append(frame.payload.decode())
    return texts


def by_publisher(texts: Iterable[str]) -> dict[str, list[int]]:
    """The numbers of the contents "publisher:number", in order of arrival."""
    numbers = defaultdict(list)
    for name, _, number in (text.partition(":") for text in texts):
        numbers[name].append(int(number))
    return numbers


def in_parallel(*calls: Callable[[], object]) -> list[object]:
    """Run all at the same time; the first failure is raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(call) for call in calls]]


def test_totals_and_order_are_exact_while_clients_come_and_go(server: ServerProcess, app: TestApp) -> None:
    publishers, pushes, steady, rounds = 4, 250, 5, 50
    counted_before = server.metric("pushery_messages_out_total")
    totals: list[int] = []
    over = threading.Event()

    def publish(name: int) -> None:
        with RawConnection(server.port) as raw:
            publisher = Publisher(raw, app)
            totals.extend([publisher.push(f"{name}:{number}") for number in range(pushes)])

    def come_and_go(seed: int) -> list[list[str]]:
        draw = random.Random(seed)
        stays: list[list[str]] = []
        while len(stays) < rounds and not over.is_set():
            stay = draw.randrange(80)
            with RawConnection(server.port) as raw:
                raw.open_socket(app.key, f"visitor {seed}")
                texts: list[str] = []
                while len(texts) < stay and (not texts or texts[-1] != "end:0"):
                    texts.append(raw.text())
                raw.send(client_frame(CLOSE, close_payload(1000)))
                stays.append(texts + until_close(raw))
        return stays

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        stayers = [stack.enter_context(RawConnection(server.port)) for _ in range(steady)]
        for number, raw in enumerate(stayers):
            raw.open_socket(app.key, f"steady {number}")
        visitors = [pool.submit(come_and_go, seed) for seed in range(3)]
        in_parallel(*[lambda name=name: publish(name) for name in range(publishers)])
        over.set()
        ends = 0
        while ends == 0 or not all(visitor.done() for visitor in visitors):
            totals.append(server.push(app, "end:0"))
            ends += 1
        complete = [[raw.text() for _ in range(publishers * pushes + ends)] for raw in stayers]
    stays = [stay for visitor in visitors for stay in visitor.result()]
    for texts in complete:
        numbers = by_publisher(texts)
        assert numbers.pop("end") == [0] * ends
        assert numbers == {f"{name}": list(range(pushes)) for name in range(publishers)}
    for texts in stays:
        for numbers_of_one in (value for name, value in by_publisher(texts).items() if name != "end"):
            assert numbers_of_one == list(range(numbers_of_one[0], numbers_of_one[0] + len(numbers_of_one)))
    received = sum(map(len, complete)) + sum(map(len, stays))
    assert sum(totals) == received
    assert server.metric("pushery_messages_out_total") - counted_before == received


def test_a_client_whose_handshake_has_been_answered_is_counted(
    server: ServerProcess, app: TestApp, publisher: Publisher
) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(200):
            raw = stack.enter_context(RawConnection(server.port))
            raw.open_socket(app.key, f"{number}")
            assert publisher.push("to the last", f"^{number}$") == 1
            assert publisher.push("to all") == number + 1
            assert (raw.text(), raw.text()) == ("to the last", "to all")


def test_a_client_whose_close_has_been_seen_is_not_counted(
    server: ServerProcess, app: TestApp, publisher: Publisher
) -> None:
    for _ in range(50):
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, "A")
            raw.send(client_frame(CLOSE))
            assert raw.frame().opcode == CLOSE
            assert publisher.push("to nobody") == 0


def test_a_huge_audience_gets_broadcasts_and_small_pushes_in_order_and_totals_are_exact(
    server: ServerProcess, app: TestApp
) -> None:
    """The audience is six slices, so that broadcasts are on their way when small pushes come."""
    audience, rounds = 400, 12
    tags = [f"c:{number}" for number in range(audience)]
    with contextlib.ExitStack() as stack:
        sockets = {tag: stack.enter_context(RawConnection(server.port)) for tag in tags}
        for tag, raw in sockets.items():
            raw.open_socket(app.key, tag)

        def publish(name: str, patterns: list[tuple[str, int]]) -> None:
            with RawConnection(server.port) as raw:
                publisher = Publisher(raw, app)
                sent = [
                    (f"{name}:{number * len(patterns) + at}", pattern, total)
                    for number in range(rounds)
                    for at, (pattern, total) in enumerate(patterns)
                ]
                raw.send(b"".join(publisher.request(content, pattern) for content, pattern, _ in sent))
                assert [publisher.total() for _ in sent] == [total for _, _, total in sent]

        ten = [tag for tag in tags if tag.startswith("c:1") and len(tag) == 4]
        in_parallel(
            lambda: publish("all", [("", audience)]),
            lambda: publish("mixed", [("", audience), ("^c:1.$", 10), ("^c:10$", 1), ("^c:", audience)]),
            lambda: publish("few", [("^c:1.$", 10)]),
            lambda: publish("one", [("^c:10$", 1)]),
        )
        for tag, raw in sockets.items():
            mixed = [n for n in range(4 * rounds) if n % 4 in (0, 3) or (n % 4 == 1 and tag in ten) or tag == "c:10"]
            expected = {"all": list(range(rounds)), "mixed": mixed}
            if tag in ten:
                expected["few"] = list(range(rounds))
            if tag == "c:10":
                expected["one"] = list(range(rounds))
            texts = [raw.text() for _ in range(sum(map(len, expected.values())))]
            assert by_publisher(texts) == expected
            assert raw.waiting == b""
        assert server.push(app, "no more than that") == audience
        assert {raw.text() for raw in sockets.values()} == {"no more than that"}


def test_what_is_pushed_because_a_broadcast_arrived_somewhere_arrives_behind_it_everywhere(
    server: ServerProcess, app: TestApp, publisher: Publisher
) -> None:
    """The first to join is served in the broadcast's first slice, the last to join in its last."""
    audience, rounds = 400, 20
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(RawConnection(server.port)) for _ in range(audience)]
        for number, raw in enumerate(sockets):
            raw.open_socket(app.key, f"{number}")
        backend = stack.enter_context(RawConnection(server.port))
        for number in range(rounds):
            backend.send(publisher.request(f"all:{number}"))
            assert sockets[0].text() == f"all:{number}"
            assert publisher.push(f"one:{number}", f"^{audience - 1}$") == 1
            assert sockets[-1].text() == f"all:{number}"
            assert sockets[-1].text() == f"one:{number}"
            assert backend.answer().json["total"] == f"{audience}"


def test_a_slow_client_is_closed_with_4101_and_delays_nobody(
    server: ServerProcess, app: TestApp, publisher: Publisher
) -> None:
    pushes, size = 200, 50 * KIB
    closed_before, memory_before = server.metric("pushery_slow_clients_total"), server.resident_bytes
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(RawConnection(server.port, receive_buffer=TINY)) for _ in range(3)]
        fast = [stack.enter_context(RawConnection(server.port)) for _ in range(3)]
        for number, raw in enumerate([*slow, *fast]):
            raw.open_socket(app.key, f"{'slow' if raw in slow else 'fast'} {number}")
        totals, longest = [], 0.0
        for number in range(pushes):
            started = time.monotonic()
            content = f"{number}:".ljust(size, "x")
            totals.append(publisher.push(content))
            for raw in fast:
                assert raw.text() == content
            longest = max(longest, time.monotonic() - started)
        assert longest < 5, "somebody waited for the slow"
        assert totals[0] == 6
        assert totals[-1] == 3
        assert server.online(app) == ["fast 3", "fast 4", "fast 5"]
        assert server.metric("pushery_slow_clients_total") - closed_before == 3
        assert server.resident_bytes - memory_before < 16 * MIB
        for raw in slow:
            texts = until_close_of_slow(raw)
            assert [int(text.partition(":")[0]) for text in texts] == list(range(len(texts)))
            assert len(texts) < pushes


def until_close_of_slow(raw: RawConnection) -> list[str]:
    """All texts up to the close frame, which is the one for slow clients."""
    texts = []
    while (frame := raw.frame()).opcode == TEXT:
        texts.append(frame.payload.decode())
    assert frame == (CLOSE, close_payload(4101, "too slow: outbox full"), False)
    return texts


def test_a_client_that_reads_too_slowly_all_the_while_gets_whole_frames_and_then_4101(
    server: ServerProcess, app: TestApp, publisher: Publisher
) -> None:
    """The kernel has room again and again while the transport still holds the rest of a frame."""
    with RawConnection(server.port, receive_buffer=TINY) as slow:
        slow.open_socket(app.key, "slow")
        contents = [f"{number}:".ljust(9 * KIB, "x") for number in range(1000)]
        totals = []
        for content in contents:
            totals.append(publisher.push(content))
            slow.take_in(1500)
            if totals[-1] == 0:
                break
        assert totals[-1] == 0
        texts = until_close_of_slow(slow)
        assert texts == contents[: len(texts)]


def test_a_slow_client_that_reads_again_in_time_gets_everything_in_order(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with ServerProcess(tmp_path_factory.mktemp("roomy"), outbox_limit=32 * MIB) as server:
        app = server.register()
        with (
            RawConnection(server.port, receive_buffer=TINY) as slow,
            RawConnection(server.port) as backend,
            ThreadPoolExecutor(1) as pool,
        ):
            slow.open_socket(app.key, "slow")
            publisher = Publisher(backend, app)
            sizes = itertools.cycle([10, 50 * KIB, 200, 100 * KIB])
            contents = [f"{number}:".ljust(size, "x") for number, size in zip(range(300), sizes, strict=False)]
            for content in contents[:200]:
                assert publisher.push(content) == 1
            reading = pool.submit(lambda: [slow.text() for _ in contents])
            for content in contents[200:]:
                assert publisher.push(content, "^slow$") == 1
            assert reading.result(DEADLINE_S) == contents
            assert publisher.push("and it is still there") == 1
            assert slow.text() == "and it is still there"
        assert server.metric("pushery_slow_clients_total") == 0


def test_a_socket_opened_behind_replies_that_nobody_reads_is_bounded_too(server: ServerProcess, app: TestApp) -> None:
    """Wherever the unread replies fill the transport, before, in or after the turn of the handshake."""
    other = server.register("other")
    content = "x" * 12 * KIB
    with contextlib.ExitStack() as stack:
        for count in range(200, 300, 10):
            raw = stack.enter_context(RawConnection(server.port, receive_buffer=TINY))
            replies = Publisher(raw, other).request(content) * count
            sent = raw.send_what_fits(replies, 0.2)
            if sent == len(replies):
                raw.send(handshake(app.key, f"{count}"))
        memory_before = server.resident_bytes
        for _ in range(200):
            server.push(app, "y" * 50 * KIB)
        assert server.online(app) == []
        assert server.resident_bytes - memory_before < 16 * MIB


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_large_content_arrives(server: ServerProcess, app: TestApp, compression: str | None) -> None:
    content = "".join(chr(0x4E00 + number % 5000) for number in range(200 * KIB // 3))
    with server.client(app, "A", compression=compression) as socket:
        assert server.push(app, content) == 1
        assert socket.recv(DEADLINE_S) == content


def test_the_metrics_count_what_happens(server: ServerProcess, app: TestApp) -> None:
    names = ("connections", "connections_opened_total", "messages_out_total", "messages_in_total", "pushes_total")

    def counters() -> list[float]:
        return [server.metric(f"pushery_{name}") for name in names]

    wait_until(lambda: server.metric("pushery_connections") == 0, "the sockets of other tests to be gone")
    before = counters()
    with server.client(app, "A") as one, server.client(app, "B"):
        server.push(app, "to both")
        server.push(app, "to one", "^A$")
        server.push(app, "to nobody", "^C$")
        server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "("}, app.auth)
        one.send("hello")
        wait_until(lambda: counters()[3] > before[3], "the message to be counted")
        assert [after - earlier for after, earlier in zip(counters(), before, strict=True)] == [2, 2, 3, 1, 3]
    wait_until(lambda: server.metric("pushery_connections") == 0, "the sockets to be gone")
