"""The lines of the HTTP fallbacks, read back as pusher-js reads them, and the bodies of its requests."""

import json

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core import codes
from pushery.core.exchange import Reply
from pushery.wire.replies import ReplyEncoder
from pushery.wire.xhr import (
    HEARTBEAT,
    LAST_CHUNK,
    OPEN,
    PRELUDE,
    QUIET_PRELUDE,
    characters,
    chunk,
    close_line,
    messages_line,
    messages_of,
    open_ended,
)

TEXTS = st.lists(st.text(st.characters(codec="utf-8")))


@given(TEXTS)
def test_messages_of_any_kind_arrive_as_they_were_in_one_line(texts: list[str]) -> None:
    line = messages_line(texts)
    assert line.index(b"\n") == len(line) - 1
    assert line[:1] == b"a"
    assert json.loads(line[1:]) == texts


@pytest.mark.parametrize("close", codes.CLOSES)
def test_every_close_is_said_in_one_line(close: codes.Close) -> None:
    line = close_line(close)
    assert line.index(b"\n") == len(line) - 1
    assert line[:1] == b"c"
    assert json.loads(line[1:]) == [close.code, close.reason]


@pytest.mark.parametrize(("line", "kind"), [(OPEN, b"o"), (HEARTBEAT, b"h"), (PRELUDE, b"h"), (QUIET_PRELUDE, b"a")])
def test_fixed_lines_are_of_their_kind(line: bytes, kind: bytes) -> None:
    assert line[:1] == kind
    assert line.index(b"\n") == len(line) - 1


def test_the_prelude_is_as_long_as_buffering_proxies_need() -> None:
    assert len(PRELUDE) > 2048
    assert len(QUIET_PRELUDE) >= 2048
    assert json.loads(QUIET_PRELUDE[1:]) == []


@given(TEXTS, st.booleans())
def test_a_body_of_strings_is_read_however_it_is_escaped(texts: list[str], ascii_only: bool) -> None:
    assert messages_of(json.dumps(texts, ensure_ascii=ascii_only).encode()) == texts


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{}", b'"a"', b"[1]", b'["a"', b'["a"]x', b'["\xff"]', b'["\\ud800"]', b"[" * 100_000]
)
def test_what_is_no_array_of_strings_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        messages_of(body)


@given(st.binary())
def test_any_body_gives_strings_or_a_reason(body: bytes) -> None:
    try:
        messages = messages_of(body)
    except ValueError:
        return
    for message in messages:
        message.encode()


@given(st.text(st.characters(codec="utf-8")))
def test_characters_are_counted_as_browsers_count_them(text: str) -> None:
    assert characters(text.encode()) == sum(1 + (character > "\uffff") for character in text)


class _Body:
    """What a client reads of a reply."""

    def __init__(self) -> None:
        self.read = b""
        self.complete = False

    def on_body(self, piece: bytes) -> None:
        self.read += piece

    def on_message_complete(self) -> None:
        self.complete = True


@given(st.lists(st.binary(min_size=1)))
def test_a_reply_in_chunks_is_read_as_what_was_said(pieces: list[bytes]) -> None:
    body = _Body()
    parser = httptools.HttpResponseParser(body)
    head = open_ended(ReplyEncoder(0).encode(Reply(200, b"", (("X-One", "1"),)), keep_alive=False), "1.1")
    parser.feed_data(head + b"".join(map(chunk, pieces)))
    assert body.read == b"".join(pieces)
    assert not body.complete
    parser.feed_data(LAST_CHUNK)
    assert body.complete


def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    head = open_ended(ReplyEncoder(0).encode(Reply(200), keep_alive=False, version="1.0"), "1.0")
    assert b"Connection: close\r\n" in head
    assert b"Transfer-Encoding" not in head
    assert b"Content-Length" not in head
