"""What a request's head may say, told through the parser: each rule whole and byte by byte."""

import pytest

from pushery.core.exchange import Request
from pushery.wire.http import ENDED, IDLE, HttpLimits, RequestParser

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def parser() -> RequestParser:
    return RequestParser(HttpLimits(max_header_bytes=1024, max_body_bytes=4096), "10.0.0.1:5000")


def parse_one(data: bytes) -> Request:
    """The only request in `data`, which has to be well-formed."""
    reader = parser()
    (request,) = reader.feed(data)
    assert reader.refusal is None
    return request


def refuse(data: bytes) -> tuple[int, str]:
    """How `data` is refused: the same whole and byte by byte, with nothing taken for a request."""
    whole, bytewise = parser(), parser()
    assert whole.feed(data) == []
    assert [request for byte in data for request in bytewise.feed(bytes([byte]))] == []
    assert whole.refusal is not None, "not refused"
    assert bytewise.refusal is not None, "not refused byte by byte"
    assert (whole.refusal.status, whole.refusal.message) == (bytewise.refusal.status, bytewise.refusal.message)
    return whole.refusal.status, whole.refusal.code


def head(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> bytes:
    return b"\r\n".join((start, b"Host: h", *lines)) + b"\r\n\r\n"


def test_header_names_are_lower_cased_and_values_trimmed() -> None:
    headers = parse_one(head(b"X-EMPTY:", b"X-Blank:  ", b"X-Pad:\t a b \t")).headers
    assert (headers[b"x-empty"], headers[b"x-blank"], headers[b"x-pad"]) == (b"", b"", b"a b")


def test_values_of_a_repeated_header_are_joined() -> None:
    assert parse_one(head(b"X-A: 1", b"x-b: 2", b"x-a: 3")).header(b"x-a") == b"1, 3"


def test_latin_1_bytes_in_a_header_value_are_kept() -> None:
    assert parse_one(head(b"X-A: \xe9\xff")).header(b"x-a") == b"\xe9\xff"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"//x/y", "//x/y", ""),
        (b"/p?a?b", "/p", "a?b"),
        (b"http://h:80/path?x", "/path", "x"),
        (b"HTTPS://h/", "/", ""),
        (b"http://h", "/", ""),
        (b"http://h?x", "/", "x"),
        (b"http://[::1]:80/p", "/p", ""),
    ],
)
def test_a_target_is_split_into_path_and_query(target: bytes, path: str, query: str) -> None:
    request = parse_one(head(start=b"GET " + target + b" HTTP/1.1"))
    assert (request.path, request.query) == (path, query)


def test_an_absolute_target_says_the_host() -> None:
    assert parse_one(head(start=b"GET http://other:81/p HTTP/1.1")).header(b"host") == b"other:81"


@pytest.mark.parametrize("target", [b"*", b"http://h"])
def test_options_may_be_asked_of_the_whole_server(target: bytes) -> None:
    assert parse_one(head(start=b"OPTIONS " + target + b" HTTP/1.1")).path == "*"


@pytest.mark.parametrize(
    "target",
    [
        b"/a#b",
        b"/\xc3\xa9",
        b"/\x01",
        b"/\x7f",
        b"/a\tb",
        b"/\x00",
        b"*",
        b"a",
        b"ftp://h/",
        b"http:///p",
        b"http://u@h/",
    ],
)
def test_a_target_that_is_no_plain_path_is_refused(target: bytes) -> None:
    assert refuse(head(start=b"GET " + target + b" HTTP/1.1")) == (400, "bad_request")


