"""What clients bring from their backend. Vectors: protocol section 6, and the libraries' own."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.dialects.pusher.proofs import Unproved, check_sign_in, check_subscription
from tests.dialects.pusher.backend import KEY, SECRET, an_app

APP = an_app()
OTHER = an_app(4, "key", "secret")
SOCKET = "1234.1234"


def sign(secret: str, text: str) -> str:
    """By the book."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_the_vector_of_a_private_channel() -> None:
    auth = f"{KEY}:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    check_subscription(APP, auth, SOCKET, "private-foobar", None)


def test_the_vector_of_a_presence_channel() -> None:
    auth = f"{KEY}:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    channel_data = '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'
    check_subscription(APP, auth, SOCKET, "presence-foobar", channel_data)
    older = f"{KEY}:afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c"
    check_subscription(APP, older, SOCKET, "presence-foobar", channel_data.replace("Channels", "Pusher"))
    with pytest.raises(Unproved):
        check_subscription(APP, older, SOCKET, "presence-foobar", channel_data)


def test_the_vector_of_a_sign_in() -> None:
    auth = f"{KEY}:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    check_sign_in(APP, auth, SOCKET, '{"id":"12345"}')


def test_what_libraries_really_send() -> None:
    check_subscription(
        OTHER, "key:c5aa47b752511c57235060a2c81fc4eb2f1e59ffd20480e559dd315ffe5a51db", "1.2", "private-x", None
    )
    check_subscription(
        OTHER,
        "key:1829392d7880a825c9a9eb4f7deb923b61bb717f139d1d62c7a9894322f614a2",
        "1.2",
        "presence-x",
        '{"user_id":"u","user_info":{"n":1}}',
    )
    with_space = "key:766a93ad52d5628cae13fe4830ebb04e094c2ef07daf025ca40d0efd7bf2c1ed"
    without = "key:284254d816f47778ccedd8ef1df9f4d690263f4880819280c6084a13e87a3738"
    check_sign_in(OTHER, with_space, "1.2", '{"id": "u"}')
    check_sign_in(OTHER, without, "1.2", '{"id":"u"}')
    with pytest.raises(Unproved):
        check_sign_in(OTHER, with_space, "1.2", '{"id":"u"}')


def test_every_valid_key_of_the_app_signs_and_no_other() -> None:
    app = an_app(more=[("newer", "its secret")])
    check_subscription(app, f"newer:{sign('its secret', '1.2:private-x')}", "1.2", "private-x", None)
    with pytest.raises(Unproved, match=r"^Invalid key in subscription auth data: 'oldest'$"):
        check_subscription(app, f"oldest:{sign('its secret', '1.2:private-x')}", "1.2", "private-x", None)
    with pytest.raises(Unproved, match=r"^Invalid signature: "):
        check_subscription(app, f"{KEY}:{sign('its secret', '1.2:private-x')}", "1.2", "private-x", None)


def test_a_wrong_signature_is_told_what_had_to_be_signed_but_not_the_right_one() -> None:
    with pytest.raises(Unproved) as caught:
        check_subscription(APP, f"{KEY}:00", SOCKET, "presence-a", "{}")
    text = str(caught.value)
    assert text.startswith("Invalid signature: Expected HMAC SHA256 hex digest of ")
    assert text.endswith(", but got 00")
    assert sign(SECRET, f"{SOCKET}:presence-a:{{}}") not in text


@pytest.mark.parametrize("auth", ["", ":", KEY, f"{KEY}:", f":{KEY}", "a:b:c", f"{KEY}:x:y", "\ud800:\udfff", "ä:ö"])
def test_what_is_no_proof_is_refused(auth: str) -> None:
    with pytest.raises(Unproved):
        check_subscription(APP, auth, SOCKET, "private-a", None)
    with pytest.raises(Unproved):
        check_sign_in(APP, auth, SOCKET, "{}")


def test_no_proof_at_all_is_asked_for() -> None:
    with pytest.raises(Unproved, match=r"^Auth info required to subscribe to private-a$"):
        check_subscription(APP, "", SOCKET, "private-a", None)


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text + " ", lambda text: text[:-1], lambda text: text + "0"]
)
def test_a_signature_is_compared_as_it_stands(change: "type[str]") -> None:
    auth = f"{KEY}:{change(sign(SECRET, f'{SOCKET}:private-a'))}"
    with pytest.raises(Unproved):
        check_subscription(APP, auth, SOCKET, "private-a", None)


def test_a_proof_is_for_one_socket_one_channel_one_text_and_one_purpose() -> None:
    auth = f"{KEY}:{sign(SECRET, '1.2:private-a:{}')}"
    check_subscription(APP, auth, "1.2", "private-a", "{}")
    for socket_id, channel, data in (
        ("1.3", "private-a", "{}"),
        ("1.2", "private-b", "{}"),
        ("1.2", "private-a", None),
    ):
        with pytest.raises(Unproved):
            check_subscription(APP, auth, socket_id, channel, data)
    with pytest.raises(Unproved):
        check_sign_in(APP, f"{KEY}:{sign(SECRET, '1.2:{}')}", "1.2", "{}")


@given(st.text(), st.text(), st.none() | st.text())
def test_no_text_of_a_client_does_more_than_being_refused(auth: str, channel: str, data: str | None) -> None:
    for sent in (auth, f"{KEY}:{auth}"):
        with pytest.raises(Unproved):
            check_subscription(APP, sent, SOCKET, channel, data)
        with pytest.raises(Unproved):
            check_sign_in(APP, sent, SOCKET, data or "")
