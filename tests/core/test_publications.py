import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.publications import (
    ENVELOPE_VERSION,
    ChannelEvent,
    Envelope,
    Publication,
    Published,
    PublishedEvents,
    Terminated,
    Unregistered,
    decode_envelope,
    encode_envelope,
)

KEPT = Published(ENVELOPE_VERSION, "node-1", Publication("key", b"hello", "^A:1$", "id-1"))

publications = st.builds(Publication, app_key=st.text(), text=st.binary(), pattern=st.none() | st.text(), id=st.text())
events = st.builds(
    ChannelEvent,
    event=st.text(),
    data=st.text(),
    channels=st.lists(st.text()).map(tuple),
    pattern=st.none() | st.text(),
    without=st.text(),
    user_id=st.none() | st.text(),
    cached=st.booleans(),
    id=st.text(),
)
versions = st.just(ENVELOPE_VERSION)
envelopes: st.SearchStrategy[Envelope] = st.one_of(
    st.builds(Published, versions, st.text(), publications),
    st.builds(PublishedEvents, versions, st.text(), st.text(), st.lists(events).map(tuple)),
    st.builds(Terminated, versions, st.text(), st.text(), st.text()),
    st.builds(Unregistered, versions, st.text(), st.text()),
)


@given(envelopes)
def test_an_envelope_arrives_as_it_was_sent(envelope: Envelope) -> None:
    assert decode_envelope(encode_envelope(envelope)) == envelope


def test_no_pattern_and_an_empty_pattern_stay_apart() -> None:
    for pattern in (None, ""):
        envelope = Published(ENVELOPE_VERSION, "", Publication("key", b"", pattern))
        decoded = decode_envelope(encode_envelope(envelope))
        assert isinstance(decoded, Published)
        assert decoded.publication.pattern == pattern


@pytest.mark.parametrize("version", [0, ENVELOPE_VERSION + 1, -1, 2**63])
def test_an_envelope_of_another_version_is_not_understood(version: int) -> None:
    assert decode_envelope(encode_envelope(Published(version, "node-1", KEPT.publication))) is None
    assert decode_envelope(encode_envelope(Unregistered(version, "node-1", "key"))) is None
    assert decode_envelope(encode_envelope(PublishedEvents(version, "node-1", "key", ()))) is None
    assert decode_envelope(encode_envelope(Terminated(version, "node-1", "key", "user"))) is None


@pytest.mark.parametrize(
    "other",
    [
        None,
        [],
        "p",
        {"version": 1},
        ["q", ENVELOPE_VERSION, "node-1", "key"],
        ["u", ENVELOPE_VERSION, "node-1"],
        ["u", "1", "node-1", "key"],
        ["p", ENVELOPE_VERSION, "node-1", "not a publication"],
        ["p", ENVELOPE_VERSION, "node-1", {"app_key": "key"}],
    ],
)
def test_messages_of_another_shape_are_not_understood(other: object) -> None:
    assert decode_envelope(msgspec.msgpack.encode(other)) is None


@given(st.binary())
def test_garbage_is_not_understood(data: bytes) -> None:
    assert decode_envelope(data) is None


@given(envelopes, st.data())
def test_a_damaged_envelope_does_no_harm(envelope: Envelope, data: st.DataObject) -> None:
    whole = encode_envelope(envelope)
    at = data.draw(st.integers(0, len(whole) - 1))
    assert decode_envelope(whole[:at]) is None
    damaged = whole[:at] + data.draw(st.binary(min_size=1, max_size=1)) + whole[at + 1 :]
    assert isinstance(decode_envelope(damaged), Envelope | None)


def test_text_that_is_not_utf8_is_not_understood() -> None:
    assert decode_envelope(encode_envelope(KEPT).replace(b"node-1", b"node-\xff")) is None
    assert decode_envelope(b"\x94\xa1\xff\x01\xa1n\xa1k") is None


def test_nesting_without_end_is_not_understood() -> None:
    assert decode_envelope(b"\x95\xa1u\x01\xa1n\xa1k" + b"\x91" * 100_000 + b"\x01") is None


def test_a_later_minor_version_may_add_to_the_end() -> None:
    members = ["u", ENVELOPE_VERSION, "node-1", "key", {"more": [1, 2]}]
    assert decode_envelope(msgspec.msgpack.encode(members)) == Unregistered(ENVELOPE_VERSION, "node-1", "key")
