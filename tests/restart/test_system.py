"""Which sockets are what an address asks for."""

import socket
from contextlib import ExitStack, closing

import pytest

from pushery.app.system import are_bound_to, listening_sockets
from pushery.config import Address


@pytest.mark.parametrize("address", [Address("127.0.0.1", 0), Address("", 0), Address("localhost", 0)])
def test_what_was_bound_to_an_address_is_bound_to_it(address: Address) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(one)) for one in listening_sockets(address)]
        port = sockets[0].getsockname()[1]
        assert are_bound_to(sockets, address)
        assert are_bound_to(sockets, Address(address.host, port))
        assert not are_bound_to(sockets, Address(address.host, 1))
        assert not are_bound_to(sockets, Address("127.0.0.2", port))
        assert not are_bound_to([], address)
        extra = stack.enter_context(closing(socket.create_server(("127.0.0.3", 0))))
        assert not are_bound_to([*sockets, extra], address)


def test_an_address_that_a_name_has_and_this_machine_has_not_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **how: found)
    address = Address("somewhere", 0)
    [listening] = listening_sockets(address)
    with closing(listening):
        assert listening.getsockname()[0] == "127.0.0.1"
        assert are_bound_to([listening], address)
    del found[1]
    with pytest.raises(OSError, match="assign"):
        listening_sockets(address)
