"""Which names channels may have, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.channelnames import KINDS, MAX_CHANNEL_NAME, USER_CHANNEL, is_channel_name, kind_of

ALLOWED = "-abcXYZ019_=@,.;"
names = st.text(st.sampled_from(ALLOWED), min_size=1, max_size=MAX_CHANNEL_NAME)


@pytest.mark.parametrize(
    ("prefix", "private", "presence", "cached", "encrypted", "client_events"),
    [
        ("private-encrypted-cache-", True, False, True, True, False),
        ("private-encrypted-", True, False, False, True, False),
        ("private-cache-", True, False, True, False, True),
        ("private-", True, False, False, False, True),
        ("presence-cache-", True, True, True, False, True),
        ("presence-", True, True, False, False, True),
        ("cache-", False, False, True, False, False),
        ("", False, False, False, False, False),
    ],
)
def test_the_kinds_are_those_of_the_protocol(
    prefix: str, private: bool, presence: bool, cached: bool, encrypted: bool, client_events: bool
) -> None:
    for name in (prefix + "x", prefix + "private-x", prefix + "presence-x", prefix + "-"):
        if not prefix and name != "x" and name != "-":
            continue
        kind = kind_of(name)
        assert kind.prefix == prefix
        assert (kind.private, kind.presence, kind.cached, kind.encrypted) == (private, presence, cached, encrypted)
        assert kind.client_events == client_events
        assert not kind.to_user


@pytest.mark.parametrize(
    "name",
    ["private", "presence", "cache", "privately-x", "cachet", "x-private-y", "my-cache-x", "Private-x", "presence_x"],
)
def test_a_prefix_counts_only_at_the_start_with_its_dash_and_in_its_letters(name: str) -> None:
    assert kind_of(name).prefix == ""


def test_a_prefix_alone_is_of_its_kind() -> None:
    for kind in KINDS:
        if kind.prefix:
            assert kind_of(kind.prefix) == kind


def test_a_users_own_channel_is_of_a_kind_of_its_own() -> None:
    kind = kind_of("#server-to-user-u1")
    assert kind.to_user
    assert (kind.private, kind.presence, kind.cached, kind.client_events) == (False,) * 4


@given(names)
def test_the_kind_is_that_of_the_longest_prefix(name: str) -> None:
    fitting = [kind.prefix for kind in KINDS if name.startswith(kind.prefix)]
    assert kind_of(name).prefix == max(fitting, key=len)


@given(names)
def test_names_of_the_allowed_characters_are_names(name: str) -> None:
    assert is_channel_name(name)


@given(st.text(max_size=250))
def test_anything_else_is_not(name: str) -> None:
    plain = len(name) < MAX_CHANNEL_NAME and all(
        letter.isascii() and (letter.isalnum() or letter in "-_=@,.;") for letter in name
    )
    assert is_channel_name("x" + name) == plain
    assert not is_channel_name("x" + name + " ")
    assert not is_channel_name("##" + name)


@pytest.mark.parametrize(
    "name", ["", "#", "#x", "a b", "a/b", "a\n", "\na", "ä", "a#b", "a:b", "a*", "#server-to-user"]
)
def test_names_that_are_none(name: str) -> None:
    assert not is_channel_name(name)


def test_a_name_has_at_most_200_characters() -> None:
    assert is_channel_name("a" * 200)
    assert not is_channel_name("a" * 201)
    assert is_channel_name(USER_CHANNEL + "u" * (200 - len(USER_CHANNEL)))
    assert not is_channel_name(USER_CHANNEL + "u" * (201 - len(USER_CHANNEL)))


def test_a_users_channel_ends_in_the_id_of_a_user_whatever_its_letters() -> None:
    assert is_channel_name(USER_CHANNEL + "ä b/#\n")
    assert not is_channel_name(USER_CHANNEL)
