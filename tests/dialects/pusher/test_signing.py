"""Signatures of the HTTP API: published vectors, an independent implementation, and everything that must not pass."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import App
from pushery.core.exchange import Refusal, Request
from pushery.dialects.pusher.errors import ApiRefusal
from pushery.dialects.pusher.signing import Query, read_query, verify
from tests.dialects.pusher.backend import KEY, NOW_S, SECRET, an_app, auth_pairs, signature, signed

APP = an_app()
WINDOW_S = 600.0
"""The protocol's number."""
EVENT = b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}'


def check(request: Request, app: App = APP, now_ms: int = NOW_S * 1000) -> Query:
    """Read and verify, as the routes do."""
    query = read_query(request.query)
    verify(request, query, app, now_ms, WINDOW_S)
    return query


def refused(request: Request, app: App = APP, now_ms: int = NOW_S * 1000) -> Refusal:
    """Why a request does not pass."""
    with pytest.raises(ApiRefusal) as caught:
        check(request, app, now_ms)
    return caught.value


def get(query: str, path: str = "/apps/3/channels") -> Request:
    """A request that is all in its target."""
    return Request("GET", path, query, {}, b"")


# What the protocol's documents and libraries publish (section 6).


def test_the_documented_publish_passes() -> None:
    query = (
        f"auth_key={KEY}&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f"
        "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
    )
    check(Request("POST", "/apps/3/events", query, {}, EVENT))


def test_the_documented_question_passes() -> None:
    query = (
        f"auth_key={KEY}&auth_timestamp=1353088179&auth_version=1.0&filter_by_prefix=presence-&info=user_count"
        "&auth_signature=16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291"
    )
    assert check(get(query)).values["filter_by_prefix"] == "presence-"


def test_the_vector_of_the_ruby_gem_passes() -> None:
    query = (
        "auth_key=key&auth_timestamp=1234&auth_version=1.0&go=here&query=params"
        "&auth_signature=3b237953a5ba6619875cbb2a2d43e8da9ef5824e8a2c689f6284ac85bc1ea0db"
    )
    check(Request("POST", "/some/path", query, {}, b""), an_app(key="key", secret="secret"), 1234_000)


# The parts of a query.


def test_the_order_of_parameters_does_not_matter() -> None:
    request = signed("POST", "/apps/3/events", EVENT)
    request.query = "&".join(reversed(request.query.split("&")))
    check(request)


def test_names_are_signed_in_lower_case() -> None:
    request = signed("GET", "/apps/3/channels", params={"info": "user_count"})
    request.query = request.query.replace("info=", "INFO=")
    assert check(request).values["info"] == "user_count"


def test_an_empty_value_and_a_name_alone_are_the_same() -> None:
    request = signed("GET", "/apps/3/channels", params={"info": ""})
    check(request)
    request.query = request.query.replace("info=", "info")
    check(request)


def test_values_are_signed_decoded() -> None:
    request = signed("GET", "/apps/3/channels", params={"filter_by_prefix": "a b&c=é+"})
    assert "%C3%A9" in request.query
    assert check(request).values["filter_by_prefix"] == "a b&c=é+"
    request.query = request.query.replace("%20", "+")
    check(request)


@pytest.mark.parametrize("doubled", ["auth_key", "auth_signature", "info", "INFO", "info[]", "info[0]"])
def test_a_parameter_given_twice_is_refused(doubled: str) -> None:
    name = "info" if doubled.startswith("info[") else doubled
    with pytest.raises(ApiRefusal) as caught:
        read_query(f"{doubled.lower()}=a&{name}=b&{doubled}=c")
    assert (caught.value.status, caught.value.code) == (400, "repeated_parameter")


def test_an_element_given_twice_is_refused() -> None:
    with pytest.raises(ApiRefusal, match=r"twice: k$"):
        read_query("k[0]=a&k[1]=b&k[1]=c")


def test_what_is_not_utf8_is_refused() -> None:
    with pytest.raises(ApiRefusal, match="UTF-8"):
        read_query("info=%ff")


def test_arrays_are_read_in_order_under_their_name() -> None:
    query = read_query("channels[]=b&channels%5B%5D=a&info[0]=x&info[1]=y&odd[a]=1&[]=2&z=3")
    assert query.list("channels") == ["b", "a"]
    assert query.text("info") == "x,y"
    assert query.values == {"odd[a]": "1", "[]": "2", "z": "3"}
    assert query.list("nothing") == []
    assert query.text("nothing") == ""


