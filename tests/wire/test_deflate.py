"""permessage-deflate: what is agreed on, and what messages become."""

import contextlib
import tracemalloc
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from pushery.wire.deflate import ANSWER, InflateError, deflate, inflate, negotiate

KIB = 1024

# --- Negotiation (RFC 7692 5 and 7.1) -------------------------------------------------------------------------------

ACCEPTED = {
    "as it is": b"permessage-deflate",
    "what Chrome and Firefox send": b"permessage-deflate; client_max_window_bits",
    "what Safari used to send": b"permessage-deflate",
    "every parameter that we know": (
        b"permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=15"
    ),
    "the smallest window": b"permessage-deflate; client_max_window_bits=8",
    "the largest window": b"permessage-deflate; client_max_window_bits=15",
    "a quoted value": b'permessage-deflate; client_max_window_bits="10"',
    "no white space": b"permessage-deflate;client_no_context_takeover;client_max_window_bits=9",
    "much white space": b" permessage-deflate \t;  client_max_window_bits =\t9 ; server_no_context_takeover ",
    "an extension of another kind before": b"x-webkit-deflate-frame, permessage-deflate",
    "an extension of another kind after": b"permessage-deflate, bbf-usp-protocol; a=b",
    "the same offer twice": b"permessage-deflate, permessage-deflate",
    "a fall-back behind what we cannot honour": (
        b"permessage-deflate; server_max_window_bits=10; client_max_window_bits, "
        b"permessage-deflate; client_max_window_bits"
    ),
    "a fall-back behind what is not valid": b"permessage-deflate; no_such_thing, permessage-deflate",
    "an acceptable offer before one that is not": b"permessage-deflate, permessage-deflate; no_such_thing",
}

DECLINED = {
    "nothing": b"",
    "an empty list": b" , ;, ",
    "another extension": b"x-webkit-deflate-frame; client_max_window_bits",
    "a name that only begins the same": b"permessage-deflate2",
    "a name in other words": b"foo; permessage-deflate",
    "a parameter nobody knows": b"permessage-deflate; no_such_thing",
    "an empty parameter": b"permessage-deflate;",
    "a parameter given twice": b"permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "a window given twice": b"permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
    "a window given twice, once bare": b"permessage-deflate; client_max_window_bits; client_max_window_bits=9",
    "a bound on our window": b"permessage-deflate; server_max_window_bits=10",
    "the widest bound on our window": b"permessage-deflate; server_max_window_bits=15",
    "a bound on our window without a value": b"permessage-deflate; server_max_window_bits",
    "a window too small": b"permessage-deflate; client_max_window_bits=7",
    "a window too large": b"permessage-deflate; client_max_window_bits=16",
    "a window with a leading zero": b"permessage-deflate; client_max_window_bits=08",
    "a window that is no number": b"permessage-deflate; client_max_window_bits=ten",
    "a window with an empty value": b"permessage-deflate; client_max_window_bits=",
    "a value for client_no_context_takeover": b"permessage-deflate; client_no_context_takeover=1",
    "a value for server_no_context_takeover": b"permessage-deflate; server_no_context_takeover=true",
    "an empty value for server_no_context_takeover": b"permessage-deflate; server_no_context_takeover=",
}


@pytest.mark.parametrize("offers", [pytest.param(offers, id=name) for name, offers in ACCEPTED.items()])
def test_an_offer_that_we_can_honour_is_taken(offers: bytes) -> None:
    assert negotiate(offers) == ANSWER


@pytest.mark.parametrize("offers", [pytest.param(offers, id=name) for name, offers in DECLINED.items()])
def test_an_offer_that_we_cannot_honour_is_passed_over(offers: bytes) -> None:
    assert negotiate(offers) == b""


@pytest.mark.parametrize("server_takeover_refused", [False, True])
@pytest.mark.parametrize("client_takeover_refused", [False, True])
@pytest.mark.parametrize("window", [None, True, 9, 15])
def test_the_websockets_client_agrees_to_our_answer(
    server_takeover_refused: bool, client_takeover_refused: bool, window: int | None
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_takeover_refused, client_takeover_refused, client_max_window_bits=window
    )
    offer = build_extension([(factory.name, list(factory.get_request_params()))])
    [(name, parameters)] = parse_extension(negotiate(offer.encode()).decode())
    assert name == factory.name
    agreed = factory.process_response_params(parameters, [])
    assert agreed.remote_no_context_takeover
    assert agreed.local_no_context_takeover
    assert agreed.remote_max_window_bits == 15


# --- Messages (RFC 7692 7.2) ----------------------------------------------------------------------------------------

