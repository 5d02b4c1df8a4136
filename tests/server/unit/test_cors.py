"""What browsers are told about pages of other origins."""

import pytest

from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.cors import cors_headers, preflight, with_cors

PAGE = "https://example.org"


def request(**headers: str) -> Request:
    """A request with these headers."""
    return Request(
        "OPTIONS", "/", "", {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}, b""
    )


def test_a_page_of_an_allowed_origin_may_read_the_reply() -> None:
    assert cors_headers(request(origin=PAGE), {PAGE, "https://other.org"}) == (
        ("Access-Control-Allow-Origin", PAGE),
        ("Vary", "Origin"),
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "http://example.org",
        "https://example.org:8443",
        "https://example.org.evil.com",
        "null",
        "HTTPS://EXAMPLE.ORG",
        "https://example.org, https://evil.com",
    ],
)
def test_a_page_of_any_other_origin_may_not(origin: str) -> None:
    assert cors_headers(request(origin=origin), {PAGE}) == (("Vary", "Origin"),)


def test_any_origin_may_when_the_setting_says_so() -> None:
    assert cors_headers(request(origin="https://anything"), {"*"}) == (("Access-Control-Allow-Origin", "*"),)


def test_who_is_no_page_is_told_nothing() -> None:
    assert cors_headers(request(), {PAGE}) == ()
    assert cors_headers(request(), {"*"}) == ()


def test_a_reply_that_says_itself_who_may_read_it_is_left_alone() -> None:
    plain, own = Reply(204), Reply(204, headers=(("Access-Control-Allow-Origin", "*"),))
    asked = request(origin=PAGE)
    assert with_cors(asked, plain, {PAGE}).headers == (("Access-Control-Allow-Origin", PAGE), ("Vary", "Origin"))
    assert with_cors(asked, own, {PAGE}) == own


def test_a_preflight_is_told_what_a_page_may_send() -> None:
    asked = request(origin=PAGE, access_control_request_method="POST")
    reply = preflight(asked, ["OPTIONS", "POST"], {PAGE})
    assert (reply.status, reply.body) == (204, b"")
    headers = dict(reply.headers)
    assert headers["Allow"] == headers["Access-Control-Allow-Methods"] == "OPTIONS, POST"
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert int(headers["Access-Control-Max-Age"]) > 0


def test_plain_options_only_names_the_methods() -> None:
    assert preflight(request(), ["GET"], {PAGE}).headers == (("Allow", "GET"),)
    asked = request(origin=PAGE, access_control_request_method="POST")
    assert preflight(asked, ["GET"], frozenset()).headers == (("Allow", "GET"),)


def test_options_of_nothing_is_not_found() -> None:
    with pytest.raises(Refusal) as caught:
        preflight(request(origin=PAGE), [], {PAGE})
    assert caught.value.status == 404