@pytest.mark.parametrize(
    ("sent", "signed_text"),
    [
        ("channels[]=b&channels[]=a&channels-x=1", "{auth}&channels[]=b&channels[]=a&channels-x=1"),
        ("channels%5B%5D=b&channels%5B%5D=a", "{auth}&channels[]=b&channels[]=a"),
        ("channels[]=b&channels[]=a", "{auth}&channels=b,a"),
        ("channels[0]=b&channels[1]=a", "{auth}&channels=b,a"),
        ("channels[0]=b&channels[1]=a", "{auth}&channels[0]=b&channels[1]=a"),
        ("channels-x=1&channels[]=b", "{auth}&channels-x=1&channels[]=b"),
    ],
)
def test_arrays_pass_in_all_forms_that_libraries_sign(sent: str, signed_text: str) -> None:
    auth = "&".join(f"{key}={value}" for key, value in auth_pairs().items())
    text = f"GET\n/apps/3/channels\n{signed_text.format(auth=auth)}"
    digest = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
    check(get(f"{auth}&{sent}&auth_signature={digest}"))


# The body.


def test_the_digest_of_an_empty_body_may_be_there() -> None:
    request = signed("GET", "/apps/3/channels", md5=True)
    assert "body_md5=d41d8cd98f00b204e9800998ecf8427e" in request.query
    check(request)


def test_a_body_without_its_digest_is_refused() -> None:
    request = signed("POST", "/apps/3/events")
    request.body = EVENT
    assert refused(request).message == "Missing parameter: body_md5"


def test_another_body_is_refused() -> None:
    request = signed("POST", "/apps/3/events", EVENT)
    request.body = EVENT.replace(b"foo", b"bar")
    assert refused(request).code == "invalid_body_md5"
    request.body = b""
    assert refused(request).code == "invalid_body_md5"


# The path.

USER = "/apps/3/users/u%201/2/terminate_connections"


@pytest.mark.parametrize(
    ("path", "signed_path"),
    [
        (USER, USER),
        (USER, "/apps/3/users/u 1/2/terminate_connections"),
        ("/push" + USER, "/push" + USER),
        ("/push" + USER, USER),
        ("/apps/push" + USER, USER),
        ("/push" + USER, "/push/apps/3/users/u 1/2/terminate_connections"),
        ("/push" + USER, "/apps/3/users/u 1/2/terminate_connections"),
        ("/users/u1/terminate_connections", "/users/u1/terminate_connections"),
    ],
)
def test_a_path_may_be_signed_with_or_without_prefix_and_escapes(path: str, signed_path: str) -> None:
    check(signed("POST", path, b"{}", signed_path=signed_path))


@pytest.mark.parametrize("signed_path", ["/apps/3/event", "/events", "/push/apps/3/events", "/apps/4/events"])
def test_another_path_is_refused(signed_path: str) -> None:
    assert refused(signed("POST", "/apps/3/events", EVENT, signed_path=signed_path)).code == "invalid_signature"


def test_a_path_that_does_not_decode_is_refused() -> None:
    assert refused(signed("GET", "/apps/3/channels/%ff%zz", signed_path="/")).code == "invalid_signature"


# Time, version, key, signature.


@pytest.mark.parametrize("off", [-599, 0, 599])
def test_a_clock_may_be_off_by_less_than_ten_minutes(off: int) -> None:
    check(signed("GET", "/apps/3/channels"), now_ms=(NOW_S + off) * 1000)


def test_the_window_is_exact_to_the_millisecond() -> None:
    request = signed("GET", "/apps/3/channels")
    check(request, now_ms=NOW_S * 1000 + 599_999)
    assert refused(request, now_ms=NOW_S * 1000 + 600_000).code == "timestamp_expired"
    assert refused(request, now_ms=NOW_S * 1000 - 600_000).code == "timestamp_expired"


def test_how_old_a_request_may_be_is_decided_by_who_asks_for_it() -> None:
    request = signed("GET", "/apps/3/channels")
    query = read_query(request.query)
    verify(request, query, APP, NOW_S * 1000 + 1_499, 1.5)
    with pytest.raises(ApiRefusal, match=r"not within 1\.5s of"):
        verify(request, query, APP, NOW_S * 1000 + 1_500, 1.5)


def test_an_old_timestamp_is_refused_in_the_documented_words() -> None:
    refusal = refused(signed("GET", "/apps/3/channels", timestamp=1268841350), now_ms=1268841965_000)
    assert refusal.message == (
        "Timestamp expired: Given timestamp (2010-03-17T15:55:50Z) "
        "not within 600s of server time (2010-03-17T16:06:05Z)"
    )


