"""The parser of requests: order, limits, expectations, phases and upgrades."""

import gc
import time
import timeit
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from pushery.core.exchange import Request
from pushery.wire.http import BODY, ENDED, HEAD, IDLE, HttpLimits, RequestParser

LIMITS = HttpLimits(max_header_bytes=1024, max_body_bytes=4096)
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
HANDSHAKE = b"GET /app/k HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"


def parser(limits: HttpLimits = LIMITS) -> RequestParser:
    return RequestParser(limits, "10.0.0.1:5000")


def parse(data: bytes, limits: HttpLimits = LIMITS) -> list[Request]:
    """The requests in `data`, all of which has to be well-formed."""
    reader = parser(limits)
    requests = reader.feed(data)
    assert reader.refusal is None
    return requests


def parse_one(data: bytes, limits: HttpLimits = LIMITS) -> Request:
    (request,) = parse(data, limits)
    return request


def refuse(data: bytes, limits: HttpLimits = LIMITS) -> tuple[int, str]:
    """How `data` is refused: the same whole and byte by byte, with nothing taken for a request."""
    whole, bytewise = parser(limits), parser(limits)
    assert whole.feed(data) == []
    assert feed_all(bytewise, [data[i : i + 1] for i in range(len(data))]) == []
    assert whole.refusal is not None, "not refused"
    assert bytewise.refusal is not None, "not refused byte by byte"
    assert (whole.refusal.status, whole.refusal.message) == (bytewise.refusal.status, bytewise.refusal.message)
    assert whole.phase == bytewise.phase == ENDED
    return whole.refusal.status, whole.refusal.code


def feed_all(reader: RequestParser, pieces: Iterable[bytes]) -> list[Request]:
    return [request for piece in pieces for request in reader.feed(piece)]


