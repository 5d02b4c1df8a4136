"""The parser of requests: order, limits, expectations, phases and upgrades."""

import gc
import timeit
import tracemalloc
from collections.abc import Iterable

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


def test_the_time_to_parse_grows_with_the_size_only() -> None:
    """A body of nothing but empty lines, the most cuts there can be, takes no more than microseconds per cut."""
    limits = HttpLimits(1024, 1 << 20)
    body = b"\r\n" * 50_000
    data = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert timeit.timeit(lambda: parse_one(data, limits), number=1) < 2
