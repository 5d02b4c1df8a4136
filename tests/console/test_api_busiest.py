"""Which apps are listed as the busiest, and how little is looked at for that."""

import asyncio
import heapq
from collections.abc import Sequence

import pytest

from pushery.console.api import busiest as module
from pushery.console.api.busiest import PAUSE_S, SHOWN, STALE_S, Activity, Busiest
from pushery.core.apps import App, Directory
from pushery.core.hub import Hub


def app(number: int) -> App:
    return App(
        key=f"k{number}", secret="s", name=f"app {number}", auth_account="a", auth_password="p", request_ip="",
        registered_ms=0, id=str(number),
    )  # fmt: skip


class Server:
    """A hub with so many apps, and a clock."""

    def __init__(self, apps: int) -> None:
        self.hub = Hub(fanout_slice=100, standing_patterns=10)
        self.directory = Directory(map(app, range(apps)))
        self.now = 1000.0
        self.busiest = Busiest(self.hub, self.directory, lambda: self.now)

    def deliver(self, number: int, deliveries: int, pushes: int = 0) -> None:
        crowd = self.hub.crowd(f"k{number}")
        crowd.messages_out += deliveries
        crowd.pushes += pushes

    def look(self, after_s: float = PAUSE_S) -> Sequence[Activity]:
        self.now += after_s
        return asyncio.run(self.busiest.find())

    def names(self, after_s: float = PAUSE_S) -> list[str]:
        return [each.name for each in self.look(after_s)]


def test_the_busiest_of_thousands_are_found_wherever_they_stand() -> None:
    server = Server(5000)
    for number in range(5000):
        server.deliver(number, 1_000_000 - number)
    server.look()
    for number in range(5000):
        server.deliver(number, number % 10)
    for number in (4999, 2500, 1999, 2000):
        server.deliver(number, 10 * number, pushes=number)
    found = server.look(4)
    assert [each.name for each in found[:4]] == ["app 4999", "app 2500", "app 2000", "app 1999"]
    assert (found[0].deliveries_per_s, found[0].pushes_per_s) == ((10 * 4999 + 9) / 4, 4999 / 4)
    assert len(found) == SHOWN


def test_with_nothing_delivered_pushes_count_then_connections_then_the_order_of_registration() -> None:
    server = Server(12)
    for number, sockets in ((11, 2), (9, 1), (10, 3)):
        for socket in range(sockets):
            server.hub.crowd(f"k{number}").join(f"t{socket}", object(), lambda frame: None)
    assert server.names() == ["app 10", "app 11", "app 9", "app 0", "app 1", "app 2", "app 3", "app 4"]
    server.deliver(9, 0, pushes=1)
    found = server.look()
    assert [(each.name, each.connections) for each in found[:3]] == [("app 9", 1), ("app 10", 3), ("app 11", 2)]


def test_rates_are_of_now_or_not_told() -> None:
    server = Server(1)
    server.deliver(0, 500)
    assert server.look()[0].deliveries_per_s is None
    server.deliver(0, 40)
    assert server.look(STALE_S + 1)[0].deliveries_per_s is None
    server.deliver(0, 40)
    assert server.look(2)[0].deliveries_per_s == 20
    assert server.look(2)[0].deliveries_per_s == 0


def test_an_app_that_came_since_the_last_look_began_with_nothing_and_one_that_went_is_not_listed() -> None:
    server = Server(1)
    server.look()
    server.directory.put(app(1))
    server.deliver(1, 30)
    server.deliver(7, 99)  # of an app that is not registered
    assert [(each.name, each.deliveries_per_s) for each in server.look(3)] == [("app 1", 10), ("app 0", 0)]
    server.directory.drop("k1")
    assert server.names() == ["app 0"]


def test_an_app_that_was_registered_anew_with_its_key_keeps_its_connections_in_the_list() -> None:
    server = Server(1)
    server.deliver(0, 500)
    server.look()
    del server.hub.crowds["k0"]
    server.hub.crowd("k0").join("joe", object(), lambda frame: None)
    [found] = server.look()
    assert (found.connections, found.deliveries_per_s) == (1, 0)


def test_however_many_ask_there_is_one_look_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(3000)
    for number in range(3000):
        server.deliver(number, number)
    looked: list[int] = []
    nlargest = heapq.nlargest

    def counted(many: int, ranks: list[module.Rank]) -> list[module.Rank]:
        looked.append(len(ranks))
        return nlargest(many, ranks)

    monkeypatch.setattr(heapq, "nlargest", counted)

    async def crowd() -> None:
        answers = await asyncio.gather(*(server.busiest.find() for _ in range(20)))
        assert all(answer == answers[0] and len(answer) == SHOWN for answer in answers)

    asyncio.run(crowd())
    server.look(PAUSE_S / 2)
    assert looked == [2 * SHOWN]  # the best of two slices
    server.look(PAUSE_S / 2)
    assert len(looked) == 2
