"""What the live view shows of what happens: enough of it, never too much, and no secrets of clients."""

from pushery.console.stream import MAX_DATA, MOST, Shown, Stream, shown
from pushery.core.witness import Sighting


def test_a_push_is_shown_with_its_text_and_size() -> None:
    seen = shown(7, Sighting(kind="push", pattern="^a", data="größe".encode(), receivers=3))
    assert seen == Shown(at_ms=7, kind="push", pattern="^a", data="größe", size=7, receivers=3)


def test_an_event_on_several_channels_names_the_first_and_all() -> None:
    seen = shown(7, Sighting(kind="event", channels=("a", "b"), event="x", data="{}"))
    assert (seen.channel, seen.channels, seen.event) == ("a", ("a", "b"), "x")


def test_large_data_is_cut_and_says_so() -> None:
    for data in ("y" * 5000, b"y" * 5000):
        seen = shown(7, Sighting(kind="push", data=data))
        assert (seen.data, seen.size, seen.cut) == ("y" * MAX_DATA, 5000, True)
    whole = shown(7, Sighting(kind="push", data="ü" * 1999))
    assert (whole.size, whole.cut) == (3998, False)


def test_bytes_that_are_cut_within_a_character_are_still_text() -> None:
    seen = shown(7, Sighting(kind="push", data="\N{PILE OF POO}".encode() * 3000))
    assert seen.data == "\N{PILE OF POO}" * MAX_DATA


def test_what_only_clients_can_read_is_not_shown() -> None:
    seen = shown(7, Sighting(kind="event", channels=("private-encrypted-x",), event="e", data='{"ciphertext":"q"}'))
    assert (seen.data, seen.encrypted, seen.size, seen.cut) == ("", True, 18, False)


def test_a_message_of_the_stream_has_a_screenful_and_the_number_of_all() -> None:
    times = iter(range(10_000))
    stream = Stream(lambda: next(times))
    assert stream.take() is None
    for _ in range(1000):
        stream.saw(Sighting(kind="push"))
    taken = stream.take()
    assert taken is not None
    assert taken.seen == 1000
    assert MOST // 2 <= len(taken.sightings) <= MOST
    assert [seen.at_ms for seen in taken.sightings] == sorted(seen.at_ms for seen in taken.sightings)
    assert stream.take() is None