def test_a_timestamp_past_all_calendars_is_refused() -> None:
    assert "(999999999999999999)" in refused(signed("GET", "/apps/3/channels", timestamp=10**18 - 1)).message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auth_signature": None}, "Missing parameter: auth_signature"),
        ({"auth_version": None}, "Missing parameter: auth_version"),
        ({"auth_timestamp": None}, "Missing parameter: auth_timestamp"),
        ({"auth_version": ""}, "Version required"),
        ({"auth_version": "1.1"}, "Version not supported"),
        ({"auth_timestamp": ""}, "Timestamp required"),
        ({"auth_timestamp": "-1"}, "Timestamp has to be whole seconds of unix time"),
        ({"auth_timestamp": "1" * 19}, "Timestamp has to be whole seconds of unix time"),
        ({"auth_timestamp": "١"}, "Timestamp has to be whole seconds of unix time"),
        ({"auth_key": None}, "Unknown auth_key"),
        ({"auth_key": "f" * 20}, "Unknown auth_key"),
    ],
)
def test_what_is_wrong_with_the_authentication_is_said(change: dict[str, str | None], message: str) -> None:
    pairs: dict[str, str | None] = {**auth_pairs(), "auth_signature": "0" * 64, **change}
    request = get(urlencode([(key, value) for key, value in pairs.items() if value is not None]))
    refusal = refused(request)
    assert (refusal.status, refusal.message) == (401, message)


def test_a_wrong_signature_is_refused_with_what_had_to_be_signed() -> None:
    request = signed("POST", "/apps/3/events", EVENT, secret="guessed")
    sent = request.query.partition("auth_signature=")[2]
    assert refused(request).message == (
        'Invalid signature: you should have sent HmacSHA256Hex("POST\\n/apps/3/events\\n'
        f"auth_key={KEY}&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f"
        f'", your_secret_key), but you sent "{sent}"'
    )


@pytest.mark.parametrize("sent", ["", "é", "\udfff".encode("utf-8", "replace").decode(), "0" * 64, "a" * 10_000])
def test_any_text_may_be_sent_as_a_signature(sent: str) -> None:
    pairs = {**auth_pairs(), "auth_signature": sent}
    assert refused(get(urlencode(pairs))).code == "invalid_signature"


def test_a_signature_counts_exactly_as_it_was_sent() -> None:
    request = signed("GET", "/apps/3/channels")
    head, name, value = request.query.partition("auth_signature=")
    assert refused(get(head + name + value.upper())).code == "invalid_signature"
    assert refused(get(head + name + "%20" + value)).code == "invalid_signature"


def test_every_key_of_an_app_goes_with_its_own_secret() -> None:
    app = an_app(more=[("second", "other secret")])
    check(signed("GET", "/apps/3/channels"), app)
    check(signed("GET", "/apps/3/channels", key="second", secret="other secret"), app)
    assert refused(signed("GET", "/apps/3/channels", key="second"), app).code == "invalid_signature"


# Anything at all.

names = st.text(min_size=1, max_size=8).filter(lambda name: "[" not in name)


@given(
    path=st.lists(st.text(max_size=5).map(lambda text: quote(text, safe="")), max_size=4).map("/".join),
    params=st.dictionaries(names, st.text(max_size=12), max_size=6),
    body=st.binary(max_size=40),
)
def test_what_an_independent_implementation_signs_passes(path: str, params: dict[str, str], body: bytes) -> None:
    folded = {name.lower(): value for name, value in params.items() if not name.lower().startswith(("auth_", "body_"))}
    request = signed("POST", f"/apps/3/{path}", body, folded)
    query = check(request)
    assert {name: value for name, value in query.values.items() if name in folded} == folded


CHANGES: list[Callable[[Request, int], Any]] = [
    lambda request, at: setattr(request, "method", "GET"),
    lambda request, at: setattr(request, "path", request.path + "x"),
    lambda request, at: setattr(request, "body", request.body + b"x"),
    lambda request, at: setattr(request, "query", request.query + "&x=1"),
]


@given(change=st.sampled_from(CHANGES), at=st.integers(0, 1000))
def test_whatever_is_changed_after_signing_is_noticed(change: Callable[[Request, int], Any], at: int) -> None:
    request = signed("POST", "/apps/3/events", EVENT)
    change(request, at)
    refused(request)


@given(at=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_every_digit_of_a_signature_counts(at: int, digit: str) -> None:
    request = signed("POST", "/apps/3/events", EVENT)
    head, name, value = request.query.partition("auth_signature=")
    other = value[:at] + digit + value[at + 1 :]
    request.query = head + name + other
    if other != value:
        refused(request)
    else:
        check(request)


@given(
    query=st.text(st.characters(max_codepoint=127), max_size=80), path=st.text(max_size=20), body=st.binary(max_size=9)
)
def test_nothing_makes_reading_and_verifying_raise_but_refusals(query: str, path: str, body: bytes) -> None:
    with pytest.raises(ApiRefusal) as caught:
        verify(Request("POST", path, query, {}, body), read_query(query), APP, NOW_S * 1000, WINDOW_S)
    assert caught.value.reply().body.endswith(b"\n")


def test_the_independent_implementation_agrees_with_the_published_vector() -> None:
    pairs = list(auth_pairs(EVENT).items())
    assert hashlib.md5(EVENT).hexdigest() == "ec365a775a4cd0599faeb73354201b6f"  # noqa: S324
    assert signature(SECRET, "POST", "/apps/3/events", pairs) == (
        "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
    )
