"""The same bytes give the same requests, whatever the pieces they come in."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from pushery.core.exchange import Request
from pushery.wire.http import HttpLimits, RequestParser

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
HANDSHAKE = b"GET /app/k HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"


def parser() -> RequestParser:
    return RequestParser(HttpLimits(max_header_bytes=1024, max_body_bytes=4096), "10.0.0.1:5000")


def feed_all(reader: RequestParser, pieces: Iterable[bytes]) -> list[Request]:
    return [request for piece in pieces for request in reader.feed(piece)]


def in_shares(reader: RequestParser, pieces: Iterable[bytes], share: int) -> list[Request]:
    requests = [request for piece in pieces for request in reader.feed(piece, share)]
    while reader.pending:
        requests += reader.feed(b"", share)
    return requests


def head(*lines: bytes, start: bytes) -> bytes:
    return b"\r\n".join((start, b"Host: h", *lines)) + b"\r\n\r\n"


names = st.sampled_from([b"X-A", b"x-b", b"Accept", b"Content-Type", b"Authorization"])
values = st.binary(max_size=20).map(lambda raw: bytes(b if b >= 0x20 and b != 0x7F else 0x20 + b % 0x20 for b in raw))
bodies = st.one_of(
    st.binary(max_size=40), st.lists(st.sampled_from([b"\r", b"\n", b"\r\n\r\n", b"0", b"x"])).map(b"".join)
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[str, str, bytes]]:
    """The bytes of a request, and its method, path and body."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]))
    path = "/" + draw(st.text("abc/%20.-~", max_size=10))
    lines = [name + b":" + value for name, value in draw(st.lists(st.tuples(names, values), max_size=4))]
    lines += draw(st.sampled_from([[], [b"Upgrade: h2c", b"Connection: Upgrade"], [b"Expect: 100-continue"]]))
    body = draw(bodies)
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    start = f"{method} {path} HTTP/1.1".encode()
    if framing == "none":
        return head(*lines, start=start), (method, path, b"")
    if framing == "length":
        return head(*lines, b"Content-Length: %d" % len(body), start=start) + body, (method, path, body)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if b > a]
    extension = draw(st.sampled_from([b"", b";a", b';a="b c"']))
    trailers = draw(st.sampled_from([b"", b"X-T: 1\r\n", b"X-T: 1\r\nX-U:\r\n"]))
    encoded = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    coded = head(*lines, b"Transfer-Encoding: chunked", start=start) + encoded + b"0" + extension + b"\r\n" + trailers
    return coded + b"\r\n", (method, path, body)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@given(st.lists(messages(), min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=12), st.integers(1, 100))
def test_the_same_requests_come_whole_and_in_any_pieces(
    sent: list[tuple[bytes, tuple[str, str, bytes]]], cuts: list[int], share: int
) -> None:
    data = b"".join(raw for raw, _ in sent)
    whole = parser().feed(data)
    assert [(r.method, r.path, r.body) for r in whole] == [expected for _, expected in sent]
    assert feed_all(parser(), split(data, cuts)) == whole
    assert in_shares(parser(), split(data, cuts), share) == whole
    assert feed_all(parser(), [data[i : i + 1] for i in range(len(data))]) == whole


fragments = st.sampled_from(
    [
        GET,
        CHUNKED,
        EXPECTING,
        HANDSHAKE,
        b"Host: h\r\n",
        b"POST / HTTP/1.1\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"GET / HTTP/1.0\r\n",
        b"Content-Length: 3\r\n",
        b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        b"a: b\r\n",
        b"x" * 300,
        b"1;e\r\n",
    ]
)


@given(
    st.lists(st.one_of(fragments, st.binary(max_size=30)), max_size=20), st.lists(st.integers(0, 10_000), max_size=12)
)
def test_arbitrary_bytes_never_raise_and_pieces_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole, pieced = parser(), parser()
    requests = whole.feed(data)
    assert feed_all(pieced, split(data, cuts)) == requests
    assert (whole.refusal is None) == (pieced.refusal is None)
    if not whole.upgrade_rest and whole.refusal is not None and pieced.refusal is not None:
        assert whole.refusal.status == pieced.refusal.status
    assert whole.phase == pieced.phase


sizes = st.one_of(st.integers(0, 16), st.integers(0, 300), st.sampled_from([1023, 4095, 4096, 4097, 1 << 30, 1 << 70]))


@st.composite
def odd_chunks(draw: st.DrawFn) -> bytes:
    """Chunks in all ways to write them, most of them right, near the limits."""
    size = draw(sizes)
    zeros = draw(st.sampled_from([0, 0, 0, 1, 15, 16, 30]))
    extension = draw(
        st.sampled_from([b"", b"", b";a", b";a=b", b';a="b c"', b";" + b"e" * 90, b"; a", b" ", b"\t", b"x"])
    )
    line_end = draw(st.sampled_from([b"\r\n"] * 30 + [b"\n", b"\r", b""]))
    data = draw(st.sampled_from([b"x", b"\r\n", b"\r\n0\r\n\r\n", b"1\r\n"])) * min(size, 5000)
    written = b"%x" if draw(st.booleans()) else b"%X"
    return b"0" * zeros + written % size + extension + line_end + data[: min(size, 5000)] + line_end


@settings(max_examples=40)
@given(
    st.lists(st.tuples(odd_chunks(), st.sampled_from([1, 1, 1, 3, 300])), max_size=6),
    st.sampled_from([b"0\r\n\r\n", b"0\r\nT: x\r\n\r\n", b"0;e\r\nT: " + b"x" * 900 + b"\r\n\r\n", b"0\r\n\n", b""]),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_chunks_are_read_and_refused_alike_in_any_pieces(
    chunks: list[tuple[bytes, int]], end: bytes, cuts: list[int]
) -> None:
    data = CHUNKED + b"".join(chunk * times for chunk, times in chunks) + end + GET
    whole = parser()
    requests = whole.feed(data)
    for pieces in (split(data, cuts), [data[i : i + 1] for i in range(len(data))]):
        pieced = parser()
        assert feed_all(pieced, pieces) == requests
        assert (whole.refusal and whole.refusal.status) == (pieced.refusal and pieced.refusal.status)
        assert whole.phase == pieced.phase
