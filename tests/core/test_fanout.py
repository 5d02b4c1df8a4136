"""The fan-out, case by case: what is written at once, what slice by slice, and to whom."""

import subprocess
import sys

import pytest

from pushery.core.audience import Audience
from pushery.core.fanout import GATHER_BYTES, FanOut

from .clients import LAYER, Client, crowd, finish, frame_of, ignore


def test_a_small_audience_is_counted_at_once_and_written_at_the_end_of_the_turn() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(3)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore) == 3
    assert all(client.taken == [] for client in clients)
    fanout.flush()
    assert all(client.taken == [b"1;"] for client in clients)
    fanout.flush()
    assert all(client.writes == 1 for client in clients)


def test_what_one_turn_brings_to_an_audience_is_one_write_per_client() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(3)
    for number in range(5):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore)
    fanout.flush()
    assert all(client.writes == 1 for client in clients)
    assert all(client.taken == [b"0;", b"1;", b"2;", b"3;", b"4;"] for client in clients)


def test_order_holds_between_pushes_to_all_and_pushes_to_some() -> None:
    some, clients = crowd(2)
    everyone = dict(some)
    fanout = FanOut(10)
    for number in range(6):
        audience, layer = ((everyone,), "all") if number % 2 else ((some,), "some")
        fanout.publish(frame_of(number), audience, layer, ignore)
    fanout.flush()
    assert all(client.taken == [frame_of(number) for number in range(6)] for client in clients)


def test_who_joins_within_the_turn_gets_only_what_is_published_after() -> None:
    audience, clients = crowd(1)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore) == 1
    fanout.before_joining()
    late = Client()
    late.join(audience)
    assert fanout.publish(b"2;", (audience,), LAYER, ignore) == 2
    fanout.flush()
    assert clients[0].taken == [b"1;", b"2;"]
    assert late.taken == [b"2;"]


def test_nobody_is_a_total_of_zero() -> None:
    fanout = FanOut(3)
    assert fanout.publish(b"1;", (), LAYER, ignore) == 0
    assert fanout.publish(b"1;", ({},), LAYER, ignore) == 0
    fanout.flush()
    assert not fanout.step()


def test_a_larger_audience_is_written_slice_by_slice() -> None:
    audience, clients = crowd(7)
    fanout = FanOut(3)
    totals: list[int] = []
    assert fanout.publish(b"1;", (audience,), LAYER, totals.append) is None
    written = [sum(client.writes for client in clients)]
    while fanout.step():
        assert totals == []
        written.append(sum(client.writes for client in clients))
    assert written == [0, 3, 6]
    assert totals == [7]
    assert all(client.taken == [b"1;"] for client in clients)


def test_several_audiences_are_one_broadcast() -> None:
    (first, _), (second, _) = crowd(2), crowd(2)
    fanout = FanOut(3)
    totals: list[int] = []
    fanout.publish(b"1;", (first, second), LAYER, totals.append)
    assert fanout.step()
    assert not fanout.step()
    assert totals == [4]


def test_broadcasts_to_the_same_audience_are_one_write_until_the_first_has_begun() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(3)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    fanout.step()
    fanout.publish(b"3;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert totals == [4, 4, 4]
    assert all(client.taken == [b"1;", b"2;", b"3;"] for client in clients)
    assert all(client.writes == 2 for client in clients)


def test_broadcasts_to_different_audiences_stay_apart() -> None:
    (one, ones), (other, others) = crowd(4), crowd(4)
    fanout = FanOut(3)
    for frame, audiences in ((b"1;", (one,)), (b"2;", (other,)), (b"3;", (one,)), (b"4;", (one, other))):
        fanout.publish(frame, audiences, LAYER, ignore)
    finish(fanout)
    assert all(client.taken == [b"1;", b"3;", b"4;"] for client in ones)
    assert all(client.taken == [b"2;", b"4;"] for client in others)


def test_a_client_that_leaves_before_its_turn_is_neither_written_nor_counted() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.step()
    clients[0].leave()
    clients[3].leave()
    finish(fanout)
    assert [client.taken for client in clients] == [[b"1;"], [b"1;"], [b"1;"], []]
    assert totals == [3]


def test_who_joins_during_a_broadcast_gets_the_next_but_not_this_one() -> None:
    audience, _ = crowd(4)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.before_joining()
    late = Client()
    late.join(audience)
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert late.offered == [b"2;"]
    assert totals == [4, 5]


def test_broadcasts_are_gathered_again_after_somebody_has_joined() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    fanout.before_joining()
    for number in range(3):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore)
    finish(fanout)
    assert all(client.writes == 1 for client in clients)


