"""Settings as they are written on the command line, and back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.cli.assignments import parse_assignments, value_text
from pushery.core.appchanges import SETTING_NAMES, SettingsError, change_settings
from pushery.core.appsettings import HOOK_EVENTS, MAX_KEY_TEXT, AppSettings, Webhook
from tests.core.minting import signer

HOSTS = st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9})?", fullmatch=True)
URLS = HOSTS.map(lambda host: f"https://{host}/a,b") | HOSTS.map(lambda host: f"http://{host}")
KEYS = (
    signer("ES256").pem,
    signer("EdDSA").pem.replace("\n", " ").strip(),
    json.dumps({"keys": [signer("EdDSA").jwk(kid="a")]}),
    json.dumps(signer("ES256").jwk(), indent=1),
)
VALUES = st.builds(
    AppSettings,
    enabled=st.booleans(),
    tls_only=st.booleans(),
    authorization_timeout=st.floats(0.1, 3600),
    max_connections=st.integers(0, 10_000_000),
    allowed_origins=st.lists(HOSTS, max_size=4).map(tuple),
    token_keys=st.lists(st.sampled_from(KEYS), max_size=3).map(tuple),
    token_issuer=st.sampled_from(["", "https://id.example/?a=b,c", "@x"]),
    connect_hook=st.just("") | URLS,
    webhooks=st.lists(
        st.builds(
            Webhook, url=URLS, events=st.lists(st.sampled_from(HOOK_EVENTS), max_size=3).map(tuple), headers=st.just({})
        ),
        max_size=3,
    ).map(tuple),
)


def problems(*texts: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_assignments(texts)
    return caught.value.problems


@given(VALUES)
def test_every_value_can_be_set_as_it_is_shown(settings: AppSettings) -> None:
    texts = [f"{name}={value_text(getattr(settings, name))}" for name in SETTING_NAMES]
    assert change_settings(AppSettings(), parse_assignments(texts)) == settings


@pytest.mark.parametrize("word", ["true", "on", "yes", "1", "TRUE"])
def test_a_switch_goes_on_with_any_word_that_means_it(word: str) -> None:
    assert parse_assignments([f"client_events={word}"]) == {"client_events": True}


def test_an_empty_value_is_the_default() -> None:
    assert parse_assignments(["webhooks=", "enabled=", "max_batch="]) == dict.fromkeys(
        ("webhooks", "enabled", "max_batch")
    )


def test_lists_are_words_with_commas_or_json() -> None:
    hook = {"url": "http://a", "events": ["connected"]}
    assert parse_assignments(["allowed_origins=a.com, *.b.com", "webhooks=http://a,http://b/?x=1"]) == {
        "allowed_origins": ["a.com", "*.b.com"],
        "webhooks": [{"url": "http://a"}, {"url": "http://b/?x=1"}],
    }
    assert parse_assignments([f"webhooks={json.dumps([hook])}"]) == {"webhooks": [hook]}
    assert parse_assignments(['allowed_origins=["a.com"]']) == {"allowed_origins": ["a.com"]}


def test_a_text_in_the_json_of_webhooks_is_a_url() -> None:
    hook = {"url": "http://a", "events": ["connected"]}
    assert parse_assignments([f"webhooks={json.dumps(['https://b/?x=1,2', hook])}"]) == {
        "webhooks": [{"url": "https://b/?x=1,2"}, hook]
    }
    assert parse_assignments(["webhooks=[1]"]) == {"webhooks": [1]}


def test_keys_are_read_from_files_or_stand_there_themselves(tmp_path: Path) -> None:
    pem, keys = tmp_path / "public.pem", tmp_path / "keys.json"
    pem.write_text(KEYS[0])
    keys.write_text(KEYS[2])
    assert parse_assignments([f"token_keys=@{pem}, @{keys}"]) == {"token_keys": [KEYS[0], KEYS[2]]}
    for text in (KEYS[0], KEYS[2]):
        assert parse_assignments([f"token_keys={text}"]) == {"token_keys": [text]}
    assert parse_assignments([f"token_keys={json.dumps(KEYS)}"]) == {"token_keys": list(KEYS)}


def test_a_file_that_is_no_key_is_one_clear_line(tmp_path: Path) -> None:
    binary, long = tmp_path / "key.der", tmp_path / "long"
    binary.write_bytes(b"\x30\x82\xff")
    long.write_text("x" * 10 * MAX_KEY_TEXT)
    assert problems(f"token_keys=@{tmp_path / 'none'}") == [
        f"token_keys: {tmp_path / 'none'} cannot be read: No such file or directory"
    ]
    assert problems(f"token_keys=@{binary}") == [f"token_keys: {binary} is neither PEM nor JSON"]
    assert problems(f"token_keys=@{binary},x") != []
    assert "'x' has no @ before it" in problems(f"token_keys=@{long},x")[0]
    [text] = parse_assignments([f"token_keys=@{long}"])["token_keys"]
    with pytest.raises(SettingsError, match="length <= 16384"):
        change_settings(AppSettings(), {"token_keys": [text]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("client_events=maybe", ["client_events", "'maybe' is neither true nor false"]),
        ("max_batch=ten", ["max_batch", "'ten' is not a whole number"]),
        ("max_batch=1.5", ["not a whole number"]),
        ("max_batch=1_0", ["not a whole number"]),
        ("max_batch=" + "9" * 5000, ["not a whole number"]),
        ("authorization_timeout=nan", ["not a number"]),
        ("authorization_timeout=inf", ["not a number"]),
        ("authorization_timeout=soon", ["not a number"]),
        ("webhooks=[{", ["webhooks", "not a JSON array"]),
        ("webhooks=" + "[" * 100_000, ["not a JSON array"]),
        ("client_events", ["has no value", "client_events=VALUE"]),
        ("client_evnts=true", ["did you mean 'client_events'?", "max_batch"]),
        ("=true", ["there is no setting ''"]),
        ("", ["there is no setting ''"]),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(text: str, words: list[str]) -> None:
    [line] = problems(text)
    assert [word for word in words if word not in line] == []


def test_all_that_cannot_be_read_is_said_at_once() -> None:
    assert len(problems("max_batch=x", "max_batch=2", "enabled", "nothing=1", "client_events=true")) == 4


@given(st.lists(st.text() | st.tuples(st.sampled_from(SETTING_NAMES), st.text()).map("=".join)))
def test_no_text_breaks_the_reading_of_it(texts: list[str]) -> None:
    try:
        names = set(parse_assignments(texts))
    except SettingsError:
        names = set()
    assert names <= set(SETTING_NAMES)
