"""Hostile bytes against a real server: each is answered as the docs say, in bounded memory, and the others do not wait.

How long the others wait is measured beside the attack (`tests.support.beside`), at 50 pushes a second.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attack import attacks
from tests.support.beside import Beside, beside, percentile, running
from tests.support.raw import CLOSE, PING, TEXT, RawConnection, client_frame, request
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

LIMIT_S = 0.05
"""What 99 of 100 pushes beside an attack may take, when the processors are free for the server."""
ATTACK_S = 1.5
CROWDED = 4
"""How much longer a push may take beside `MANY` who ask as fast as they can: each of them has its turn as well."""
ATTEMPTS = 3
"""Somebody else's work on the same machine spoils an attempt, not all of them."""
GROWTH = 48 * 1024 * 1024
"""Bytes that the server may grow by in an attack: eight connections with a piece each, twice over, and what the
allocator keeps."""
PIECE = 256 * 1024
"""What is read of a connection at once, and may wait there while many others have their turn."""
MANY = 200

GET = request("GET", "/healthz")
POST = b"POST /healthz HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all that must not harm it."""
    with ServerProcess(tmp_path_factory.mktemp("attacked"), environment="PRODUCTION") as running_server:
        yield running_server


@pytest.fixture(scope="module")
def victim(attacked: ServerProcess) -> TestApp:
    """The app that is used as it is meant to be, and attacked."""
    return attacked.register()


@pytest.fixture(scope="module")
def bystander(attacked: ServerProcess, victim: TestApp) -> Iterator[Beside]:
    """Who must not be held up."""
    with beside(attacked, victim) as pushing:
        yield pushing


# Request smuggling: whoever is in front may see other requests than we do, so what can be read in two ways is refused.


