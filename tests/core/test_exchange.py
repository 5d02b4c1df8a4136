import json

import pytest

from pushery.core.exchange import Refusal, Reply, Request


def test_a_refusal_becomes_the_one_error_shape() -> None:
    reply = Refusal(400, "missing_parameter", "Say what to push: content.").reply()
    assert reply == Reply(
        400,
        b'{"error":{"code":"missing_parameter","message":"Say what to push: content."}}',
        (),
        "application/json",
        "missing_parameter",
    )


def test_what_else_a_refusal_knows_comes_behind_code_and_message() -> None:
    refusal = Refusal(400, "invalid_pattern", "Close the bracket.", parameter="user_tag", position=3)
    assert refusal.reply().body == (
        b'{"error":{"code":"invalid_pattern","message":"Close the bracket.","parameter":"user_tag","position":3}}'
    )


def test_a_refusal_carries_its_headers_into_the_reply() -> None:
    headers = (("WWW-Authenticate", 'Basic realm="pushery"'), ("Retry-After", "1"))
    assert Refusal(401, "unauthorized", "Authenticate.", headers=headers).reply().headers == headers


def test_whatever_the_peer_sent_comes_back_as_valid_json() -> None:
    message = 'no app "\x00\n\\é𝄞\u2028</script>"'
    body = Refusal(404, "not_found", message, key=message).reply().body
    assert json.loads(body) == {"error": {"code": "not_found", "message": message, "key": message}}


def test_a_refusal_is_an_exception_that_reads_as_its_message() -> None:
    with pytest.raises(Refusal, match=r"^Say less\.$") as caught:
        raise Refusal(413, "too_large", "Say less.")
    assert caught.value.status == 413


def test_a_header_that_was_not_sent_is_empty() -> None:
    request = Request("GET", "/", "", {b"host": b"localhost"}, b"")
    assert request.header(b"host") == b"localhost"
    assert request.header(b"origin") == b""
