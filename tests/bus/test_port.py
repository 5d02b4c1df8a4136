"""What every bus promises, run over every adapter: order, no echo, and whether anybody hears."""

from collections.abc import Callable

import pytest

from pushery.bus.memory import MemoryBus, Switchboard
from pushery.core.ports import Bus

Plug = Callable[[], Bus]
"""Gives one more end of the same medium."""


def in_memory() -> Plug:
    """Nodes of one process."""
    exchange = Switchboard()
    return lambda: MemoryBus(exchange)


@pytest.fixture(params=[in_memory])
def plug(request: pytest.FixtureRequest) -> Plug:
    """A medium with nobody on it yet."""
    made: Plug = request.param()
    return made


class Listener:
    """One end and all that it has heard."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[bytes] = []
        bus.attach(self.heard.append)

    def has_peers(self) -> bool:
        """Whether anybody would hear."""
        return self.bus.has_peers


def test_what_one_end_sends_is_heard_by_every_other_in_that_order(plug: Plug) -> None:
    one, two, three = (Listener(plug()) for _ in range(3))
    sent = [b"%d" % number for number in range(100)]
    for envelope in sent:
        one.bus.send(envelope)
    assert two.heard == three.heard == sent


def test_no_end_hears_itself(plug: Plug) -> None:
    one, two = Listener(plug()), Listener(plug())
    one.bus.send(b"from one")
    two.bus.send(b"from two")
    assert (one.heard, two.heard) == ([b"from two"], [b"from one"])


def test_each_sender_is_heard_in_its_own_order(plug: Plug) -> None:
    one, two, three = (Listener(plug()) for _ in range(3))
    for number in range(50):
        one.bus.send(b"1:%d" % number)
        two.bus.send(b"2:%d" % number)
    for sender in (b"1", b"2"):
        heard = [envelope for envelope in three.heard if envelope.startswith(sender)]
        assert heard == [b"%b:%d" % (sender, number) for number in range(50)]


def test_an_end_has_peers_once_there_is_another(plug: Plug) -> None:
    one = Listener(plug())
    assert not one.has_peers()
    one.bus.send(b"to nobody")
    two = Listener(plug())
    assert one.has_peers()
    assert two.has_peers()
    assert one.heard == two.heard == []


def test_envelopes_arrive_byte_for_byte(plug: Plug) -> None:
    one, two = Listener(plug()), Listener(plug())
    sent = [b"", b"\x00", bytes(range(256)), b"\xff" * 1_000_000]
    for envelope in sent:
        one.bus.send(envelope)
    assert two.heard == sent


def test_an_end_that_nobody_listens_at_yet_holds_up_no_other(plug: Plug) -> None:
    one, _, three = Listener(plug()), plug(), Listener(plug())
    one.bus.send(b"x")
    assert three.heard == [b"x"]


def test_two_media_do_not_hear_each_other() -> None:
    one, other = Listener(MemoryBus()), Listener(MemoryBus())
    one.bus.send(b"x")
    assert other.heard == []
    assert not one.has_peers()
