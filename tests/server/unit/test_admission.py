"""Whether one more socket may come in."""

import pytest
from structlog.testing import capture_logs

from pushery.core.exchange import Refusal
from pushery.core.stats import Stats
from pushery.server.admission import Admission, Limits


class Gate:
    """An admission, and a clock that the test turns."""

    def __init__(self, descriptors: int = 1024, **limits: int) -> None:
        self.now = 0.0
        self.stats = Stats()
        self.admission = Admission(Limits(**limits), self.stats, descriptors, lambda: self.now)

    def come(self, peer: str = "203.0.113.9:1") -> str:
        """One more socket; "" if it is let in, else why not: code, status and when to try again."""
        try:
            self.admission.admit(peer)
        except Refusal as refusal:
            return f"{refusal.code} {refusal.status} {dict(refusal.headers)['Retry-After']}"
        self.stats.connections += 1
        return ""


def test_without_limits_everybody_comes_in_and_nothing_is_kept_of_them() -> None:
    gate = Gate()
    assert [gate.admission.admit(f"203.0.113.{n}:1") for n in range(100)] == [""] * 100


def test_there_are_only_so_many_sockets() -> None:
    gate = Gate(max_sockets=2)
    assert [gate.come() for _ in range(3)] == ["", "", "too_many_sockets 503 5"]
    gate.stats.connections -= 1
    assert [gate.come() for _ in range(2)] == ["", "too_many_sockets 503 5"]


def test_an_address_has_only_so_many_sockets_and_gets_another_for_each_that_goes() -> None:
    gate = Gate(max_sockets_per_address=2)
    one, _ = (gate.admission.admit("203.0.113.9:1") for _ in range(2))
    assert gate.come("203.0.113.9:2") == "too_many_sockets_of_address 429 5"
    assert gate.come("203.0.113.8:1") == ""
    assert gate.come("[2001:db8::1]:1") == gate.come("[2001:db8::2]:1") == ""
    assert gate.come("[2001:db8::3]:1") == "too_many_sockets_of_address 429 5"
    gate.admission.left(one)
    assert gate.come("203.0.113.9:3") == ""
    assert gate.come("203.0.113.9:3") == "too_many_sockets_of_address 429 5"


def test_who_came_before_there_was_a_limit_does_not_count_when_it_goes() -> None:
    gate = Gate()
    before = gate.admission.admit("203.0.113.9:1")
    gate.admission.limits = Limits(max_sockets_per_address=1)
    assert gate.come("203.0.113.9:2") == ""
    gate.admission.left(before)
    assert gate.come("203.0.113.9:3") == "too_many_sockets_of_address 429 5"


def test_only_so_many_sockets_are_opened_in_a_second() -> None:
    gate = Gate(handshakes_per_second=2)
    assert [gate.come() for _ in range(3)] == ["", "", "too_many_handshakes 503 1"]
    gate.now = 0.5
    assert [gate.come() for _ in range(2)] == ["", "too_many_handshakes 503 1"]


def test_an_address_opens_only_so_many_in_a_second_even_when_they_go_at_once() -> None:
    gate = Gate(handshakes_per_second_per_address=1)
    gate.admission.left(gate.admission.admit("203.0.113.9:1"))
    assert gate.come("203.0.113.9:2") == "too_many_handshakes_of_address 429 1"
    assert gate.come("203.0.113.8:2") == ""
    gate.now = 1.0
    assert gate.come("203.0.113.9:2") == ""


def test_who_is_refused_for_its_address_takes_nothing_from_others() -> None:
    gate = Gate(handshakes_per_second=2, handshakes_per_second_per_address=1, max_sockets_per_address=5)
    assert gate.come("203.0.113.9:1") == ""
    assert [gate.come("203.0.113.9:1") for _ in range(5)] == ["too_many_handshakes_of_address 429 1"] * 5
    assert gate.come("203.0.113.8:1") == ""


@pytest.mark.parametrize(
    ("descriptors", "sockets", "connections"), [(64, 33, 43), (1024, 720, 960), (20_000, 19_680, 19_936)]
)
def test_near_the_limit_of_open_files_clients_are_refused_and_backends_still_let_in(
    descriptors: int, sockets: int, connections: int
) -> None:
    gate = Gate(descriptors)
    assert gate.admission.most_connections == connections
    gate.admission.connections = sockets
    assert gate.come() == ""
    gate.admission.connections = sockets + 1
    assert gate.come() == "out_of_descriptors 503 5"
    gate.admission.connections = sockets - 1


def test_that_newcomers_are_refused_is_logged_once_each_time_it_begins() -> None:
    gate = Gate(64)
    with capture_logs() as logs:
        for connections in (0, 32, 33, 34, 5, 33):
            gate.admission.connections = connections
            gate.admission.look()
    assert [entry["connections"] for entry in logs] == [33, 33]
    assert {entry["event"] for entry in logs} == {"out_of_descriptors"}