def test_connect_is_not_implemented() -> None:
    assert refuse(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n") == (501, "not_implemented")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head(b"A: b", b" folded"), id="obs-fold"),
        pytest.param(head(b"A: b", b"\tfolded"), id="obs-fold with a tab"),
        pytest.param(b"GET / HTTP/1.1\nHost: h\n\n", id="bare LF everywhere"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\n\r\n", id="bare LF after a header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\n\n", id="bare LF at the end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", id="space before the colon"),
        pytest.param(b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", id="space before the first header"),
        pytest.param(head(b"A: b\0c"), id="NUL in a value"),
        pytest.param(head(b"A\0: b"), id="NUL in a name"),
        pytest.param(head(b"A: b\x01"), id="control character in a value"),
        pytest.param(head(b"A\xe9: b"), id="name that is no token"),
        pytest.param(head(b": b"), id="no name"),
        pytest.param(head(b"A"), id="no colon"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(head(b"Host: h"), id="Host twice"),
        pytest.param(head(b"Host: other"), id="two Hosts"),
        pytest.param(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", id="two Hosts in 1.0"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h/p\r\n\r\n", id="Host that is no host"),
        pytest.param(b"GET http://h/ HTTP/1.1\r\n\r\n", id="no Host beside an absolute target"),
        pytest.param(b"get / HTTP/1.1\r\n\r\n", id="method in lower case"),
        pytest.param(b"GET / http/1.1\r\n\r\n", id="protocol in lower case"),
        pytest.param(b"GET / HTTP/1.1 \r\n\r\n", id="space after the version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS"),
    ],
)
def test_bytes_that_are_not_http_are_refused(data: bytes) -> None:
    assert refuse(data) == (400, "bad_request")


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"Content-Length: 5"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: -1",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 5_0",),
        (b"Content-Length: 5 5",),
        (b"Content-Length:",),
        (b"Content-Length: 99999999999999999999999",),
        (b"Transfer-Encoding: chunked, identity",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        (b"Transfer-Encoding: chunked, chunked",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: chunked;a=b",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: gzip",),
        (b"Transfer-Encoding:",),
    ],
)
def test_a_body_whose_end_is_in_doubt_is_refused(lines: tuple[bytes, ...]) -> None:
    assert refuse(head(*lines)) == (400, "bad_request")


def test_chunks_in_http_1_0_are_refused() -> None:
    assert refuse(CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0")) == (400, "bad_request")


@pytest.mark.parametrize(
    "lines", [(b"Transfer-Encoding: gzip, chunked",), (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked")]
)
def test_other_transfer_codings_are_not_implemented(lines: tuple[bytes, ...]) -> None:
    assert refuse(head(*lines)) == (501, "not_implemented")


@pytest.mark.parametrize("version", [b" HTTP/2.0", b" HTTP/1.2", b" HTTP/0.9", b" HTTP/3.0", b""])
def test_other_versions_are_not_supported(version: bytes) -> None:
    assert refuse(head(start=b"GET /" + version)) == (505, "http_version_not_supported")


def test_the_preface_of_http_2_is_not_supported() -> None:
    assert refuse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == (505, "http_version_not_supported")


@pytest.mark.parametrize(
    "chunks",
    [
        b"5 \r\nhello\r\n",
        b"5\nhello\r\n",
        b"4\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhello0\r\n",
        b";a\r\n",
        b"-1\r\n",
        b"\r\n",
        b"fffffffffffffffff\r\n",
    ],
)
def test_malformed_chunks_are_refused(chunks: bytes) -> None:
    assert refuse(CHUNKED + chunks + b"0\r\n\r\n") == (400, "bad_request")


@pytest.mark.parametrize("value", [b"gold", b"100-continue, gold", b""])
def test_other_expectations_fail(value: bytes) -> None:
    assert refuse(head(b"Expect: " + value)) == (417, "expectation_failed")


def test_an_expectation_in_http_1_0_is_ignored() -> None:
    assert parse_one(b"GET / HTTP/1.0\r\nExpect: gold\r\n\r\n").version == "1.0"


@pytest.mark.parametrize(
    ("version", "lines", "keeps"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"Connection: close"], False),
        (b"1.1", [b"Connection: x, Close"], False),
        (b"1.1", [b"Connection: x", b"Connection: close"], False),
        (b"1.1", [b"Connection: keep-alive, close"], False),
        (b"1.1", [b"Connection: closed"], True),
        (b"1.1", [b"Proxy-Connection: close"], True),
        (b"1.0", [], False),
        (b"1.0", [b"Connection: Keep-Alive"], True),
        (b"1.0", [b"Connection: close, keep-alive"], False),
    ],
)
def test_a_connection_persists_by_version_and_wish(version: bytes, lines: list[bytes], keeps: bool) -> None:
    data = head(*lines, b"Content-Length: 1", start=b"POST / HTTP/" + version) + b"x"
    reader = parser()
    requests = reader.feed(data + GET)
    assert requests[0].keep_alive is keeps
    assert len(requests) == (2 if keeps else 1), "requests behind the last one are not served"
    assert reader.phase == (IDLE if keeps else ENDED)
    assert reader.refusal is None


def test_http_1_0_needs_no_host() -> None:
    request = parse_one(b"GET / HTTP/1.0\r\n\r\n")
    assert (request.version, request.keep_alive) == ("1.0", False)


def test_an_empty_host_is_one() -> None:
    assert parse_one(b"GET / HTTP/1.1\r\nHost:\r\n\r\n").header(b"host") == b""
