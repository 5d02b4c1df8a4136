"""Which pages may open sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.exchange import Request
from pushery.core.origins import is_allowed, may_open_sockets


def asked_from(origin: bytes | None) -> Request:
    headers = {} if origin is None else {b"origin": origin}
    return Request("GET", "/", "", headers, b"")


@pytest.mark.parametrize(
    ("origin", "pattern", "allowed"),
    [
        ("https://example.com", "example.com", True),
        ("http://EXAMPLE.com:8080", "example.com", True),
        ("https://a.example.com", "*.example.com", True),
        ("https://example.com", "*.example.com", False),
        ("https://example.com.evil.org", "example.com", False),
        ("https://evil-example.com", "*.example.com", False),
        ("https://example.com:8443", "https://example.com:8443", True),
        ("https://example.com", "https://example.com:8443", False),
        ("null", "example.com", False),
        ("https://[", "*", False),
    ],
)
def test_the_host_of_a_page_is_compared(origin: str, pattern: str, allowed: bool) -> None:
    assert is_allowed(origin, (pattern,)) is allowed
    assert may_open_sockets(asked_from(origin.encode()), (pattern,)) is allowed


def test_without_a_list_every_page_may_and_with_one_whoever_is_no_page() -> None:
    assert may_open_sockets(asked_from(b"https://evil.example"), ())
    assert may_open_sockets(asked_from(None), ("example.com",))
    assert not may_open_sockets(asked_from(b"https://evil.example"), ("example.com", "example.org"))


@given(st.binary(min_size=1), st.lists(st.text(max_size=20), max_size=3).map(tuple))
def test_no_origin_makes_it_raise(origin: bytes, patterns: tuple[str, ...]) -> None:
    may_open_sockets(asked_from(origin), patterns)