def head(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: h", *lines)) + b"\r\n\r\n"


# Requests


def test_a_request_comes_with_all_its_parts() -> None:
    data = head(b"X-A: 1", b"content-length: 5", start=b"POST /a%20b/?x=%31&y HTTP/1.1") + b"hello"
    expected = Request(
        method="POST",
        path="/a%20b/",
        query="x=%31&y",
        headers={b"host": b"h", b"x-a": b"1", b"content-length": b"5"},
        body=b"hello",
        version="1.1",
        keep_alive=True,
        peer="10.0.0.1:5000",
        upgrade=False,
    )
    assert parse_one(data) == expected
    assert feed_all(parser(), [data[i : i + 1] for i in range(len(data))]) == [expected]


def test_pipelined_requests_come_in_order() -> None:
    second = head(b"Content-Length: 2", start=b"POST /2 HTTP/1.1") + b"ab"
    third = CHUNKED + b"1\r\nc\r\n0\r\n\r\n"
    bodies = [(r.path, r.body) for r in parse(GET + second + third + GET)]
    assert bodies == [("/", b""), ("/2", b"ab"), ("/", b"c"), ("/", b"")]


def test_empty_lines_before_a_request_are_ignored() -> None:
    assert [r.path for r in parse(b"\r\n\r\n\r\n" + GET + b"\r\n" + GET + b"\r\n")] == ["/", "/"]


def test_an_endless_run_of_empty_lines_is_refused() -> None:
    assert refuse(b"\r\n" * 1024) == (431, "headers_too_large")


# Refusals


def test_requests_before_a_malformed_one_are_still_returned() -> None:
    reader = parser()
    assert len(reader.feed(GET + GET + b"nonsense\r\n\r\n" + GET)) == 2
    assert reader.refusal is not None
    assert reader.refusal.status == 400


def test_data_after_a_refusal_is_ignored() -> None:
    reader = parser()
    reader.feed(b"nonsense\r\n\r\n")
    refusal = reader.refusal
    assert reader.feed(GET) == []
    assert reader.refusal is refusal


# Limits


def test_a_head_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    data = head(b"X: " + b"x" * 100)
    body = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    limits = HttpLimits(len(data), 10)
    assert len(parse(GET + data + body + data, limits)) == 4
    assert refuse(data, HttpLimits(len(data) - 1, 10)) == (431, "headers_too_large")
    assert len(feed_all(parser(limits), [data[i : i + 1] for i in range(len(data))])) == 1


@pytest.mark.parametrize(
    "start",
    [b"GET /", b"GET /?", b"GET / HTTP/1.1\r\nX", b"GET / HTTP/1.1\r\nX: ", b"GET http://"],
)
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_an_endless_head_is_refused(start: bytes, size: int) -> None:
    reader = parser()
    reader.feed(start)
    for _ in range(0, 1024, size):
        assert reader.feed(b"x" * size) == []
    assert reader.refusal is not None
    assert reader.refusal.status == 431


def test_endlessly_many_headers_are_refused() -> None:
    assert refuse(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000) == (431, "headers_too_large")


def test_a_declared_body_over_the_limit_is_refused_before_it_comes() -> None:
    assert refuse(head(b"Content-Length: 4097")) == (413, "body_too_large")
    assert refuse(head(b"Content-Length: 4097", b"Expect: 100-continue")) == (413, "body_too_large")
    assert len(parse_one(head(b"Content-Length: 4096") + b"x" * 4096).body) == 4096


def test_chunks_are_refused_as_soon_as_their_sum_is_over_the_limit() -> None:
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    assert len(parse_one(CHUNKED + chunk * 4 + b"0\r\n\r\n").body) == 4096
    assert refuse(CHUNKED + chunk * 4 + b"1\r\nx") == (413, "body_too_large")
    assert refuse(CHUNKED + b"1001\r\n" + b"x" * 4097) == (413, "body_too_large")


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize("start", [b"5;", b"5;a=", b'5;a="', b"0\r\nT: ", b"0\r\nT", b"3\r\nabc\r\n0\r\n\tT: x\r\n"])
def test_endless_chunk_extensions_and_trailers_are_refused(start: bytes, size: int) -> None:
    reader = parser()
    reader.feed(CHUNKED + start)
    for _ in range(0, 1100, size):
        assert reader.feed(b"x" * size) == []
    assert reader.refusal is not None
    assert reader.refusal.status == (400 if b"\t" in start else 431)


def test_an_endless_chunk_size_is_refused() -> None:
    assert refuse(CHUNKED + b"0" * 2000) == (431, "headers_too_large")


def test_extensions_of_many_chunks_add_up() -> None:
    assert refuse(CHUNKED + (b"1;" + b"e" * 200 + b"\r\nx\r\n") * 10) == (431, "headers_too_large")


def test_each_head_and_each_chunked_body_has_the_whole_limit() -> None:
    large = b"x" * 900
    chunked = CHUNKED[:-2] + b"A: " + large + b"\r\n\r\n1;" + large + b"\r\nx\r\n0\r\n\r\n"
    data = chunked + head(b"A: " + large) + chunked
    assert len(parse(data)) == 3
    assert len(feed_all(parser(), [data[i : i + 1] for i in range(len(data))])) == 3


def test_a_body_of_tiny_chunks_is_no_abuse() -> None:
    data = CHUNKED + b"1\r\nx\r\n" * 4096 + b"0\r\n\r\n"
    assert parse_one(data).body == b"x" * 4096
    assert feed_all(parser(), [data[i : i + 1] for i in range(len(data))])[0].body == b"x" * 4096


def test_trailers_and_extensions_are_dropped() -> None:
    request = parse_one(CHUNKED + b'2;a="b";c\r\nhi\r\n0\r\nX-Late: 1\r\nHost: other\r\n\r\n')
    assert request.body == b"hi"
    assert request.headers == {b"host": b"h", b"transfer-encoding": b"chunked"}


def test_empty_lines_within_a_body_do_not_end_it() -> None:
    inner = b"\r\n\r\n\r\n0\r\n\r\n\r\n"
    assert parse_one(head(b"Content-Length: %d" % len(inner)) + inner).body == inner
    chunked = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    assert [r.body for r in parse(chunked + GET)] == [inner, b""]


@pytest.mark.parametrize("piece", [b"x", b"x" * 500, b"a: b\r\n", b"\r\n\r\n", b"1\r\nx\r\n", b"2;x=y\r\n\r\n\r\n"])
@pytest.mark.parametrize(
    "start",
    [b"", b"GET / HTTP/1.1\r\nH", b"GET / HTTP/1.1\r\nH:", CHUNKED, CHUNKED + b"0\r\n", head(b"Content-Length: 4000")],
)
def test_memory_stays_bounded_whatever_is_fed(start: bytes, piece: bytes) -> None:
    reader = parser()
    reader.feed(start)
    tracemalloc.start()
    try:
        for _ in range(5000):
            reader.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# Expectations


def test_a_client_that_waits_is_told_to_continue_once() -> None:
    reader = parser()
    assert reader.feed(EXPECTING) == []
    assert reader.take_continue()
    assert not reader.take_continue()
    assert reader.feed(b"h") == []
    assert not reader.take_continue()
    assert [r.body for r in reader.feed(b"i")] == [b"hi"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(EXPECTING + b"h", id="some of the body has come"),
        pytest.param(EXPECTING + b"hi", id="all of the body has come"),
        pytest.param(EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
        pytest.param(EXPECTING.replace(b"Length: 2", b"Length: 0"), id="no body"),
        pytest.param(EXPECTING[:-2], id="the head is not complete"),
        pytest.param(head(b"Content-Length: 4097", b"Expect: 100-continue"), id="refused"),
        pytest.param(head(b"Content-Length: 2"), id="not asked for"),
    ],
)
def test_a_client_that_does_not_wait_is_not_told_to_continue(data: bytes) -> None:
    reader = parser()
    reader.feed(data)
    assert not reader.take_continue()


def test_a_client_may_wait_with_chunks() -> None:
    reader = parser()
    reader.feed(head(b"Transfer-Encoding: chunked", b"expect: 100-Continue"))
    assert reader.take_continue()
    assert [r.body for r in reader.feed(b"2\r\nhi\r\n0\r\n\r\n")] == [b"hi"]


# Connections


def test_the_phase_tells_what_the_connection_waits_for() -> None:
    reader = parser()
    phases = [reader.phase]
    for piece in (b"\r\n", b"P", b"OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n", b"\r\n", b"a", b"b", GET[:5]):
        reader.feed(piece)
        phases.append(reader.phase)
    assert phases == [IDLE, IDLE, HEAD, HEAD, BODY, BODY, IDLE, HEAD]
    chunked = parser()
    phases = []
    for piece in (CHUNKED, b"1\r\n", b"x\r\n0\r\n", b"\r\n"):
        chunked.feed(piece)
        phases.append(chunked.phase)
    assert phases == [BODY, BODY, BODY, IDLE]


# Upgrades


def test_a_websocket_handshake_comes_last_with_the_bytes_behind_it() -> None:
    reader = parser()
    requests = reader.feed(GET + HANDSHAKE + b"\x81\x85frame\r\n\r\n")
    assert [(r.path, r.upgrade) for r in requests] == [("/", False), ("/app/k", True)]
    assert reader.upgrade_rest == b"\x81\x85frame\r\n\r\n"
    assert reader.phase == ENDED
    assert reader.refusal is None


def test_a_handshake_may_come_in_pieces_and_with_nothing_behind_it() -> None:
    reader = parser()
    requests = feed_all(reader, [HANDSHAKE[i : i + 1] for i in range(len(HANDSHAKE))])
    assert [r.upgrade for r in requests] == [True]
    assert reader.upgrade_rest == b""


def test_websocket_may_be_one_of_several_offers() -> None:
    assert parse_one(HANDSHAKE.replace(b"WebSocket", b"h2c, websocket")).upgrade


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HANDSHAKE.replace(b"WebSocket", b"h2c"), id="h2c"),
        pytest.param(HANDSHAKE.replace(b", Upgrade", b""), id="Connection does not name it"),
        pytest.param(HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0"),
        pytest.param(HANDSHAKE.replace(b"GET", b"POST"), id="not a GET"),
        pytest.param(HANDSHAKE.replace(b"GET", b"HEAD"), id="HEAD"),
        pytest.param(HANDSHAKE[:-2] + b"Content-Length: 2\r\n\r\nhi", id="with a body"),
    ],
)
def test_other_offers_are_ignored(data: bytes) -> None:
    reader = parser()
    requests = reader.feed(data + GET + HANDSHAKE)
    assert [r.upgrade for r in requests] == [False, False, True]
    assert reader.refusal is None


