"""Replies on the wire: read back by a parser of responses, and byte for byte where the bytes matter."""

from collections.abc import Callable

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.exchange import Refusal, Reply
from pushery.wire.replies import CONTINUE, ReplyEncoder

NOON = 784111777
"""The date of RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT."""


GUARDS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]
"""What browsers are told in every reply."""


class Response:
    """What a client reads in `data`, which has to be exactly one response."""

    def __init__(self, data: bytes) -> None:
        self.reason = b""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.complete = 0
        self.keep_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)
        self.status = self._parser.get_status_code()

    def on_status(self, piece: bytes) -> None:
        self.reason += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.complete += 1


@pytest.fixture
def encoder() -> ReplyEncoder:
    return ReplyEncoder(NOON)


def test_a_json_reply_is_written_byte_for_byte(encoder: ReplyEncoder) -> None:
    assert encoder.encode(Reply(200, b'{"ok":true}')) == (
        b"HTTP/1.1 200 OK\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Type: application/json\r\n"
        b"X-Content-Type-Options: nosniff\r\n"
        b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        b"Referrer-Policy: no-referrer\r\n"
        b"Cache-Control: no-store\r\n"
        b"Content-Length: 11\r\n"
        b"\r\n"
        b'{"ok":true}'
    )


def test_the_headers_of_the_reply_come_after_the_common_ones(encoder: ReplyEncoder) -> None:
    reply = Reply(201, b"made", (("X-A", "1"), ("X-A", "2"), ("X-Empty", "")), "text/plain; charset=utf-8")
    response = Response(encoder.encode(reply))
    assert response.headers == [
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Content-Type", "text/plain; charset=utf-8"),
        *GUARDS,
        ("Content-Length", "4"),
        ("X-A", "1"),
        ("X-A", "2"),
        ("X-Empty", ""),
    ]
    assert (response.status, response.reason, response.body) == (201, b"Created", b"made")


def test_the_date_is_the_one_last_set(encoder: ReplyEncoder) -> None:
    encoder.encode(Reply(200))
    encoder.set_date(NOON + 1)
    assert b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n" in encoder.encode(Reply(200))


@pytest.mark.parametrize(
    ("keep_alive", "version", "line"),
    [
        (True, "1.1", None),
        (False, "1.1", ("Connection", "close")),
        (True, "1.0", ("Connection", "keep-alive")),
        (False, "1.0", ("Connection", "close")),
    ],
)
def test_the_reply_says_whether_the_connection_stays(
    encoder: ReplyEncoder, keep_alive: bool, version: str, line: tuple[str, str] | None
) -> None:
    for _ in range(2):  # made, then remembered
        response = Response(encoder.encode(Reply(200, b"x"), keep_alive=keep_alive, version=version))
        assert [header for header in response.headers if header[0] == "Connection"] == ([line] if line else [])


def test_a_reply_to_head_has_the_length_without_the_body(encoder: ReplyEncoder) -> None:
    whole = encoder.encode(Reply(200, b"hello"))
    assert encoder.encode(Reply(200, b"hello"), head_only=True) == whole.removesuffix(b"hello")


def test_an_empty_body_has_the_length_zero(encoder: ReplyEncoder) -> None:
    assert ("Content-Length", "0") in Response(encoder.encode(Reply(404))).headers


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_neither_type_nor_length(encoder: ReplyEncoder, status: int) -> None:
    response = Response(encoder.encode(Reply(status, headers=(("ETag", '"x"'),))))
    assert response.headers[1:] == [*GUARDS, ("ETag", '"x"')]
    assert response.complete == 1
    assert response.keep_alive


def test_switching_protocols_says_what_the_reply_says_and_no_more(encoder: ReplyEncoder) -> None:
    reply = Reply(101, headers=(("Upgrade", "websocket"), ("Connection", "Upgrade")))
    for keep_alive in (True, False):
        assert encoder.encode(reply, keep_alive=keep_alive) == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )


@pytest.mark.parametrize("name", [name for name, _ in GUARDS])
@pytest.mark.parametrize("spelt", [str, str.lower, str.upper])
def test_what_a_reply_says_itself_to_browsers_is_not_said_twice(
    encoder: ReplyEncoder, name: str, spelt: Callable[[str], str]
) -> None:
    for status in (200, 204):
        headers = Response(encoder.encode(Reply(status, headers=((spelt(name), "its own"), ("X-A", "1"))))).headers
        assert [value for key, value in headers if key.lower() == name.lower()] == ["its own"]
        assert [header for header in headers if header in GUARDS] == [guard for guard in GUARDS if guard[0] != name]
    assert Response(encoder.encode(Reply(200))).headers[2:-1] == GUARDS


