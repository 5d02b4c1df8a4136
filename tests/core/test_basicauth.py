"""Basic authentication: what is read from the header, and whom it lets in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import App
from pushery.core.basicauth import administers, credentials, match, sent_credentials, unauthorized
from pushery.core.exchange import Request


def request(authorization: bytes | None) -> Request:
    """A request with this Authorization header."""
    headers = {} if authorization is None else {b"authorization": authorization}
    return Request("POST", "/api/register", "", headers, b"")


def basic(text: str | bytes, scheme: bytes = b"Basic ") -> Request:
    """A request with these "account:password"."""
    return request(scheme + base64.b64encode(text.encode() if isinstance(text, str) else text))


def app(account: str, password: str) -> App:
    """An app with this admin."""
    return App(
        id="1",
        key="k",
        secret="s",
        name="n",
        auth_account=account,
        auth_password=password,
        request_ip="127.0.0.1:1",
        registered_ms=0,
    )


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1), st.text(min_size=1))
def test_the_right_account_and_password_match_and_no_others(account: str, password: str) -> None:
    sent = sent_credentials(basic(f"{account}:{password}"))
    assert match(sent, credentials(account, password))
    assert administers(sent, app(account, password))
    assert not match(sent, credentials(account, password + "x"))
    assert not match(sent, credentials("x" + account, password))
    assert not match(sent_credentials(basic(f"{account}:{password} ")), credentials(account, password))


@pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"BASIC ", b"bAsIc ", b"Basic   "])
def test_the_scheme_is_read_in_any_case(scheme: bytes) -> None:
    assert sent_credentials(basic("a:b", scheme)) == b"a:b"


@pytest.mark.parametrize(
    "scheme", [b"Bearer ", b"Digest ", b"Basic", b"Basic\t", b"", b" Basic ", b"Basi c ", b"Basic:"]
)
def test_another_scheme_is_not_read(scheme: bytes) -> None:
    assert sent_credentials(basic("a:b", scheme)) == b""


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !",
        b"Basic YTpi!",
        b"Basic YTp",
        b"Basic Y=Tpi",
        b"Basic YT pi",
        b"Basic YTpiYQ=",
        b"Basic =YTpi",
        b"Basic YTpi, Basic YTpi",
        b"Basic a:b",
        b"Basic \xff\xfe",
        b"Basic _-8=",
    ],
)
def test_what_is_no_base64_is_nobody(authorization: bytes | None) -> None:
    sent = sent_credentials(request(authorization))
    assert sent == b""
    assert not match(sent, credentials("a", "b"))


@given(st.binary())
def test_no_header_breaks_the_reading_of_it(authorization: bytes) -> None:
    for value in (authorization, b"Basic " + authorization):
        assert isinstance(sent_credentials(request(value)), bytes)


@pytest.mark.parametrize(("account", "password"), [("", ""), ("", "b"), ("a", "")])
@pytest.mark.parametrize("sent", [b"", b":", b":b", b"a:", b"a:b"])
def test_empty_credentials_match_nothing(account: str, password: str, sent: bytes) -> None:
    assert not match(sent, credentials(account, password))
    assert not administers(sent, app(account, password))


def test_a_password_may_contain_colons_and_any_letters() -> None:
    for password in (":", "a:b:c", "päss wörd", "密码😀", " ", "\t"):
        assert match(sent_credentials(basic(f"admin:{password}")), credentials("admin", password))


def test_a_password_in_another_encoding_does_not_match() -> None:
    assert not match(sent_credentials(basic("admin:pä".encode("latin-1"))), credentials("admin", "pä"))


def test_nobody_administers_an_app_that_is_not_there() -> None:
    for sent in (b"", b":", b"a:b"):
        assert not administers(sent, None)


def test_an_apps_admin_is_not_the_admin_of_another() -> None:
    sent = sent_credentials(basic("one:secret"))
    assert administers(sent, app("one", "secret"))
    assert not administers(sent, app("two", "secret"))
    assert not administers(sent, app("one", "other"))


def test_the_refusal_names_the_scheme_and_nothing_about_the_app() -> None:
    refusal = unauthorized()
    assert refusal.status == 401
    assert refusal.headers == (("WWW-Authenticate", 'Basic realm="pushery", charset="UTF-8"'),)
    assert refusal.extra == {}
