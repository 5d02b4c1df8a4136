"""Whose page a browser speaks for, and what it may not do with the credentials that the browser keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.exchange import Refusal, Reply, Request
from pushery.server.foreign import is_from_elsewhere, refuse_foreign_pages
from tests.node.fakes import in_loop
from tests.server.unit.memory import SUPER, Scene
from tests.server.unit.test_door import basic, code_of

PAGE = "https://example.org"
SITES = ("cross-site", "same-site", "same-origin", "none")


def request(method: str = "POST", authorization: str = "Basic YTpi", **headers: str) -> Request:
    """A request with these headers, to push.test unless `host` is another."""
    sent = {"host": "push.test", "authorization": authorization, **headers}
    return Request(
        method, "/", "", {name.replace("_", "-").encode(): value.encode() for name, value in sent.items() if value}, b""
    )


def refused(asked: Request, *origins: str) -> bool:
    """Whether it is, when the pages of these origins may."""
    try:
        refuse_foreign_pages(asked, frozenset(origins))
    except Refusal:
        return True
    return False


@pytest.mark.parametrize(("site", "foreign"), list(zip(SITES, (True, True, False, False), strict=True)))
def test_what_the_browser_says_of_the_site_decides(site: str, foreign: bool) -> None:
    assert refused(request(sec_fetch_site=site)) is foreign
    for origin in ("http://push.test", "https://evil.test", "null"):
        assert refused(request(sec_fetch_site=site, origin=origin)) is foreign


@pytest.mark.parametrize("site", ["SAME-ORIGIN", "same-origin, none", "sometimes"])
def test_what_no_browser_says_of_a_site_is_no_good_sign(site: str) -> None:
    assert refused(request(sec_fetch_site=site))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://push.test", "push.test"),
        ("http://push.test", "push.test:80"),
        ("https://push.test", "push.test"),
        ("https://push.test", "push.test:443"),
        ("http://push.test:8001", "push.test:8001"),
        ("https://push.test:80", "push.test:80"),
        ("http://Push.Test", "push.TEST"),
        ("http://[::80]", "[::80]:80"),
        ("http://[2001:db8::1]:8001", "[2001:db8::1]:8001"),
    ],
)
def test_without_that_the_origin_of_an_own_page_is_the_host(origin: str, host: str) -> None:
    assert not refused(request(origin=origin, host=host))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.test", "push.test"),
        ("http://push.test:8002", "push.test:8001"),
        ("http://push.test:8002", "push.test"),
        ("http://push.test", "push.test:8001"),
        ("http://push.test:443", "push.test"),
        ("https://push.test", "push.test:80"),
        ("http://push.test.evil.test", "push.test"),
        ("http://evil.test/push.test", "push.test"),
        ("http://push.test, http://evil.test", "push.test"),
        ("null", "push.test"),
        ("null", ""),
        ("file://", ""),
        ("chrome-extension://push.test", "push.test"),
        ("http://evil.test", ""),
    ],
)
def test_any_other_origin_is_another_sites(origin: str, host: str) -> None:
    assert refused(request(origin=origin, host=host))


def test_a_proxys_word_for_the_host_does_not_count() -> None:
    assert refused(request(origin="http://evil.test", x_forwarded_host="evil.test", forwarded="host=evil.test"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_what_changes_nothing_is_not_refused(method: str) -> None:
    assert not refused(request(method, sec_fetch_site="cross-site", origin=PAGE))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_whatever_else_is_may_change_something(method: str) -> None:
    assert refused(request(method, sec_fetch_site="cross-site", origin=PAGE))


@pytest.mark.parametrize("authorization", ["", "Bearer abc", "Basically", "Digest username=a"])
def test_without_basic_credentials_nothing_is_refused(authorization: str) -> None:
    assert not refused(request(authorization=authorization, sec_fetch_site="cross-site", origin=PAGE))


@pytest.mark.parametrize("authorization", ["Basic YTpi", "basic YTpi", "BASIC  YTpi", "Basic", "Basic ?"])
def test_how_the_scheme_is_spelt_does_not_matter(authorization: str) -> None:
    assert refused(request(authorization=authorization, sec_fetch_site="cross-site"))


@pytest.mark.parametrize("site", ["", "cross-site", "same-site"])
def test_pages_of_origins_that_the_operator_names_may(site: str) -> None:
    asked = request(origin=PAGE, sec_fetch_site=site)
    assert refused(asked, "https://other.org", "https://example.or")
    assert not refused(asked, "https://other.org", PAGE)
    assert not refused(asked, "*")


def test_a_page_that_hides_its_origin_is_not_among_those_that_are_named() -> None:
    assert refused(request(sec_fetch_site="cross-site"), PAGE)
    assert refused(request(sec_fetch_site="cross-site", origin="null"), PAGE)


@given(st.binary(), st.binary(), st.binary())
def test_whatever_the_headers_say_there_is_an_answer(site: bytes, origin: bytes, host: bytes) -> None:
    headers = {b"sec-fetch-site": site, b"origin": origin, b"host": host, b"authorization": b"Basic YTpi"}
    asked = Request("POST", "/", "", headers, b"")
    assert refused(asked) is is_from_elsewhere(asked)


@in_loop
async def test_a_backend_that_says_nothing_of_the_kind_does_not_notice() -> None:
    scene = Scene()
    form = {b"content-type": b"application/x-www-form-urlencoded"}
    path = f"/api/push/{'k' * 32}"
    plain = scene.door.answer(Request("POST", path, "", {**basic(*SUPER), **form}, b"content=hello"))
    assert isinstance(plain, Reply)
    assert plain.status == 200
    foreign = {**basic(*SUPER), **form, b"origin": b"https://evil.test", b"host": b"push.test"}
    answer = scene.door.answer(Request("POST", path, "", foreign, b"content=hello"))
    assert isinstance(answer, Reply)
    assert (answer.status, code_of(answer)) == (403, "foreign_page")
    scene.close()


@in_loop
async def test_what_another_sites_page_guesses_is_not_counted_against_its_reader() -> None:
    scene = Scene()
    scene.guesses.limit = 1
    headers = {**basic("admin", "guess"), b"sec-fetch-site": b"cross-site"}
    for _ in range(3):
        answer = scene.door.answer(Request("POST", "/api/register", "", headers, b"", peer="203.0.113.9:1"))
        assert isinstance(answer, Reply)
        assert answer.status == 403
    own = Request("GET", "/api/app-list/1/1", "", basic(*SUPER), b"", peer="203.0.113.9:1")
    answer = scene.door.answer(own)
    assert isinstance(answer, Reply)
    assert answer.status == 200
    scene.close()