@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 6\r\n\r\n\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n6\r\n\r\n\r\nhi\r\n0\r\nT: x\r\n\r\n"],
)
def test_a_body_behind_an_ignored_offer_is_read(framed: bytes) -> None:
    data = HANDSHAKE[:-2].replace(b"GET", b"POST").replace(b"WebSocket", b"h2c") + framed
    for pieces in ([data + GET], [bytes([byte]) for byte in data + GET]):
        first, second = feed_all(parser(), pieces)
        assert (first.path, first.body, first.header(b"upgrade")) == ("/app/k", b"\r\n\r\nhi", b"h2c")
        assert (second.path, second.body, len(second.headers)) == ("/", b"", 1)


def test_an_ignored_offer_may_expect_a_continue() -> None:
    reader = parser()
    reader.feed(EXPECTING[:-2] + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    assert reader.take_continue()
    assert [r.body for r in reader.feed(b"hi")] == [b"hi"]


# Shares


def test_no_more_than_a_share_is_read_at_once_and_the_rest_is_pending() -> None:
    reader = parser()
    data = head(b"Content-Length: 300") + b"x" * 300 + GET
    requests = reader.feed(data, 100)
    assert (requests, reader.pending) == ([], True)
    assert reader.held == len(data) + 100 - len(head(b"Content-Length: 300"))
    turns = 0
    while reader.pending:
        requests += reader.feed(b"", 100)
        turns += 1
    assert [len(r.body) for r in requests] == [300, 0]
    assert turns == len(data) // 100


def test_what_is_pending_is_not_copied_for_every_share() -> None:
    def most_allocated(size: int) -> int:
        """The most that is allocated at a time while so much is read, beyond what was fed."""
        reader, data = parser(), GET * (size // len(GET))
        reader.feed(data, 100)
        tracemalloc.start()
        while reader.pending:
            reader.feed(b"", 100)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most_allocated(1 << 20) < 50_000


def test_without_memory_the_sender_is_told_to_try_again_and_nothing_is_kept() -> None:
    class Hungry(bytes):
        """A body for which there is no room."""

        def __getitem__(self, at: Any) -> Any:
            raise MemoryError

    reader = parser()
    reader.feed(head(b"Content-Length: 300") + b"x" * 200)
    assert reader.feed(Hungry(b"x" * 100)) == []
    assert reader.refusal is not None
    assert (reader.refusal.status, reader.refusal.code, reader.phase, reader.held) == (503, "overloaded", ENDED, 0)


def test_what_is_pending_behind_an_upgrade_goes_with_it() -> None:
    reader = parser()
    data = GET + HANDSHAKE
    assert [r.upgrade for r in reader.feed(data + b"frames", len(data) + 2)] == [False, True]
    assert (reader.upgrade_rest, reader.pending) == (b"frames", False)


def test_nothing_is_pending_behind_a_refusal() -> None:
    reader = parser()
    reader.feed(b"nonsense\r\n\r\n" + GET, 12)
    assert reader.refusal is not None
    assert (reader.pending, reader.held) == (False, 0)


# Costs


def test_a_dropped_parser_leaves_nothing_to_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for data in (GET, GET[:9], CHUNKED + b"1\r\nx", HANDSHAKE, b"nonsense", head(b"Content-Length: 9999")):
            parser().feed(data)
        assert gc.collect() == 0
    finally:
        gc.enable()


def cost(data: bytes) -> float:
    """Seconds of a processor that it takes to parse this, whatever else the machine does."""
    limits = HttpLimits(1024, 1 << 20)
    return min(timeit.repeat(lambda: parse_one(data, limits), timer=time.process_time, number=1, repeat=5))


def test_the_time_to_parse_a_chunk_does_not_depend_on_what_is_in_it() -> None:
    """Looking for empty lines within it took a thousand times as long."""
    size = 200_000
    plain = cost(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size))
    assert cost(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"\r\n" * (size // 2))) < 30 * max(plain, 1e-4)


@pytest.mark.parametrize(
    "tiny", [b"2\r\n\r\n\r\n", b"4\r\n\r\n\r\n\r\n", b"001;a=b\r\nx\r\n", b"F\r\n0123456789abcde\r\n"]
)
def test_no_kind_of_tiny_chunk_takes_much_longer_than_another(tiny: bytes) -> None:
    """One by one they would take six times as long, and with a look for empty lines twelve times."""
    plain = cost(CHUNKED + b"1\r\nx\r\n" * 15_000 + b"0\r\n\r\n")
    assert cost(CHUNKED + tiny * 15_000 + b"0\r\n\r\n") < 4 * plain


@pytest.mark.parametrize(
    "size_line",
    [
        b"+5",
        b"-5",
        b"0x5",
        b" 5",
        b"5 ",
        b"",
        b"g",
        b"5,5",
        b"\xb2",
        b"5\x00",
        b"5\t;a",
        b";a",
        b"1" + b"0" * 16,
        b"5;\x00",
    ],
)
def test_a_chunk_size_is_hexadecimal_digits_and_nothing_else(size_line: bytes) -> None:
    assert refuse(CHUNKED + size_line + b"\r\nhello\r\n0\r\n\r\n")[0] in (400, 413)


@pytest.mark.parametrize(
    "framed", [b"5\nhello\r\n", b"5\r\nhello\n", b"5\rhello\r\n", b"5\r\nhell\r\n", b"5\r\nhello!\r\n"]
)
def test_a_chunk_ends_where_its_size_says_with_a_whole_line_end(framed: bytes) -> None:
    assert refuse(CHUNKED + framed + b"0\r\n\r\n" + GET) == (400, "bad_request")


def test_zeros_before_many_chunk_sizes_add_up() -> None:
    assert refuse(CHUNKED + (b"0" * 25 + b"1\r\nx\r\n") * 200) == (431, "headers_too_large")


def test_zeros_before_a_chunk_size_are_read_as_nothing() -> None:
    data = CHUNKED + b"0" * 30 + b"5\r\nhello\r\n" + b"0" * 40 + b"\r\n\r\n"
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        assert [r.body for r in feed_all(parser(), pieces)] == [b"hello"]


def test_cheap_chunks_do_not_pay_for_dear_ones() -> None:
    """What extensions may take is told chunk by chunk, so that it does not depend on the pieces the bytes come in."""
    cheap, dear = b"1\r\nx\r\n" * 300, (b"1;" + b"e" * 200 + b"\r\nx\r\n") * 10
    assert refuse(CHUNKED + cheap + dear) == (431, "headers_too_large")