def test_browsers_are_told_to_use_tls_only_where_that_is_set_and_the_request_came_by_tls() -> None:
    hsts = b"\r\nStrict-Transport-Security: max-age=31536000\r\n"
    encoder = ReplyEncoder(NOON, 31536000)
    for reply in (Reply(200), Reply(204), Reply(200, headers=(("X-A", "1"),))):
        assert hsts in encoder.encode(reply, secure=True)
        assert b"Strict-Transport" not in encoder.encode(reply)
        assert b"Strict-Transport" not in ReplyEncoder(NOON).encode(reply, secure=True)
    own = encoder.encode(Reply(200, headers=(("Strict-Transport-Security", "max-age=1"),)), secure=True)
    assert [value for name, value in Response(own).headers if name == "Strict-Transport-Security"] == ["max-age=1"]
    assert b"Strict-Transport" not in encoder.encode(Reply(101), secure=True)


def test_what_is_told_about_tls_is_what_was_last_set(encoder: ReplyEncoder) -> None:
    for max_age in (0, 60, 0):
        encoder.set_hsts(max_age)
        assert (b"max-age=60\r\n" in encoder.encode(Reply(200), secure=True)) is (max_age == 60)


def test_continue_is_an_interim_response() -> None:
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("status", [101, 204, 304])
def test_a_body_where_none_may_be_is_an_error(encoder: ReplyEncoder, status: int) -> None:
    with pytest.raises(ValueError, match=f"status {status} has no body"):
        encoder.encode(Reply(status, b"x"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (413, b"Content Too Large"),
        (414, b"URI Too Long"),
        (416, b"Range Not Satisfiable"),
        (421, b"Misdirected Request"),
        (422, b"Unprocessable Content"),
        (429, b"Too Many Requests"),
        (431, b"Request Header Fields Too Large"),
        (505, b"HTTP Version Not Supported"),
        (599, b""),
    ],
)
def test_the_reason_is_that_of_the_registry(encoder: ReplyEncoder, status: int, reason: bytes) -> None:
    assert encoder.encode(Reply(status)).startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))


@pytest.mark.parametrize("status", [0, 99, 600, 2000, -1])
def test_a_number_that_is_no_status_is_an_error(encoder: ReplyEncoder, status: int) -> None:
    with pytest.raises(ValueError, match="no HTTP status"):
        encoder.encode(Reply(status))


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\n", "\n", "a\x7f", "€", "a\x0b"])
def test_a_value_cannot_smuggle_in_a_line(encoder: ReplyEncoder, value: str) -> None:
    with pytest.raises(ValueError, match="not a value for X-A"):
        encoder.encode(Reply(200, headers=(("X-A", value),)))
    with pytest.raises(ValueError, match="not a value for Content-Type"):
        encoder.encode(Reply(200, content_type=value))


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\n", "é", "Content-Length", "transfer-encoding", "Date"])
def test_a_name_has_to_be_one_a_reply_may_add(encoder: ReplyEncoder, name: str) -> None:
    with pytest.raises(ValueError, match="not a header a reply may add"):
        encoder.encode(Reply(200, headers=((name, "x"),)))


def test_a_refusal_is_a_reply_like_any_other(encoder: ReplyEncoder) -> None:
    refusal = Refusal(405, "method_not_allowed", "Use POST.", headers=(("Allow", "POST"),))
    response = Response(encoder.encode(refusal.reply(), keep_alive=False))
    assert (response.status, ("Allow", "POST") in response.headers, response.keep_alive) == (405, True, False)
    assert response.body == b'{"error":{"code":"method_not_allowed","message":"Use POST."}}'


texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20)
names = st.text("abcXYZ-_09!", min_size=1, max_size=10).map(lambda name: "X-" + name)


@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.binary(max_size=100),
    st.lists(st.tuples(names, texts.map(str.strip)), max_size=4),
    st.booleans(),
)
def test_whatever_is_encoded_reads_back_as_one_response(
    status: int, body: bytes, headers: list[tuple[str, str]], keep_alive: bool
) -> None:
    response = Response(ReplyEncoder(NOON).encode(Reply(status, body, tuple(headers)), keep_alive=keep_alive))
    assert (response.status, response.body, response.complete) == (status, body, 1)
    assert response.headers[len(response.headers) - len(headers) :] == headers
    assert response.keep_alive is keep_alive
