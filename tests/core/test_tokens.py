"""Connect tokens: what passes, and everything that must not."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.apps import App, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Request
from pushery.core.tokens import (
    LEEWAY_S,
    MAX_LIFE_S,
    MAX_TOKEN,
    BadToken,
    ExpiredToken,
    Grant,
    fits,
    read_token,
    sent_token,
)
from tests.core.minting import NOW_MS, NOW_S, b64, hs256, signer, signing_input

KEY, NEWER = "0123456789abcdef0123456789abcdef", "e" * 32
SECRET, NEWER_SECRET = "5" * 40, "6" * 40
ALGORITHMS = ("RS256", "ES256", "EdDSA")
PEMS = tuple(signer(algorithm).pem for algorithm in ALGORITHMS)


def an_app(**settings: Any) -> App:
    """An app with two keys."""
    return App(
        id="1",
        key=KEY,
        secret=SECRET,
        name="test",
        auth_account="a",
        auth_password="b",
        request_ip="127.0.0.1:1",
        registered_ms=0,
        settings=AppSettings(**settings),
        keys=(KeyPair(key=KEY, secret=SECRET), KeyPair(key=NEWER, secret=NEWER_SECRET)),
    )


APP = an_app()
PUBLIC = an_app(token_keys=PEMS)


def refused(token: str, app: App = APP, now_ms: int = NOW_MS) -> str:
    """Why a token does not pass. Nothing that it says is repeated."""
    with pytest.raises(BadToken) as caught:
        read_token(token, app, now_ms)
    return str(caught.value)


# Signatures.


@pytest.mark.parametrize("secret", [SECRET, NEWER_SECRET])
def test_every_valid_secret_of_the_app_signs(secret: str) -> None:
    claims = {"tag": "A:1", "tag_pattern": "B:.*", "channels": ["a", "b-*"], "exp": NOW_S + 60}
    assert read_token(hs256(secret, claims), APP, NOW_MS) == Grant(60 + LEEWAY_S, "A:1", "B:.*", ("a", "b-*"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_public_keys_verify_by_their_own_algorithm(algorithm: str) -> None:
    token = signer(algorithm).token({"app": KEY, "tag": "A:1"})
    assert read_token(token, PUBLIC, NOW_MS).tag == "A:1"
    assert "fits no key" in refused(token, APP)
    assert "fits no key" in refused(signer(algorithm, 1).token({"app": KEY}), PUBLIC)


def test_tokens_of_pyjwt_pass() -> None:
    claims = {"app": KEY, "tag": "A:1", "exp": NOW_S + 9}
    assert read_token(jwt.encode(claims, SECRET, "HS256"), APP, NOW_MS).tag == "A:1"
    for algorithm in ALGORITHMS:
        token = jwt.encode(claims, signer(algorithm).private_pem, algorithm, headers={"kid": "any"})
        assert read_token(token, PUBLIC, NOW_MS).tag == "A:1"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_no_secret(algorithm: str) -> None:
    """The confusion of algorithms: HS256 with the bytes of a key that everybody knows."""
    pem = signer(algorithm).pem
    for secret in (pem, pem.strip(), pem.encode(), b64(pem.encode()), "", KEY, KEY.encode()):
        assert "fits no key" in refused(hs256(secret, {"app": KEY}), PUBLIC)


@pytest.mark.parametrize(
    "said", ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS512", "PS256", "ES384", "hs256"]
)
def test_no_other_algorithm_is_known(said: str) -> None:
    good = hs256(SECRET, {"app": KEY}, alg=said)
    unsigned = signing_input({"alg": said}, {"app": KEY})
    for token in (good, f"{unsigned}.", f"{unsigned}.{b64(b'x')}"):
        assert refused(token, PUBLIC)


@pytest.mark.parametrize("said", ALGORITHMS)
@pytest.mark.parametrize("used", ALGORITHMS)
def test_a_token_cannot_choose_the_algorithm_of_a_key(said: str, used: str) -> None:
    token = signer(used).token({"app": KEY}, alg=said)
    if said != used:
        assert "fits no key" in refused(token, PUBLIC)


def test_keys_that_a_token_brings_itself_are_never_looked_at() -> None:
    own = signer("RS256", 1)
    brought = {"jwk": own.jwk(), "jku": "https://evil.example/keys", "x5c": [b64(b"x")], "x5u": "https://evil.example"}
    for app in (APP, PUBLIC):
        assert "fits no key" in refused(own.token({"app": KEY}, **brought), app)
    assert "fits no key" in refused(hs256("own", {"app": KEY}, jwk={"kty": "oct", "k": b64(b"own")}), PUBLIC)


def test_a_name_chooses_among_the_keys_of_a_set() -> None:
    rows = [signer("ES256", number).jwk(kid=f"key {number}") for number in (0, 1)]
    app = an_app(token_keys=(json.dumps({"keys": rows}),))
    one = signer("ES256", 1)
    read_token(one.token({"app": KEY}, kid="key 1"), app, NOW_MS)
    read_token(one.token({"app": KEY}), app, NOW_MS)
    for kid in ("key 0", "key 2", "", "../../dev/null", "key 1' OR 1=1"):
        assert "fits no key" in refused(one.token({"app": KEY}, kid=kid), app)


@pytest.mark.parametrize("header", [{"kid": 1}, {"kid": ["key 1"]}, {"alg": 1}, {"alg": None}, {"alg": ["HS256"]}])
def test_a_header_of_another_form_is_refused(header: Mapping[str, object]) -> None:
    assert "header" in refused(hs256(SECRET, {"app": KEY}, **header))


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], "b64", None])
def test_critical_extensions_are_refused(crit: object) -> None:
    assert refused(hs256(SECRET, {"app": KEY}, crit=crit, b64=False))
    if crit is not None:
        assert "critical" in refused(hs256(SECRET, {"app": KEY}, crit=crit))


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c.d", "a.b.c=", ".b.c", "a..c", "a.b.", "a b.c.d", "ä.b.c", "a.b.c\n"]
)
def test_what_has_not_the_form_of_a_token_is_none(token: str) -> None:
    assert "not a JSON Web Token" in refused(token)


def test_a_token_that_is_too_long_is_not_even_read() -> None:
    room = MAX_TOKEN - len(hs256(SECRET, {"tag": ""}))
    assert "not a JSON Web Token" in refused(hs256(SECRET, {"tag": "x" * room}))
    read_token(hs256(SECRET, {"tag": "x" * (room * 3 // 4 - 8)}), APP, NOW_MS)


def test_what_pusher_clients_sign_is_no_token() -> None:
    """A backend signs what its clients name: were that the signed part of a token, it would make them one."""
    signed = signing_input({"alg": "HS256"}, {"tag": "A:1"})
    for text in (f"{signed}:private-x", f"{signed}::user::{{}}", f"POST\n{signed}\n"):
        import hashlib
        import hmac

        signature = b64(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())
        for token in (f"{signed}.{signature}", f"{text}.{signature}"):
            assert refused(token)


# Claims.


def test_a_token_is_good_until_it_expires_with_some_seconds_for_clocks() -> None:
    token = hs256(SECRET, {"exp": NOW_S})
    leeway_ms = int(LEEWAY_S * 1000)
    assert read_token(token, APP, NOW_MS - 1500).expires_in_s == pytest.approx(LEEWAY_S + 1.5)
    assert read_token(token, APP, NOW_MS + leeway_ms - 1).expires_in_s == pytest.approx(0.001, abs=1e-6)
    with pytest.raises(ExpiredToken, match="has expired"):
        read_token(token, APP, NOW_MS + leeway_ms)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_is_not_good_before_its_time(claim: str) -> None:
    token = hs256(SECRET, {claim: NOW_S + 10})
    assert "not valid yet" in refused(token)
    read_token(token, APP, NOW_MS + int((10 - LEEWAY_S) * 1000))


def test_where_tokens_are_required_they_expire() -> None:
    assert read_token(hs256(SECRET, {}), APP, NOW_MS).expires_in_s is None
    assert "never expires" in refused(hs256(SECRET, {}), an_app(require_token=True))
    read_token(hs256(SECRET, {"exp": NOW_S + 1.5}), an_app(require_token=True), NOW_MS)
    far = hs256(SECRET, {"exp": 1e300})
    assert read_token(far, an_app(require_token=True), NOW_MS).expires_in_s == MAX_LIFE_S


@pytest.mark.parametrize(
    "claims",
    [
        b"[]", b"1", b'"x"', b"{", b"\xff", b"", b"[" * 5000, b'{"exp":"soon"}', b'{"exp":true}', b'{"exp":[1]}',
        b'{"exp":NaN}', b'{"exp":Infinity}', b'{"exp":1e999}', b'{"nbf":"1"}', b'{"aud":1}', b'{"aud":[1]}',
        b'{"app":1}', b'{"tag":1}', b'{"tag_pattern":[]}', b'{"channels":"a"}', b'{"channels":[1]}', b'{"iss":[]}',
    ],
)  # fmt: skip
def test_claims_of_another_form_are_refused(claims: bytes) -> None:
    assert refused(hs256(SECRET, claims)) if claims else True


def test_claims_that_are_null_are_as_good_as_absent() -> None:
    nothing = dict.fromkeys(("exp", "nbf", "iat", "iss", "aud", "app", "tag", "tag_pattern", "channels"))
    assert read_token(hs256(SECRET, nothing), APP, NOW_MS) == Grant()


def test_a_token_for_another_app_does_not_pass() -> None:
    for name in (KEY, NEWER):
        read_token(hs256(SECRET, {"app": name}), APP, NOW_MS)
        read_token(hs256(SECRET, {"aud": ["other", name]}), APP, NOW_MS)
    assert "another app" in refused(hs256(SECRET, {"app": "f" * 32}))
    assert "another audience" in refused(hs256(SECRET, {"aud": "f" * 32}))
    assert "another audience" in refused(hs256(SECRET, {"aud": []}))


def test_a_key_that_several_apps_may_share_says_for_which_of_them_a_token_is() -> None:
    one = signer("ES256")
    assert "for which app" in refused(one.token({"tag": "A:1"}), PUBLIC)
    for claims in ({"app": KEY}, {"aud": KEY}, {"aud": ["x", NEWER]}):
        read_token(one.token(claims), PUBLIC, NOW_MS)
    shared = an_app(token_keys=PEMS, token_audience="push")
    read_token(one.token({"aud": "push"}), shared, NOW_MS)
    assert "another audience" in refused(one.token({"aud": KEY}), shared)
    assert "for which audience" in refused(one.token({"app": KEY}), shared)
    assert "for which audience" in refused(hs256(SECRET, {}), shared)


def test_the_issuer_is_compared_where_the_app_names_one() -> None:
    app = an_app(token_issuer="https://id.example")
    read_token(hs256(SECRET, {"iss": "https://id.example"}), app, NOW_MS)
    for claims in ({}, {"iss": "https://id.example/"}, {"iss": ""}):
        assert "another issuer" in refused(hs256(SECRET, claims), app)
    read_token(hs256(SECRET, {"iss": "anybody"}), APP, NOW_MS)


def test_keys_that_cannot_be_used_any_more_verify_nothing() -> None:
    assert "fits no key" in refused(signer("ES256").token({"app": KEY}), an_app(token_keys=("nonsense",)))


# What it allows.


@pytest.mark.parametrize(
    ("grant", "tag", "allowed"),
    [
        (Grant(), "A:1", False),
        (Grant(tag="A:1"), "A:1", True),
        (Grant(tag="A:1"), "A:10", False),
        (Grant(tag="A:."), "A:1", False),
        (Grant(tag_pattern="A:[0-9]+"), "A:10", True),
        (Grant(tag_pattern="A:[0-9]+"), "A:10x", False),
        (Grant(tag_pattern="A:[0-9]+"), "xA:10", False),
        (Grant(tag_pattern="A:1|B"), "A:1x", False),
        (Grant(tag_pattern="A:.*"), "A:1\nB", False),
        (Grant(tag_pattern="A:1$"), "A:1\n", False),
        (Grant(tag_pattern="é+"), "éé", True),
        (Grant(tag="B", tag_pattern="A"), "A", True),
        (Grant(tag_pattern="("), "(", False),
        (Grant(tag_pattern=r"(?=A)A"), "A", False),
        (Grant(tag_pattern="x" * 1001), "x" * 1001, False),
        (Grant(tag_pattern="((((x{100}){100}){100}){100})"), "x", False),
    ],
)
def test_a_tag_has_to_be_all_that_the_token_says(grant: Grant, tag: str, allowed: bool) -> None:
    assert grant.allows_tag(tag) is allowed


def test_channels_are_named_or_described_and_all_allowed_where_nothing_is_said() -> None:
    grant = Grant(channels=("news", "private-room-*"))
    assert [grant.allows_channel(name) for name in ("news", "newsx", "private-room-1", "private-room-")] == [
        True, False, True, True,
    ]  # fmt: skip
    assert [grant.names_channel(name) for name in ("news", "private-room-1")] == [True, False]
    assert Grant().allows_channel("anything")
    assert not Grant().names_channel("anything")
    assert not Grant(channels=()).allows_channel("news")


PIECES = st.text("ab*", max_size=8)


@given(PIECES, st.text("ab", max_size=8))
def test_stars_match_as_in_a_naive_model(pattern: str, name: str) -> None:
    def model(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return model(pattern[1:], name) or (bool(name) and model(pattern, name[1:]))
        return bool(name) and pattern[0] == name[0] and model(pattern[1:], name[1:])

    assert fits(pattern, name) is model(pattern, name)


def test_many_stars_take_no_time() -> None:
    assert not fits("*a" * 4000 + "*c", "a" * 200)


# Where it is found.


def asked(path: str = "/app/K", query: str = "", authorization: bytes = b"") -> Request:
    headers = {b"authorization": authorization} if authorization else {}
    return Request("GET", path, query, headers, b"")


@pytest.mark.parametrize(
    ("request_", "token", "query"),
    [
        (asked(), "", ""),
        (asked(query="token=a.b.c"), "a.b.c", ""),
        (asked(query="protocol=7&token=a.b.c&client=js"), "a.b.c", "protocol=7&client=js"),
        (asked(query="token=a&token=b"), "a", ""),
        (asked(query="token=%C3%A9+x"), "é x", ""),
        (asked(query="token=&x=1"), "", "x=1"),
        (asked(query="mytoken=a&x=1"), "", "mytoken=a&x=1"),
        (asked(query="x=token=a"), "", "x=token=a"),
        (asked("/token/a.b.c/app/K"), "a.b.c", ""),
        (asked("/any/thing/token/a.b.c/app/K"), "a.b.c", ""),
        (asked("/token/a.b.c/app/K/812/s/xhr"), "a.b.c", ""),
        (asked("/token/a/b/app/K"), "", ""),
        (asked("/xtoken/a/app/K"), "", ""),
        (asked("/token/a/ws/K/tag"), "", ""),
        (asked("/token/a/app/K", "token=b"), "a", ""),
        (asked(authorization=b"Bearer a.b.c"), "a.b.c", ""),
        (asked(authorization=b"bearer  a.b.c "), "a.b.c", ""),
        (asked(authorization=b"Basic a.b.c"), "", ""),
        (asked(authorization=b"Bearer"), "", ""),
        (asked(query="token=q", authorization=b"Bearer h"), "q", ""),
    ],
)
def test_a_token_is_found_in_path_query_or_header(request_: Request, token: str, query: str) -> None:
    assert sent_token(request_) == (token, query)


# Nothing that is sent makes it raise, and nothing that is not signed passes.

GOOD = tuple(
    [hs256(SECRET, {"app": KEY, "tag": "A:1"})] + [signer(algorithm).token({"app": KEY}) for algorithm in ALGORITHMS]
)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | st.text("eyJ.-_aA09=", max_size=60))
def test_no_text_passes_or_raises(text: str) -> None:
    assert refused(text, PUBLIC)


@given(st.binary(max_size=80) | st.just(b'{"alg":"HS256"}'), st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_in_the_form_of_a_token_pass_or_raise(header: bytes, payload: bytes, signature: bytes) -> None:
    assert refused(".".join(map(b64, (header, payload, signature))), PUBLIC)


@given(st.sampled_from(GOOD), st.data())
def test_a_token_that_was_changed_anywhere_does_not_pass(token: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(token) - 1))
    change = data.draw(st.sampled_from(["replace", "insert", "delete", "cut", "swap"]))
    letter = data.draw(st.sampled_from("AQgwBZaz019-_.="))
    changed = {
        "replace": token[:at] + letter + token[at + 1 :],
        "insert": token[:at] + letter + token[at:],
        "delete": token[:at] + token[at + 1 :],
        "cut": token[:at],
        "swap": ".".join(reversed(token.split("."))),
    }[change]
    if changed != token:
        assert refused(changed, PUBLIC)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
).flatmap(lambda value: st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "app", "tag", "tag_pattern", "channels", "x"]), st.just(value)
)))  # fmt: skip
def test_signed_claims_of_any_form_never_raise_anything_else(claims: dict[str, Any]) -> None:
    for app in (APP, an_app(require_token=True, token_issuer="i", token_audience="a")):
        try:
            grant = read_token(hs256(SECRET, claims), app, NOW_MS)
        except BadToken:
            continue
        assert grant.expires_in_s is None or grant.expires_in_s > 0
        grant.allows_tag("A:1")
        grant.allows_channel("news")


@given(st.text(), st.text(), st.binary())
def test_no_path_query_or_header_makes_the_search_for_a_token_raise(path: str, query: str, header: bytes) -> None:
    for way in (path, f"/token/{path}/app/K"):
        for asked_for in (query, f"token={query}", f"x&token={query}&y"):
            found = sent_token(asked(way, asked_for, header))
            assert isinstance(found.token, str)
            assert "token=" not in found.query or "token=" in query or "&" not in asked_for
