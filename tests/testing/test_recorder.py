"""What was pushed, as values: finding, waiting, and what a failure says."""

import threading

import pytest

from pushery.core.publications import (
    ENVELOPE_VERSION,
    ChannelEvent,
    Publication,
    Published,
    PublishedEvents,
    Terminated,
    encode_envelope,
)
from pushery.testing.recorder import Pushed, Recorder, Tap


def recorded(*envelopes: Published | PublishedEvents | Terminated, app_key: str = "") -> Recorder:
    """A recorder that has heard these."""
    tap, recorder = Tap(), Recorder(app_key)
    tap.add(recorder)
    for envelope in envelopes:
        tap.send(encode_envelope(envelope))
    return recorder


def text(content: str, pattern: str | None = None, app_key: str = "k") -> Published:
    return Published(ENVELOPE_VERSION, "o", Publication(app_key, content.encode(), pattern))


def event(*channels: str, name: str = "paid", data: str = '{"id":1}', pattern: str | None = None) -> PublishedEvents:
    return PublishedEvents(ENVELOPE_VERSION, "o", "k", (ChannelEvent(name, data, channels, pattern),))


def test_an_event_to_several_channels_is_one_for_each() -> None:
    assert recorded(event("a", "b")).events == [
        Pushed("k", '{"id":1}', {"id": 1}, "a", "paid"),
        Pushed("k", '{"id":1}', {"id": 1}, "b", "paid"),
    ]


def test_a_text_is_kept_as_it_is_and_decoded_where_it_is_json() -> None:
    assert [pushed.data for pushed in recorded(text("plain"), text("[1]"))] == ["plain", [1]]


def test_what_is_not_pushed_is_not_recorded() -> None:
    assert recorded(Terminated(ENVELOPE_VERSION, "o", "k", "u")).events == []


def test_a_recorder_of_one_app_hears_nothing_of_others() -> None:
    assert [pushed.text for pushed in recorded(text("a"), text("b", app_key="other"), app_key="k")] == ["a"]


def test_a_tag_finds_what_its_client_would_have_got() -> None:
    recorder = recorded(text("all"), text("sevens", "7$"), text("eights", "8$"), event("a"))
    assert [pushed.text for pushed in recorder.find(tag="user-7")] == ["all", "sevens"]


def test_a_channel_finds_what_its_subscribers_would_have_got() -> None:
    recorder = recorded(text("all"), event("room-1"), event(pattern="^room-"), event("other"))
    assert len(recorder.find(channel="room-1")) == 2
    assert recorder.find(channel="room-1", event="paid", data={"id": 1}) == recorder.find(channel="room-1")


def test_none_can_be_asked_for_as_data() -> None:
    recorder = recorded(event("a", data="null"), event("a", data="0"))
    assert [pushed.text for pushed in recorder.find(data=None)] == ["null"]


def test_waiting_returns_what_was_pushed_already_and_what_comes_later() -> None:
    tap, recorder = Tap(), Recorder()
    tap.add(recorder)
    later = threading.Timer(0.05, tap.send, [encode_envelope(event("a"))])
    later.start()
    assert recorder.wait_for("paid", "a").channel == "a"
    assert recorder.wait_for("paid", timeout_s=0).channel == "a"
    later.join()


def test_waiting_in_vain_tells_what_was_pushed_instead() -> None:
    recorder = recorded(event("a"), text("hi", "^x"), text("y" * 300))
    with pytest.raises(AssertionError) as failed:
        recorder.wait_for("paid", "orders", data={"id": 2}, timeout_s=0.01)
    assert str(failed.value) == (
        "nothing was pushed with event='paid', channel='orders', data={'id': 2} within 0.01 s. What was pushed:\n"
        "  1. event 'paid' to channel 'a': {\"id\":1}\n"
        "  2. text to tags matching '^x': hi\n"
        f"  3. text to everybody: {'y' * 200}…"
    )


def test_silence_is_told_as_such() -> None:
    with pytest.raises(AssertionError, match=r"nothing was pushed with tag='a'\. Nothing at all was pushed\."):
        recorded().assert_pushed(tag="a")


def test_times_are_counted() -> None:
    recorder = recorded(event("a"), event("a"))
    assert recorder.assert_pushed("paid", times=2).channel == "a"
    with pytest.raises(AssertionError, match="pushed 2 times, not 1, with event='paid'"):
        recorder.assert_pushed("paid", times=1)


def test_what_must_not_be_pushed_is_told_when_it_was() -> None:
    recorder = recorded(event("a"))
    recorder.assert_not_pushed("other")
    with pytest.raises(AssertionError, match="something was pushed with anything at all"):
        recorder.assert_not_pushed()
    recorder.clear()
    recorder.assert_not_pushed()
    assert len(recorder) == 0


def test_a_recorder_that_is_taken_away_hears_nothing_more() -> None:
    tap, recorder = Tap(), Recorder()
    has_peers = [tap.has_peers]
    tap.add(recorder)
    has_peers.append(tap.has_peers)
    tap.remove(recorder)
    tap.send(encode_envelope(event("a")))
    assert has_peers == [False, True]
    assert recorder.events == []
