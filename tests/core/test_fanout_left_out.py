"""The fan-out where somebody is left out, or about to leave: the others get everything, in order."""

from pushery.core.audience import Audience
from pushery.core.fanout import FanOut

from .clients import LAYER, Client, crowd, finish, frame_of, ignore


def test_who_is_left_out_gets_nothing_and_is_not_counted() -> None:
    audience, clients = crowd(3)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore, clients[1]) == 2
    fanout.flush()
    assert [client.taken for client in clients] == [[b"1;"], [], [b"1;"]]
    assert clients[1].writes == 0
    assert fanout.publish(b"2;", (audience,), LAYER, ignore) == 3
    fanout.flush()
    assert clients[1].taken == [b"2;"]


def test_leaving_out_a_stranger_leaves_out_nobody() -> None:
    audience, clients = crowd(2)
    fanout = FanOut(10)
    assert fanout.publish(b"1;", (audience,), LAYER, ignore, Client()) == 2
    fanout.flush()
    assert all(client.taken == [b"1;"] for client in clients)


def test_several_are_left_out_within_one_turn_and_all_others_get_one_piece() -> None:
    audience, clients = crowd(4)
    fanout = FanOut(10)
    for number, without in enumerate([clients[0], None, clients[1], clients[0], clients[2]]):
        fanout.publish(frame_of(number), (audience,), LAYER, ignore, without)
    fanout.flush()
    assert [client.taken for client in clients] == [
        [b"1;", b"2;", b"4;"],
        [b"0;", b"1;", b"3;", b"4;"],
        [b"0;", b"1;", b"2;", b"3;"],
        [b"0;", b"1;", b"2;", b"3;", b"4;"],
    ]
    assert [client.writes for client in clients] == [1, 1, 1, 1]


def test_who_is_left_out_of_one_audience_gets_what_another_brings() -> None:
    (one, clients), other = crowd(3), {}
    other.update(one)
    fanout = FanOut(10)
    fanout.publish(b"1;", (one,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (other,), LAYER, ignore, clients[1])
    fanout.flush()
    assert [client.taken for client in clients] == [[b"2;"], [b"1;"], [b"1;", b"2;"]]


def test_slow_clients_that_are_left_out_keep_the_way_they_have_chosen() -> None:
    audience: Audience = {}
    clients = [Client(swaps_every=1) for _ in range(3)]
    for client in clients:
        client.join(audience)
    fanout = FanOut(10)
    for turn in range(3):
        for number, without in enumerate([clients[0], clients[1], None]):
            fanout.publish(frame_of(3 * turn + number), (audience,), LAYER, ignore, without)
        fanout.flush()
    assert fanout.broken == []
    assert [len(client.taken) for client in clients] == [6, 6, 9]
    assert [client.way for client in clients] == [4, 4, 4]


def test_a_way_chosen_between_publishing_and_writing_is_the_one_that_is_used() -> None:
    audience, clients = crowd(2)
    fanout = FanOut(10)
    fanout.publish(b"1;", (audience,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (audience,), LAYER, ignore)
    clients[0].redirect()
    fanout.flush()
    assert clients[0].taken == [b"2;"]
    assert fanout.broken == []


def test_a_client_that_is_left_out_and_raises_costs_nobody_else_anything() -> None:
    audience: Audience = {}
    clients = [Client(raises_every=1), Client()]
    for client in clients:
        client.join(audience)
    fanout = FanOut(10)
    fanout.publish(b"1;", (audience,), LAYER, ignore, clients[0])
    fanout.publish(b"2;", (audience,), LAYER, ignore)
    fanout.flush()
    assert fanout.broken == clients[:1]
    assert clients[0].offered == [b"2;"]
    assert clients[1].taken == [b"1;", b"2;"]
    fanout.publish(b"3;", (audience,), LAYER, ignore)
    fanout.flush()
    assert clients[0].offered == [b"2;", b"3;"]


def test_a_broadcast_leaves_out_whom_a_smaller_push_would() -> None:
    audience, clients = crowd(5)
    fanout = FanOut(2)
    totals: list[int] = []
    for number, without in enumerate([None, clients[0], clients[0], clients[4], None]):
        assert fanout.publish(frame_of(number), (audience,), LAYER, totals.append, without) is None
    finish(fanout)
    assert totals == [5, 4, 4, 4, 5]
    everything = [frame_of(number) for number in range(5)]
    assert clients[0].taken == [b"0;", b"3;", b"4;"]
    assert clients[4].taken == [b"0;", b"1;", b"2;", b"4;"]
    assert all(client.taken == everything for client in clients[1:4])
    assert all(client.writes == 4 for client in clients[1:4]), "two with the same exception are one broadcast"


def test_who_is_about_to_leave_is_handed_everything_and_nobody_else_the_broadcasts() -> None:
    audience, clients = crowd(4)
    few: Audience = {client: audience[client] for client in clients[2:]}
    fanout = FanOut(2)
    totals: list[int] = []
    fanout.publish(b"1;", (audience,), LAYER, totals.append)
    fanout.publish(b"2;", (audience,), LAYER, totals.append, clients[3])
    fanout.before_leaving(clients[3])
    assert [client.taken for client in clients] == [[], [], [], [b"1;"]]
    fanout.publish(b"3;", (few,), LAYER, ignore)
    fanout.before_leaving(clients[0])
    assert [client.taken for client in clients] == [
        [b"1;", b"2;"],
        [],
        [b"1;", b"2;", b"3;"],
        [b"1;", b"3;"],
    ]
    finish(fanout)
    assert totals == [4, 3]
    assert all(client.writes == 2 for client in clients[:2])
