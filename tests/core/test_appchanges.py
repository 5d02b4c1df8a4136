"""What may become of an app: every rule with a case on each side of it."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from pushery.core.appchanges import (
    MAX_KEYS,
    MAX_NAMED,
    MAX_SECRET,
    RESERVED,
    SETTING_NAMES,
    SettingsError,
    add_key,
    change_settings,
    given_problem,
    problems_of,
    revoke_key,
    text_problem,
)
from pushery.core.apps import App, KeyPair
from pushery.core.appsettings import HOOK_EVENTS, AppSettings, Webhook
from pushery.core.exchange import Refusal
from tests.core.minting import signer

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def app(*keys: str) -> App:
    """An app with these keys."""
    return App(
        id="1",
        key="a",
        secret="s",
        name="n",
        auth_account="admin",
        auth_password="p",
        request_ip="ip:1",
        registered_ms=0,
        keys=tuple(KeyPair(key=key, secret=f"{key}-secret") for key in keys),
    )


def problems(**patch: Any) -> list[str]:
    """What is wrong with such a change."""
    with pytest.raises(SettingsError) as caught:
        change_settings(AppSettings(), patch)
    return caught.value.problems


# Settings.


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    before = AppSettings(max_batch=3, client_events=True)
    after = change_settings(before, {"max_batch": 20, "allowed_origins": ["a.com"], "authorization_timeout": 5})
    assert after == replace(before, max_batch=20, allowed_origins=("a.com",), authorization_timeout=5.0)
    assert change_settings(before, {}) == before


def test_null_puts_the_default_back() -> None:
    before = AppSettings(max_batch=3, client_events=True, webhooks=(Webhook(url="http://a"),))
    assert change_settings(before, {"max_batch": None, "webhooks": None}) == AppSettings(client_events=True)


def test_all_that_is_wrong_is_said_at_once() -> None:
    said = problems(max_batch=0, enabled="yes", client_event=True, webhooks=[{"url": "x"}], cache_ttl=5)
    assert said == [
        "max_batch: expected int >= 1",
        "enabled: expected bool, got str",
        "there is no setting 'client_event'; did you mean 'client_events'?",
        "webhooks[0]: 'x' is not an http or https URL with a host",
    ]


def test_a_line_stays_one_line_whatever_it_quotes() -> None:
    [line] = problems(webhooks=[{"a\nb": 1}])
    assert line == "webhooks[0]: object contains unknown field a?b"


def test_a_name_like_no_other_gets_no_guess() -> None:
    assert problems(qqqq=1) == ["there is no setting 'qqqq'"]


def test_the_place_in_a_list_is_named() -> None:
    assert problems(webhooks=[{"url": "http://a"}, {"url": 1}]) == ["webhooks[1].url: expected str, got int"]
    assert problems(webhooks=[{}]) == ["webhooks[0]: object missing required field url"]


@pytest.mark.parametrize("url", ["http://a", "https://example.com:8443/hook?x=1", "http://[::1]:80/", "https://u:p@h/"])
def test_a_webhook_goes_to_an_http_url(url: str) -> None:
    assert problems_of(AppSettings(webhooks=(Webhook(url=url),))) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.com",
        "//a.com",
        "ftp://a.com",
        "http://",
        "http:///x",
        "http://a b",
        "http://a:0",
        "http://a:99999",
        "http://[:",
        "http://é.com",
        "http://a\n",
        "http://a\t/",
        "javascript:alert(1)",
        "http://:80/",
        "file:///etc/passwd",
    ],
)
def test_a_webhook_goes_nowhere_else(url: str) -> None:
    [problem] = problems_of(AppSettings(webhooks=(Webhook(url="http://a"), Webhook(url=url))))
    assert problem == f"webhooks[1]: {url!r} is not an http or https URL with a host"


def test_a_webhook_tells_of_events_that_there_are() -> None:
    assert problems_of(AppSettings(webhooks=(Webhook(url="http://a", events=HOOK_EVENTS),))) == []
    [problem] = problems_of(AppSettings(webhooks=(Webhook(url="http://a", events=("member_joined",)),)))
    assert "'member_joined'" in problem
    assert all(event in problem for event in HOOK_EVENTS)


@pytest.mark.parametrize("name", ["", "a b", "a:", "é", "a\r\nb", "Host", "content-length", "X-Pusher-Key", "Expect"])
def test_a_header_that_is_none_or_not_theirs_to_set_is_refused(name: str) -> None:
    assert len(problems_of(AppSettings(webhooks=(Webhook(url="http://a", headers={name: "v"}),)))) == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "é", " a", "a ", "\x00"])
def test_a_header_has_a_value_that_can_be_sent(value: str) -> None:
    assert len(problems_of(AppSettings(webhooks=(Webhook(url="http://a", headers={"X-Key": value}),)))) == 1
    assert problems_of(AppSettings(webhooks=(Webhook(url="http://a", headers={"X-Key": "Bearer x y"}),))) == []


@pytest.mark.parametrize(
    "origin", ["a.com", "*.b.com", "localhost", "*", "https://a.com", "http://a.com:8080", "[::1]"]
)
def test_an_origin_is_a_host_or_a_whole_origin(origin: str) -> None:
    assert problems_of(AppSettings(allowed_origins=(origin,))) == []


@pytest.mark.parametrize(
    "origin", ["", "a.com/", "https://", "https://a.com/", "a.com:80", "ws://a", "a b", "a,b", "é", "\n"]
)
def test_an_origin_is_nothing_else(origin: str) -> None:
    [problem] = problems_of(AppSettings(allowed_origins=("a.com", origin)))
    assert problem.startswith(f"allowed_origins: {origin!r} ")


@given(st.dictionaries(st.sampled_from(SETTING_NAMES) | st.text(), JSON))
def test_any_patch_is_taken_or_refused_in_lines(patch: dict[str, Any]) -> None:
    try:
        changed = change_settings(AppSettings(), patch)
    except SettingsError as error:
        lines = error.problems
    else:
        lines = []
    assert all(line.isprintable() for line in lines)
    if lines:
        return
    assert problems_of(changed) == []
    assert msgspec.convert(msgspec.to_builtins(changed), AppSettings) == changed
    kept = {name: value for name, value in asdict(changed).items() if patch.get(name) is None}
    assert kept == {name: getattr(AppSettings(), name) for name in kept}


# Texts.


@pytest.mark.parametrize("what", ["name", "account", "password"])
def test_a_text_is_printable_and_neither_empty_nor_too_long(what: str) -> None:
    for good in ("x", "é" * 200, "two words"):
        assert text_problem(what, good) is None
    for bad in ("", "x" * 201, "a\nb", "\x00", "\x7f", "\ud800"):
        assert re.search(rf"the {what} of an app has 1 to 200", text_problem(what, bad) or "")


def test_only_an_account_must_have_no_colon() -> None:
    assert "':'" in (text_problem("account", "a:b") or "")
    assert text_problem("name", "a:b") is text_problem("password", "a:b") is None


# Keys.


def test_a_new_key_is_the_last_and_the_old_ones_stay() -> None:
    pair = KeyPair(key="c", secret="x")
    assert add_key(app("a", "b"), pair) == replace(app("a", "b"), keys=(*app("a", "b").keys, pair))


def test_an_app_has_so_many_keys_and_no_more() -> None:
    full = app("a")
    for number in range(MAX_KEYS - 1):
        full = add_key(full, KeyPair(key=str(number), secret="x"))
    with pytest.raises(Refusal) as caught:
        add_key(full, KeyPair(key="z", secret="x"))
    assert (caught.value.status, caught.value.code) == (409, "too_many_keys")


def test_a_revoked_key_is_gone_whichever_it_is() -> None:
    for key in "abc":
        left = revoke_key(app("a", "b", "c"), key)
        assert [pair.key for pair in left.keys] == [other for other in "abc" if other != key]
        assert left.secret_of(key) is None
        assert left.key == "a"


@pytest.mark.parametrize(
    ("keys", "key", "status", "code"), [("ab", "c", 404, "unknown_key"), ("b", "b", 409, "last_key")]
)
def test_what_cannot_be_revoked(keys: str, key: str, status: int, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        revoke_key(app(*keys), key)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_keys_for_tokens_and_the_url_of_a_connect_hook_are_checked_when_they_are_set() -> None:
    good = {"token_keys": [signer("ES256").pem], "connect_hook": "https://a.com/ask"}
    assert change_settings(AppSettings(), good).connect_hook == "https://a.com/ask"
    token_problem, hook_problem = problems(token_keys=[signer("ES256").private_pem], connect_hook="a.com")
    assert token_problem.startswith("token_keys[0]: it is a private key")
    assert hook_problem == "connect_hook: 'a.com' is not an http or https URL with a host"


# Key, id and secret that come from elsewhere.


@pytest.mark.parametrize("what", ["key", "id"])
def test_a_key_and_an_id_may_be_what_other_servers_call_their_apps(what: str) -> None:
    for kept in ("app-key", "278d425bdf160c739803", "1234567", "laravel_herd", "0", "-", "_", "Az-9_", "x" * MAX_NAMED):
        assert given_problem(what, kept) is None


@pytest.mark.parametrize("what", ["key", "id"])
@pytest.mark.parametrize("bad", ["", "x" * (MAX_NAMED + 1), "a b", "a:b", "a/b", "#a", "é", "²", "a\n", "a.b", "%41"])
def test_what_does_not_fit_into_paths_channels_and_proofs_is_no_key_and_no_id(what: str, bad: str) -> None:
    assert given_problem(what, bad) == f"the {what} of an app has 1 to 64 letters, digits, '-' and '_'"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_no_app_is_called_as_the_servers_paths_are(word: str) -> None:
    assert "a word that the server's own paths are made of" in str(given_problem("key", word))
    assert given_problem("id", word) is not None
    assert given_problem("secret", word) is None
    assert given_problem("key", f"{word}s2") is None


def test_a_secret_is_any_visible_ascii() -> None:
    for kept in ("app-secret", "!", "~", "a:b/c@d'\"", "s" * MAX_SECRET):
        assert given_problem("secret", kept) is None
    for bad in ("", "s" * (MAX_SECRET + 1), "a b", "a\n", "\x7f", "é", "\ud800"):
        assert given_problem("secret", bad) == "the secret of an app has 1 to 128 visible ASCII characters"
