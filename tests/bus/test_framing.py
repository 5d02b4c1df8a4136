"""Envelopes survive being a stream, whatever pieces it comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.bus.framing import MOST, Deframer, OutOfStep, framed


@given(st.lists(st.binary(max_size=50), max_size=20), st.lists(st.integers(0, 60), max_size=60))
def test_envelopes_come_out_as_they_went_in_however_the_stream_is_cut(envelopes: list[bytes], cuts: list[int]) -> None:
    stream, deframer, found = b"".join(map(framed, envelopes)), Deframer(), []
    for cut in cuts:
        piece, stream = stream[:cut], stream[cut:]
        found += deframer.feed(piece)
    found += deframer.feed(stream)
    assert found == envelopes


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_noise_is_envelopes_or_out_of_step_and_nothing_else(pieces: list[bytes]) -> None:
    deframer, noise = Deframer(), b""
    found: list[bytes] = []
    try:
        for piece in pieces:
            noise += piece
            found += deframer.feed(piece)
    except OutOfStep:
        return
    assert noise.startswith(b"".join(map(framed, found)))


def test_a_large_envelope_in_small_pieces_is_put_together_once() -> None:
    envelope = bytes(range(256)) * 4096
    stream, deframer = framed(envelope), Deframer()
    found = [one for at in range(0, len(stream), 1000) for one in deframer.feed(stream[at : at + 1000])]
    assert found == [envelope]


def test_a_length_that_no_envelope_has_is_out_of_step() -> None:
    with pytest.raises(OutOfStep):
        Deframer().feed((MOST + 1).to_bytes(4, "big"))