HELLO = {
    "7.2.3.1 one block": "f2 48 cd c9 c9 07 00",
    "7.2.3.3 a block without compression": "00 05 00 fa ff 48 65 6c 6c 6f 00",
    "7.2.3.4 a block marked final": "f3 48 cd c9 c9 07 00 00",
    "a block marked final without the byte after it": "f3 48 cd c9 c9 07 00",
    "7.2.3.5 two blocks": "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
}


@pytest.mark.parametrize("payload", [pytest.param(bytes.fromhex(sample), id=name) for name, sample in HELLO.items()])
def test_the_samples_of_the_rfc_inflate(payload: bytes) -> None:
    assert inflate(payload, 5) == b"Hello"


def test_what_we_compress_is_the_rfcs_own_sample() -> None:
    assert deflate(b"Hello") == bytes.fromhex("f2 48 cd c9 c9 07 00")


def test_an_empty_message_is_one_zero_byte() -> None:
    assert deflate(b"") == b"\x00"
    assert inflate(b"\x00", 0) == b""


@given(st.binary(max_size=300), st.sampled_from((1, 1, 50, 1000)))
def test_what_is_deflated_inflates_at_exactly_its_size(some: bytes, times: int) -> None:
    payload = some * times
    compressed = deflate(memoryview(payload))
    assert inflate(compressed, len(payload)) == payload
    if payload:
        with pytest.raises(InflateError) as caught:
            inflate(compressed, len(payload) - 1)
        assert caught.value.too_big


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.sampled_from((1, 9, 1000)), st.integers(9, 15))
def test_websockets_inflates_what_we_deflate_and_we_what_it_deflates(
    parts: list[bytes], times: int, window: int
) -> None:
    payload = b"".join(parts) * times
    theirs = PerMessageDeflate(True, True, 15, window, {"memLevel": 5})
    assert theirs.decode(Frame(Opcode.BINARY, deflate(payload), rsv1=True)).data == payload
    sent = b""
    for number, part in enumerate(parts):
        opcode = Opcode.CONT if number else Opcode.BINARY
        sent += bytes(theirs.encode(Frame(opcode, part * times, fin=number == len(parts) - 1)).data)
    assert inflate(sent, 4 * KIB * KIB) == b"".join(part * times for part in parts)


def test_compressing_the_same_again_gives_the_same_bytes_so_that_one_serves_all() -> None:
    assert deflate(b"Hello" * 100) == deflate(b"Hello" * 100)


GARBAGE = {
    "no bytes at all": b"",
    "a reserved block type": b"\x07",
    "noise": b"\xff" * 20,
    "lengths that do not agree": b"\x00\x05\x00\x00\x00Hello",
    "a distance before the beginning": bytes.fromhex("4a 04 22 00"),
    "a block that breaks off": bytes.fromhex("f2 48 cd"),
    "a table of codes that breaks off": b"\x04\x00",
    "a stored block that breaks off": bytes.fromhex("00 05 00 fa ff 48"),
    "a tail that was not taken off": bytes.fromhex("f2 48 cd c9 c9 07 00 00 00 ff ff"),
    "data behind a block marked final": bytes.fromhex("f3 48 cd c9 c9 07 00 48 65"),
    "a message behind a block marked final": bytes.fromhex("f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00"),
    "a zlib header": zlib.compress(b"Hello"),
}


@pytest.mark.parametrize("payload", [pytest.param(payload, id=name) for name, payload in GARBAGE.items()])
def test_what_is_no_whole_deflate_stream_is_an_error(payload: bytes) -> None:
    with pytest.raises(InflateError) as caught:
        inflate(payload, KIB)
    assert not caught.value.too_big


@given(st.binary(min_size=1, max_size=300).map(deflate), st.data())
def test_a_message_that_breaks_off_is_never_taken_for_a_shorter_one(compressed: bytes, data: st.DataObject) -> None:
    part = compressed[: data.draw(st.integers(0, len(compressed) - 1))]
    assume(part != b"\x00")  # the whole of the empty message, and the first byte of some others
    with pytest.raises(InflateError):
        inflate(part, KIB)


@given(st.binary(max_size=200), st.integers(0, 64))
def test_arbitrary_bytes_inflate_within_the_limit_or_are_an_error(payload: bytes, limit: int) -> None:
    with contextlib.suppress(InflateError):
        assert len(inflate(payload, limit)) <= limit


@pytest.mark.parametrize("size", [KIB + 1, KIB * KIB, 64 * KIB * KIB])
def test_a_bomb_is_given_up_at_the_limit(size: int) -> None:
    bomb = deflate(bytes(size))
    tracemalloc.start()
    try:
        with pytest.raises(InflateError) as caught:
            inflate(bomb, KIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.too_big
    assert peak < 3 * len(bomb) + 64 * KIB  # the bomb with its end, what zlib left of it, and zlib's window
