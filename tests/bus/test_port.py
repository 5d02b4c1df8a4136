"""What every bus promises, run over every adapter: order, no echo, and whether anybody hears."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from pushery.bus.memory import MemoryBus, Switchboard
from pushery.core.ports import Bus
from tests.bus.machine import Machine
from tests.support.server import wait_until


class Medium(Protocol):
    """What ends are plugged into."""

    def plug(self) -> Bus:
        """One more end, which knows all that are there."""


class InMemory:
    """Nodes of one process."""

    def __init__(self) -> None:
        self._switchboard = Switchboard()

    def plug(self) -> Bus:
        return MemoryBus(self._switchboard)


@contextmanager
def in_memory(_: Path) -> Iterator[Medium]:
    yield InMemory()


@contextmanager
def on_one_machine(directory: Path) -> Iterator[Medium]:
    """Servers that share a database; each has an event loop of its own."""
    with Machine(directory) as machine:
        yield machine


@pytest.fixture(params=[in_memory, on_one_machine])
def plug(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Bus]]:
    """Gives one more end of a medium that had nobody on it yet."""
    with request.param(tmp_path) as medium:
        yield medium.plug


class Listener:
    """One end and all that it has heard."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[bytes] = []
        bus.attach(self.heard.append)

    def hears(self, *expected: bytes) -> bool:
        """Waits for these envelopes; nothing but them, in this order."""
        wait_until(lambda: len(self.heard) >= len(expected), f"{len(expected)} envelopes")
        return self.heard == list(expected)

    def has_peers(self) -> bool:
        """Whether anybody would hear."""
        return self.bus.has_peers


def test_what_one_end_sends_is_heard_by_every_other_in_that_order(plug: Callable[[], Bus]) -> None:
    one, two, three = (Listener(plug()) for _ in range(3))
    sent = [b"%d" % number for number in range(100)]
    for envelope in sent:
        one.bus.send(envelope)
    assert two.hears(*sent)
    assert three.hears(*sent)


def test_no_end_hears_itself(plug: Callable[[], Bus]) -> None:
    one, two = Listener(plug()), Listener(plug())
    one.bus.send(b"from one")
    two.bus.send(b"from two")
    assert one.hears(b"from two")
    assert two.hears(b"from one")


def test_each_sender_is_heard_in_its_own_order(plug: Callable[[], Bus]) -> None:
    one, two, three = (Listener(plug()) for _ in range(3))
    for number in range(50):
        one.bus.send(b"1:%d" % number)
        two.bus.send(b"2:%d" % number)
    wait_until(lambda: len(three.heard) == 100, "all that was sent")
    for sender in (b"1", b"2"):
        heard = [envelope for envelope in three.heard if envelope.startswith(sender)]
        assert heard == [b"%b:%d" % (sender, number) for number in range(50)]


def test_an_end_has_peers_once_there_is_another(plug: Callable[[], Bus]) -> None:
    one = Listener(plug())
    assert not one.has_peers()
    one.bus.send(b"to nobody")
    two = Listener(plug())
    wait_until(one.has_peers, "the other")
    wait_until(two.has_peers, "the other")
    assert one.heard == two.heard == []


def test_envelopes_arrive_byte_for_byte(plug: Callable[[], Bus]) -> None:
    one, two = Listener(plug()), Listener(plug())
    sent = [b"", b"\x00", bytes(range(256)), b"\xff" * 1_000_000]
    for envelope in sent:
        one.bus.send(envelope)
    assert two.hears(*sent)


def test_an_end_that_nobody_listens_at_yet_holds_up_no_other(plug: Callable[[], Bus]) -> None:
    one, _, three = Listener(plug()), plug(), Listener(plug())
    one.bus.send(b"x")
    assert three.hears(b"x")


def test_two_media_do_not_hear_each_other() -> None:
    one, other = Listener(MemoryBus()), Listener(MemoryBus())
    one.bus.send(b"x")
    assert other.heard == []
    assert not one.has_peers()