def test_a_small_push_first_hands_its_receivers_all_that_is_still_owed_to_them() -> None:
    audience, clients = crowd(6)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.step()
    fanout.publish(b"2;", (audience,), LAYER, totals.append)
    few: Audience = {client: audience[client] for client in clients[4:]}
    assert fanout.publish(b"3;", (few,), "another layer", ignore) == 2
    fanout.flush()
    everything = [b"1;", b"2;", b"3;"]
    assert [client.taken for client in clients] == [[b"1;"], [b"1;"], [], [], everything, everything]
    finish(fanout)
    assert all(client.taken[:2] == [b"1;", b"2;"] for client in clients)
    assert totals == [6, 6]


def test_an_empty_push_into_a_running_broadcast_disturbs_nothing() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(2)
    fanout.publish(b"1;", (audience,), LAYER, ignore)
    assert fanout.publish(b"2;", ({},), LAYER, ignore) == 0
    fanout.flush()
    assert all(client.taken == [] for client in clients)


@pytest.mark.parametrize("slice_size", [1, 3, 100])
def test_writes_that_raise_cost_nobody_else_the_frame_and_are_noted(slice_size: int) -> None:
    audience: Audience = {}
    clients = [Client(raises_every=number % 2) for number in range(6)]
    for client in clients:
        client.join(audience)
    fanout = FanOut(slice_size)
    totals: list[int] = []
    at_once = fanout.publish(b"1;", (audience,), LAYER, totals.append)
    finish(fanout)
    assert fanout.broken == clients[1::2]
    assert [client.taken for client in clients] == [[b"1;"], []] * 3
    assert (at_once, totals) == ((6, []) if slice_size == 100 else (None, [3]))


def test_what_has_been_published_goes_the_way_a_client_has_when_it_is_written() -> None:
    audience, clients = crowd(4)
    for fanout in (FanOut(2), FanOut(10)):
        fanout.publish(b"1;", (audience,), LAYER, ignore)
        clients[3].redirect()
        finish(fanout)
    assert all(client.taken == [b"1;", b"1;"] for client in clients)


def test_a_broadcast_that_everybody_left_still_ends() -> None:
    audience, clients = crowd(5)
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    for client in clients:
        client.leave()
    finish(fanout)
    assert totals == [0]


def test_audiences_that_were_published_the_same_frames_are_written_one_and_the_same_piece() -> None:
    fanout = FanOut(100)
    pieces: list[bytes] = []
    audiences: list[Audience] = [{object(): pieces.append} for _ in range(3)]
    for number in range(2):
        fanout.publish(frame_of(number), audiences, LAYER, lambda total: None)
    fanout.flush()
    assert pieces == [frame_of(0) + frame_of(1)] * 3
    assert len({id(piece) for piece in pieces}) == 1


def test_what_is_gathered_is_written_when_it_has_become_large() -> None:
    fanout = FanOut(100)
    pieces: list[bytes] = []
    audience: Audience = {object(): pieces.append}
    frame = bytes(GATHER_BYTES // 2)
    for written in (0, 0, 1):
        fanout.publish(frame, [audience], LAYER, lambda total: None)
        assert len(pieces) == written
    fanout.flush()
    assert b"".join(pieces) == frame * 3


WITHOUT_MEMORY = """
import re, resource
from pathlib import Path
from pushery.core.fanout import FanOut

taken = {1: [], 2: []}
both, other = {1: taken[1].append}, {2: taken[2].append}
fanout, frames = FanOut(10), [bytes(120_000), bytes(120_000), b"small"]
for frame in frames[:2]:
    fanout.publish(frame, (both,), None, print)
fanout.publish(frames[2], (other,), None, print)
in_use = int(re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (in_use + 100_000,) * 2)
fanout.flush()
print(fanout.broken, taken)
"""


def test_those_for_whom_there_is_no_memory_are_noted_and_the_others_get_their_frames() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_MEMORY], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[1] {1: [], 2: [b'small']}\n"), done.stderr
