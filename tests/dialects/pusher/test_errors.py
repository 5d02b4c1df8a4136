"""Refusals of the HTTP API: plain text with a newline, in the words of the protocol's table."""

import pytest

from pushery.core.exchange import Reply
from pushery.core.patterns import PatternError
from pushery.dialects.pusher import errors


def text_of(reply: Reply) -> str:
    """The text of an error."""
    assert reply.content_type == "text/plain"
    assert reply.body.endswith(b"\n")
    return reply.body.decode()[:-1]


def test_a_refusal_is_a_line_of_text() -> None:
    assert errors.unknown_key().reply() == Reply(401, b"Unknown auth_key\n", (), "text/plain", "unknown_auth_key")


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (errors.missing_auth("auth_key"), 401, "Missing parameter: auth_key"),
        (errors.bad_version(""), 401, "Version required"),
        (errors.bad_version("2"), 401, "Version not supported"),
        (errors.bad_timestamp(""), 401, "Timestamp required"),
        (
            errors.expired(1268841350, 1268841950, 600),
            401,
            "Timestamp expired: Given timestamp (2010-03-17T15:55:50Z) not within 600s of server time "
            "(2010-03-17T16:05:50Z)",
        ),
        (
            errors.bad_signature("POST\n/apps/…", 'x"'),
            401,
            'Invalid signature: you should have sent HmacSHA256Hex("POST\\n/apps/…", your_secret_key), '
            'but you sent "x\\""',
        ),
        (errors.too_many_events(11, 10), 400, "Batch too large (11 > 10)"),
        (errors.bad_channel("a b"), 400, 'Invalid channel name: "a b"'),
        (errors.bad_channel("c" * 201), 400, "A channel name has at most 200 characters"),
        (errors.missing("channel"), 400, "Missing required parameter: channel"),
    ],
)
def test_the_words_are_those_of_the_table(refusal: errors.ApiRefusal, status: int, text: str) -> None:
    reply = refusal.reply()
    assert (reply.status, text_of(reply)) == (status, text)


def test_a_bad_pattern_is_told_with_its_place() -> None:
    reply = errors.bad_pattern(PatternError("missing ]: [a", 3))
    assert (reply.status, text_of(reply)) == (400, "Invalid channel_pattern: missing ]: [a, at character 4")


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    reply = errors.too_fast(50)
    assert (reply.status, reply.headers) == (429, (("Retry-After", "1"),))
    assert "50 in a second" in text_of(reply)


def test_a_reused_key_is_told() -> None:
    reply = errors.key_reused()
    assert reply.status == 422
    assert "Idempotency-Key" in text_of(reply)
