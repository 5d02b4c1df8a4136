"""The directory in which servers find each other: who may enter, what is stale, and paths that are too long."""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pushery.bus.meeting import Meeting, MeetingError, meeting_path


@pytest.fixture
def path(tmp_path: Path) -> str:
    return meeting_path(str(tmp_path / "apps.sqlite"))


@pytest.fixture
def meeting(path: str) -> Iterator[Meeting]:
    with closing(Meeting(path)) as made:
        yield made


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_it_is_made_beside_the_database_for_its_user_alone(path: str, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Meeting(path).close()
    finally:
        os.umask(before)
    assert path == f"{tmp_path}/apps.sqlite.bus"
    assert mode(path) == 0o700


def test_one_that_others_may_enter_is_closed_to_them(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, 0o777)  # noqa: S103  # what is to be mended
    Meeting(path).close()
    assert mode(path) == 0o700


def test_a_file_a_link_and_a_place_that_is_missing_are_one_line(path: str, tmp_path: Path) -> None:
    Path(path).write_text("")
    os.symlink(tmp_path, tmp_path / "link.bus")
    for bad in (path, str(tmp_path / "link.bus"), str(tmp_path / "no" / "such.bus")):
        with pytest.raises(MeetingError, match=r"^the directory \S+ cannot be used: [^\n]+$"):
            Meeting(bad)


def test_who_listens_is_found_and_accepts(meeting: Meeting) -> None:
    with closing(meeting.listen("one", "bus")) as listening:
        assert (meeting.names("bus"), meeting.names("doors")) == (["one"], [])
        connection = meeting.connect("one", "bus")
        assert connection is not None
        with closing(connection), closing(listening.accept()[0]) as accepted:
            connection.send(b"x")
            assert accepted.recv(1) == b"x"
    meeting.remove("one", "bus")
    assert meeting.names("bus") == []


def test_the_socket_of_a_server_that_is_gone_is_cleared_away(meeting: Meeting) -> None:
    meeting.listen("dead", "bus").close()
    assert meeting.names("bus") == ["dead"]
    assert meeting.connect("dead", "bus") is None
    assert meeting.names("bus") == []
    assert meeting.connect("dead", "bus") is None


def test_a_server_that_has_no_time_is_not_taken_for_dead(meeting: Meeting) -> None:
    with closing(meeting.listen("busy", "bus")), contextlib.ExitStack() as stack:
        while (connection := meeting.connect("busy", "bus")) is not None:  # until its queue is full
            stack.enter_context(closing(connection))
        assert meeting.names("bus") == ["busy"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no other way to such a directory here")
def test_a_path_that_is_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as plain, pytest.raises(OSError, match="too long"):
        plain.bind(str(deep / "s"))
    with closing(Meeting(meeting_path(str(deep / "apps.sqlite")))) as meeting, closing(meeting.listen("one", "bus")):
        connection = meeting.connect("one", "bus")
        assert connection is not None
        connection.close()
