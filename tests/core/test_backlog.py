"""What waits for all clients together."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pushery.core.backlog import Backlog


class Client:
    """Holds something, and says when it had to give up."""

    def __init__(self, backlog: Backlog, *, releases: bool = True) -> None:
        self.backlog = backlog
        self.releases = releases
        self.gave_up = 0

    def give_up(self) -> None:
        """As a connection that is closed."""
        self.gave_up += 1
        if self.releases:
            self.backlog.release(self)


def test_what_is_held_is_counted_once_however_often_it_is_told() -> None:
    backlog = Backlog(100, lambda: None)
    one, other = Client(backlog), Client(backlog)
    backlog.hold(one, 10)
    backlog.hold(other, 5)
    backlog.hold(one, 30)
    assert (backlog.size, len(backlog)) == (35, 2)
    backlog.release(one)
    backlog.release(one)
    assert (backlog.size, len(backlog)) == (5, 1)


def test_that_there_is_too_much_is_said_once_until_room_is_made() -> None:
    told: list[int] = []
    backlog = Backlog(100, lambda: told.append(backlog.size))
    clients = [Client(backlog) for _ in range(3)]
    for client in clients:
        backlog.hold(client, 50)
    backlog.hold(clients[0], 60)
    assert told == [150]
    backlog.make_room()
    backlog.hold(clients[0], 500)
    assert len(told) == 2


def test_those_who_hold_most_give_up_and_no_more_than_it_takes() -> None:
    backlog = Backlog(1000, lambda: None)
    clients = [Client(backlog) for _ in range(20)]
    for index, client in enumerate(clients):
        backlog.hold(client, 10 * index)
    assert backlog.size == 1900
    assert backlog.make_room() == 7
    assert [client.gave_up for client in clients] == [0] * 13 + [1] * 7
    assert backlog.size == 1900 - sum(range(130, 200, 10))


def test_who_gives_up_holds_nothing_even_when_it_forgets_to_say_so() -> None:
    backlog = Backlog(10, lambda: None)
    client = Client(backlog, releases=False)
    backlog.hold(client, 100)
    assert backlog.make_room() == 1
    assert (backlog.size, len(backlog)) == (0, 0)


def test_there_is_nothing_to_do_when_there_is_room_again_already() -> None:
    backlog = Backlog(10, lambda: None)
    client = Client(backlog)
    backlog.hold(client, 100)
    backlog.hold(client, 3)
    assert backlog.make_room() == 0
    assert client.gave_up == 0


@given(st.integers(1, 500), st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 200)), max_size=60))
def test_the_sum_is_that_of_all_holders_and_below_the_limit_after_making_room(
    limit: int, moves: Sequence[tuple[int, int | None]]
) -> None:
    due: list[bool] = []
    backlog = Backlog(limit, lambda: due.append(True))
    clients = [Client(backlog) for _ in range(10)]
    held: dict[int, int] = {}
    for index, size in moves:
        if size is None:
            backlog.release(clients[index])
            held.pop(index, None)
        else:
            backlog.hold(clients[index], size)
            held[index] = size
        assert backlog.size == sum(held.values())
        if due:
            due.clear()
            before = sum(client.gave_up for client in clients)
            given_up = backlog.make_room()
            assert sum(client.gave_up for client in clients) == before + given_up
            assert backlog.size <= limit
            kept = sorted(held.values(), reverse=True)[given_up:]
            assert backlog.size == sum(kept)
            held = {i: s for i, s in held.items() if clients[i] in backlog._sizes}
