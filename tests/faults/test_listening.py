"""Where nothing can be listened on, the server does not start and says why in one line."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.hands import database_files, refused_start

pytestmark = pytest.mark.process


def test_a_port_that_is_taken_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        assert refused_start(tmp_path, listen=f"127.0.0.1:{port}") == (
            f"cannot listen on 127.0.0.1:{port}: Address already in use. Something listens there already: stop that, "
            "or choose another address with --listen"
        )
    assert database_files(tmp_path) == {}


@pytest.mark.parametrize("listen", ["no-such-host.invalid:0", "[2001:db8::1]:0", "192.0.2.1:0"])
def test_an_address_that_is_not_ours_is_told(tmp_path: Path, listen: str) -> None:
    assert refused_start(tmp_path, listen=listen).startswith(f"cannot listen on {listen}: ")