def smuggling(framing: bytes, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> bytes:
    """A request with this framing, and one behind it that must not be answered."""
    return POST + framing + b"\r\n\r\n" + body + GET


REFUSED = {
    "both lengths": (smuggling(b"Content-Length: 15\r\nTransfer-Encoding: chunked"), 400),
    "both lengths, the other way round": (smuggling(b"Transfer-Encoding: chunked\r\nContent-Length: 15"), 400),
    "two lengths": (smuggling(b"Content-Length: 5\r\nContent-Length: 15", b"hello"), 400),
    "one length twice": (smuggling(b"Content-Length: 5\r\nContent-Length: 5", b"hello"), 400),
    "a list of lengths": (smuggling(b"Content-Length: 5, 5", b"hello"), 400),
    "a length with a sign": (smuggling(b"Content-Length: +5", b"hello"), 400),
    "a hexadecimal length": (smuggling(b"Content-Length: 0x5", b"hello"), 400),
    "a length of too many digits": (smuggling(b"Content-Length: 99999999999999999999", b"hello"), 400),
    "a space before the colon": (smuggling(b"Content-Length : 5", b"hello"), 400),
    "a folded line": (smuggling(b"Content-Length:\r\n 5", b"hello"), 400),
    "a folded coding": (smuggling(b"Transfer-Encoding:\r\n chunked"), 400),
    "lines that end in LF": (b"GET /healthz HTTP/1.1\nHost: h\n\n" + GET, 400),
    "one line that ends in CR": (smuggling(b"X: y\rContent-Length: 5", b"hello"), 400),
    "a null in a value": (smuggling(b"X: \0", b""), 400),
    "a vertical tab in a name": (smuggling(b"Transfer-Encoding\x0b: chunked"), 400),
    "chunked twice": (smuggling(b"Transfer-Encoding: chunked, chunked"), 400),
    "chunked twice, on two lines": (smuggling(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400),
    "chunked before another coding": (smuggling(b"Transfer-Encoding: chunked, identity"), 400),
    "a coding that looks like chunked": (smuggling(b"Transfer-Encoding: xchunked"), 400),
    "another coding": (smuggling(b"Transfer-Encoding: gzip, chunked"), 501),
    "chunks in HTTP/1.0": (smuggling(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400),
    "a chunk size with a sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n" + GET, 400),
    "a chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n" + GET, 400),
    "a chunk size with a space before it": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n" + GET, 400),
    "a chunk size that overflows": (CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n" + GET, 400),
    "a chunk size that ends in LF": (CHUNKED + b"5\nhello\r\n0\r\n\r\n" + GET, 400),
    "a chunk that ends in LF": (CHUNKED + b"5\r\nhello\n0\r\n\r\n" + GET, 400),
    "a chunk longer than its size": (CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n" + GET, 400),
    "a chunk larger than a body may be": (CHUNKED + b"ffffffff\r\n" + GET, 413),
    "a length among the trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n" + GET, 400),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n" + GET, 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET, 400),
    "a giant header": (b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 20_000 + b"\r\n\r\n" + GET, 431),
    "a giant target": (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n" + GET, 431),
    "giant chunk extensions": (CHUNKED + b"1;" + b"x" * 20_000 + b"\r\nx\r\n0\r\n\r\n" + GET, 431),
    "giant trailers": (CHUNKED + b"0\r\nX: " + b"x" * 20_000 + b"\r\n\r\n" + GET, 431),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    what: str, attacked: ServerProcess
) -> None:
    data, status = REFUSED[what]
    for piece in (len(data), 1 if len(data) < 1000 else 1000):
        with RawConnection(attacked.port) as raw:
            for at in range(0, len(data), piece):
                raw.send_what_fits(data[at : at + piece])
            answer = raw.answer()
            assert (answer.status, answer.headers["Connection"]) == (status, "close")
            assert raw.rest() == b""


ODD = {
    "a chunk extension": CHUNKED + b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
    "zeros before a chunk size": CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n",
    "trailers": CHUNKED + b"5\r\nhello\r\n0\r\nHost: other\r\n\r\n",
    "a request within a chunk": CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET),
    "a request within a body": POST + b"Content-Length: %d\r\n\r\n%b" % (len(GET), GET),
    "empty lines before it": b"\r\n\r\n" + GET,
    "a length with zeros before it": POST + b"Content-Length: 0005\r\n\r\nhello",
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_but_clear_is_read_to_its_end(what: str, attacked: ServerProcess) -> None:
    for piece in (len(ODD[what]), 1):
        with RawConnection(attacked.port) as raw:
            for at in range(0, len(ODD[what]), piece):
                raw.send(ODD[what][at : at + piece])
            raw.send(GET)
            raw.finish_sending()
            assert raw.answer().status in (200, 405)
            assert raw.answer().status == 200
            assert raw.rest() == b""


# Beside an attack.


def waited_s(*processes: int) -> float:
    """How long these have been ready to run and not run: the processors had other work (schedstats of Linux)."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in processes) / 1e9


def suffer(what: str, server: ServerProcess, app: TestApp, bystander: Beside, count: int) -> tuple[float, float]:
    """Under attack: the delay that 99 of 100 pushes do not pass, and what it may be."""
    with running("attack", what, str(server.port), app.key, str(count)) as attacker:
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == "attacking\n"
        bystander.delays()
        began, waited = time.monotonic(), waited_s(server.process.pid, bystander.pid)
        time.sleep(ATTACK_S)
        delays = bystander.delays()
        share = (waited_s(server.process.pid, bystander.pid) - waited) / (time.monotonic() - began)
    assert len(delays) >= 50 * ATTACK_S * 0.9
    return percentile(delays, 0.99), LIMIT_S * max(1.0, 10 * share)


def _count(what: str) -> int:
    """How many connections attack at a time."""
    if "many" in what:
        return MANY // 2
    return MANY if "slow" in what else 8


@pytest.mark.parametrize("what", attacks("key"))
def test_an_attack_does_not_hold_up_the_others(
    what: str, attacked: ServerProcess, victim: TestApp, bystander: Beside
) -> None:
    before = attacked.resident_bytes
    for _ in range(ATTEMPTS):
        delay, most = suffer(what, attacked, victim, bystander, _count(what))
        most *= CROWDED if "many" in what else 1
        if delay < most:
            break
    assert delay < most
    assert attacked.resident_bytes < before + GROWTH + (_count(what) * PIECE if "many" in what else 0)


def test_without_a_rate_every_client_still_has_its_turn(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environment="PRODUCTION", client_messages_per_second=0) as server:
        app = server.register()
        with beside(server, app) as bystander:
            for what in ("tiny messages", "pings", "empty fragments"):
                before = server.resident_bytes
                assert any(
                    delay < most for delay, most in (suffer(what, server, app, bystander, 8) for _ in range(ATTEMPTS))
                ), what
                assert server.resident_bytes < before + GROWTH


# One attacker, to the end.


def test_a_hundred_thousand_pipelined_requests_are_answered_one_by_one(attacked: ServerProcess) -> None:
    count = 100_000
    before = attacked.resident_bytes
    with RawConnection(attacked.port) as raw, raw.sending(GET * (count - 1) + request("GET", "/last")):
        answers, tail = 0, b""
        while answers < count:
            data = raw.socket.recv(1 << 18)
            assert data, "the server ended the connection"
            answers += (tail + data).count(b"HTTP/1.1 ") - tail.count(b"HTTP/1.1 ")
            tail = (tail + data)[-1000:]
    assert b"HTTP/1.1 404 " in tail
    assert attacked.resident_bytes < before + GROWTH


def test_a_million_tiny_messages_are_all_read_in_the_end_and_in_order(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environment="PRODUCTION", client_messages_per_second=0) as server:
        app, count = server.register(), 1_000_000
        before = server.resident_bytes
        with RawConnection(server.port) as raw:
            raw.open_socket(app.key, "A")
            with raw.sending(client_frame(TEXT) * count + client_frame(PING, b"the last")):
                assert raw.frame().payload == b"the last"
        assert server.metric("pushery_messages_in_total") == count
        assert server.resident_bytes < before + GROWTH


def test_who_sends_slowly_or_nothing_is_told_and_let_go_of(tmp_path: Path) -> None:
    short = {"header_timeout": 0.5, "body_timeout": 0.5, "ping_idle": 0.5, "ping_timeout": 0.5, "close_timeout": 0.5}
    with ServerProcess(tmp_path, **short) as server:
        app = server.register()
        with (
            RawConnection(server.port) as head,
            RawConnection(server.port) as body,
            RawConnection(server.port) as vanished,
        ):
            vanished.open_socket(app.key, "A")  # and says nothing any more: no pong, no close, no end
            head.send(GET[:-2])
            body.send(CHUNKED + b"5\r\nhell")
            assert head.answer().status == 408
            assert body.answer().status == 408
            assert (head.rest(), body.rest()) == (b"", b"")
            wait_until(lambda: server.metric("pushery_connections") == 0, "the server to let go")
            frames = [vanished.frame(), vanished.frame()]
            assert [frame.opcode for frame in frames] == [PING, CLOSE]
            assert vanished.rest() == b""
