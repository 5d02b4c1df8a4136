"""The parts of the load test as values: frames, marks, and the count of what arrives."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.cli.load import payload
from pushery.cli.load.dialect import Channels, Tags
from pushery.cli.load.frames import PONG, TEXT, FrameError, ServerFrames, client_frame
from pushery.cli.load.tally import Receiver, Tally, percentiles
from pushery.core.apps import App
from pushery.wire.websocket import FrameReader, encode_frame

APP = App(
    id="7",
    key="a" * 32,
    secret="5" * 40,
    name="shop",
    auth_account="scott",
    auth_password="tiger",
    request_ip="127.0.0.1:1",
    registered_ms=0,
)


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 3000), max_size=8))
def test_frames_come_out_however_the_bytes_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(encode_frame(TEXT, each) for each in payloads)
    at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = ServerFrames()
    found = [frame for begin, end in pairwise(at) for frame in reader.feed(data[begin:end])]
    assert found == [(TEXT, each) for each in payloads]


def test_a_frame_of_64_kib_is_read() -> None:
    large = b"x" * 70_000
    assert ServerFrames().feed(encode_frame(TEXT, large)) == [(TEXT, large)]


@given(st.binary(max_size=125))
def test_a_server_reads_what_a_client_writes(body: bytes) -> None:
    (message,) = FrameReader(1024).feed(client_frame(PONG, body))
    assert message == (PONG, body)


def test_frames_that_nobody_asked_for_are_refused() -> None:
    for frame in (b"\x01\x00", encode_frame(TEXT, b"x", compressed=True), b"\x81\x85masked..."):
        with pytest.raises(FrameError):
            ServerFrames().feed(frame)


@given(st.integers(0, 7), st.integers(0, 10**9), st.integers(0, 2**62), st.integers(payload.SMALLEST, 1000))
def test_marks_are_found_again_also_within_json(lane: int, number: int, sent_ns: int, size: int) -> None:
    marks = payload.Marks(b"0123abcd", lane, number, sent_ns)
    text = payload.write(marks, size)
    assert len(text) == size
    assert payload.read(b'{"data":"' + text + b'"}') == marks


def test_what_has_no_marks_is_none_of_ours() -> None:
    assert payload.read(b'{"event":"pusher:ping"}') is None


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=40), st.integers(0, 3))
def test_faults_are_counted_as_a_naive_count_does(arrived: list[tuple[int, int]], more: int) -> None:
    tally = Tally(2)
    receiver = Receiver(tally)
    seen: set[tuple[int, int]] = set()
    highest = [-1, -1]
    duplicate = disordered = 0
    for lane, number in arrived:
        receiver.take(lane, number, 1)
        duplicate += (lane, number) in seen
        disordered += (lane, number) not in seen and number < highest[lane]
        seen.add((lane, number))
        highest[lane] = max(highest[lane], number)
    sent = [each + 1 + more for each in highest]
    lost = {(lane, number) for lane in (0, 1) for number in range(sent[lane])} - seen
    assert (tally.deliveries, tally.duplicate, tally.out_of_order) == (len(seen), duplicate, disordered)
    assert receiver.lost(sent, set()) == len(lost)
    assert receiver.lost(sent, lost) == 0


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles(array("I")) == {}
    found = percentiles(array("I", range(1000, 101_000, 100)))
    assert found == {"p50": 51.0, "p90": 91.0, "p99": 100.0, "p99.9": 100.9, "max": 100.9}


def test_both_dialects_push_to_this_run_alone() -> None:
    tags, channels = Tags(APP, "scott:tiger", "0123abcd"), Channels(APP, "0123abcd")
    path, body, headers = tags.push(b"hello", 0)
    assert (path, body) == (f"/api/push/{APP.key}", b"content=hello&user_tag=%5Epushery-bench-0123abcd-")
    assert headers["Authorization"].startswith("Basic ")
    path, body, _ = channels.push(b"hello", 0)
    assert path.startswith("/apps/7/events?auth_key=")
    assert body == b'{"name":"bench","channel":"pushery-bench-0123abcd","data":"hello"}'
