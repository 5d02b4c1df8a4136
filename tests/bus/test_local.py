"""What is particular about the bus of one machine: servers that come late, go, hang, or talk nonsense."""

import os
import socket
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from threading import Thread

from pushery.bus.framing import framed
from pushery.bus.local import KIND
from pushery.bus.meeting import Meeting, meeting_path
from tests.bus.machine import End, Machine
from tests.support.server import wait_until

MIB = 1024 * 1024


def test_what_is_published_from_the_moment_on_that_a_server_has_started_is_heard_by_it(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        one = machine.plug()
        for _ in range(10):
            heard: list[bytes] = []
            two = machine.plug()
            two.attach(heard.append)
            assert one.has_peers
            one.send(b"the first")
            wait_until(partial(heard.__eq__, [b"the first"]), "what is sent at once")
            two.stop()
            wait_until(lambda: not one.has_peers, "the end of the other")


def test_what_was_sent_before_a_stop_still_arrives(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        one, two = machine.plug(), machine.plug()
        heard: list[bytes] = []
        two.attach(heard.append)
        sent = [b"%d" % number * 1000 for number in range(2000)]
        for envelope in sent:
            one.send(envelope)
        one.stop()
        wait_until(lambda: len(heard) == len(sent), "all of it")
        assert heard == sent


def test_a_server_that_does_not_read_is_given_up_and_the_others_hear_everything(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        one, deaf, two = machine.plug(unread_limit=4 * MIB), machine.plug(), machine.plug()
        heard: list[bytes] = []
        two.attach(heard.append)
        deaf.hang()
        for number in range(200):
            one.send(b"%d" % number * 50_000)
            wait_until(partial(has, heard, number + 1), "the one that reads")
        assert [len(envelope) for envelope in heard] == [len(b"%d" % number) * 50_000 for number in range(200)]
        assert one.run(peers(one)) == [two.name]


def has(heard: list[bytes], count: int) -> bool:
    return len(heard) >= count


def knows(end: End, count: int) -> bool:
    return len(end.run(peers(end))) == count


async def peers(end: End) -> list[str]:
    """Whom an end sends to."""
    return sorted(end._bus._outgoing)


def test_servers_that_start_at_the_same_time_hear_each_other_once(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        threads = [Thread(target=machine.plug) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        heard: dict[str, list[bytes]] = {end.name: [] for end in machine.ends}
        for end in machine.ends:
            end.attach(heard[end.name].append)
            wait_until(partial(knows, end, 3), "the others")
        for end in machine.ends:
            end.send(end.name.encode())
        names = sorted(heard)
        wait_until(lambda: all(len(found) >= 3 for found in heard.values()), "all")
        for name, found in heard.items():
            assert sorted(envelope.decode() for envelope in found) == [other for other in names if other != name]


def test_nonsense_ends_the_connection_it_came_on_and_nothing_else(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        one, two = machine.plug(), machine.plug()
        heard: list[bytes] = []
        one.attach(heard.append)
        with closing(Meeting(meeting_path(str(tmp_path / "apps.sqlite")))) as meeting:
            for nonsense in (b"\xff" * 100, framed(b"\xff\xfe") + framed(b"x")):
                stranger = meeting.connect(one.name, KIND)
                assert stranger is not None
                with closing(stranger):
                    stranger.settimeout(20)
                    stranger.send(nonsense)
                    with suppress(ConnectionResetError):
                        assert stranger.recv(1) == b""
        two.send(b"sense")
        wait_until(lambda: heard == [b"sense"], "the other")


def test_the_socket_of_a_killed_server_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        path = Path(meeting_path(str(tmp_path / "apps.sqlite")))
        path.mkdir(mode=0o700)
        with closing(socket.socket(socket.AF_UNIX)) as dead:
            dead.bind(os.path.relpath(path / f"dead.{KIND}"))
        one = machine.plug()
        assert not one.has_peers
        assert [found.name for found in path.iterdir()] == [f"{one.name}.{KIND}"]


def test_a_receiver_with_a_defect_does_not_stop_what_comes_after(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        one, two = machine.plug(), machine.plug()
        heard: list[bytes] = []

        def receive(envelope: bytes) -> None:
            if envelope == b"bad":
                raise RuntimeError("a defect")
            heard.append(envelope)

        two.attach(receive)
        for envelope in (b"bad", b"good"):
            one.send(envelope)
        wait_until(lambda: heard == [b"good"], "the one behind it")
