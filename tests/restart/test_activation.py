"""What a supervisor hands over, and what it is told: sd_listen_fds(3) and sd_notify(3)."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pushery.app.activation import ActivationError, inherited_sockets, notify

SCRIPT = """
import json, os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from pushery.app.activation import ActivationError, inherited_sockets
try:
    sockets = inherited_sockets(os.environ, os.getpid())
except ActivationError as error:
    print(error)
else:
    ports = [[one.getsockname()[1] for one in side] for side in (sockets.front, sockets.back)]
    print(json.dumps([ports, [name for name in os.environ if name.startswith("LISTEN_")],
                      [os.get_inheritable(one.fileno()) for one in sockets.front + sockets.back]]))
"""

DUP = """
import os, sys
numbers = [int(number) for number in sys.argv[1].split(",")]
for place, number in enumerate(numbers):
    os.dup2(number, 100 + place)
for place in range(len(numbers)):
    os.dup2(100 + place, 3 + place)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""


def child(descriptors: list[int], **variables: str) -> str:
    """What a process says that was started with these descriptors from 3 on."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LISTEN_")}
    result = subprocess.run(
        [sys.executable, "-c", DUP, ",".join(map(str, descriptors)), SCRIPT],
        pass_fds=descriptors,
        env=environ | {"LISTEN_FDS": str(len(descriptors))} | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.strip()


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]


@pytest.mark.process
def test_sockets_are_taken_by_name_and_no_child_of_ours_thinks_they_are_its_own(
    listening: list[socket.socket],
) -> None:
    one, two, three = (each.getsockname()[1] for each in listening)
    said = child([each.fileno() for each in listening], LISTEN_FDNAMES="pushery.socket:admin:")
    assert said == f"[[[{one}, {three}], [{two}]], [], [false, false, false]]"


@pytest.mark.process
def test_without_names_all_are_for_clients(listening: list[socket.socket]) -> None:
    said = child([each.fileno() for each in listening[:1]])
    assert said.startswith(f"[[[{listening[0].getsockname()[1]}], []]")


@pytest.mark.process
@pytest.mark.parametrize("kind", ["udp", "unix", "silent", "file"])
def test_what_is_of_no_use_is_named_in_one_line(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        if kind == "file":
            descriptor = stack.enter_context((tmp_path / "file").open("w")).fileno()
        elif kind == "unix":
            made = stack.enter_context(closing(socket.socket(socket.AF_UNIX)))
            made.bind(str(tmp_path / "s"))
            made.listen()
            descriptor = made.fileno()
        else:
            made = stack.enter_context(
                closing(socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM))
            )
            descriptor = made.fileno()
        (line,) = child([descriptor], LISTEN_FDNAMES="odd").splitlines()
    why = {"udp": "is not TCP", "unix": "is not TCP", "silent": "does not listen", "file": "is no socket"}[kind]
    assert line.startswith(f"the inherited socket odd (descriptor 3) {why}")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "77", "LISTEN_FDS": "0"},
        {"LISTEN_PID": "77", "LISTEN_FDS": "-1"},
        {"LISTEN_PID": "77", "LISTEN_FDS": "many", "LISTEN_FDNAMES": "a:b"},
        {"LISTEN_PID": "", "LISTEN_FDS": "1"},
    ],
)
def test_what_is_meant_for_another_process_or_is_nothing_is_left_alone(environ: dict[str, str]) -> None:
    environ["OTHER"] = "stays"
    assert not inherited_sockets(environ, 77)
    assert environ == {"OTHER": "stays"}


def test_a_descriptor_that_is_not_there_is_one_line() -> None:
    with pytest.raises(
        ActivationError, match=r"^the inherited socket without a name \(descriptor \d+\) is no socket: "
    ):
        inherited_sockets({"LISTEN_PID": "77", "LISTEN_FDS": "20000"}, 77)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_supervisor_is_told_in_one_datagram(is_abstract: bool, tmp_path: Path) -> None:
    if is_abstract and sys.platform != "linux":
        pytest.skip("only Linux has such names")
    name = f"@pushery-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as supervisor:
        supervisor.bind("\0" + name[1:] if is_abstract else name)
        notify({"NOTIFY_SOCKET": name}, "READY=1", "MAINPID=7")
        supervisor.settimeout(10)
        assert supervisor.recv(1000) == b"READY=1\nMAINPID=7"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket", "vsock:2:1234"])
def test_nobody_to_tell_is_no_trouble(address: str) -> None:
    notify({"NOTIFY_SOCKET": address}, "READY=1")
    notify({}, "READY=1")
