"""Where the servers of one database find each other: a directory beside it, in which each keeps its Unix sockets.

Only the user who runs the servers may enter it, which is all the proof of identity they ask of each other. Invariant:
a socket that stands in it under its final name accepts connections, or its server is gone.
"""

import contextlib
import os
import socket
from typing import Final

OWNER_ONLY: Final = 0o700
_LONGEST: Final = 100
"""Bytes of a path in a `sockaddr_un`: 108 on Linux, 104 on macOS, less the ending of a name that is not final."""


class MeetingError(Exception):
    """Servers cannot find each other here. The message is one line for the operator."""


def meeting_path(sqldir: str) -> str:
    """The directory of the servers that share the database `sqldir`."""
    return os.path.abspath(sqldir) + ".bus"


class Meeting:
    """The directory, open. `kind` is the ending of a socket's name: what it is for."""

    def __init__(self, path: str) -> None:
        """Make it if need be. Raises MeetingError."""
        self._path = path
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, OWNER_ONLY)
            self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise MeetingError(f"the directory {path} cannot be used: {error.strerror or error}") from error
        try:
            if os.fstat(self._directory).st_uid != os.geteuid():
                raise MeetingError(f"the directory {path} belongs to another user")
            os.fchmod(self._directory, OWNER_ONLY)
            self._way = self._short_way()
        except OSError as error:
            os.close(self._directory)
            raise MeetingError(f"the directory {path} cannot be used: {error.strerror or error}") from error
        except MeetingError:
            os.close(self._directory)
            raise

    def listen(self, name: str, kind: str) -> socket.socket:
        """A socket that listens, does not block, and is found by `others`. Raises OSError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.bind(f"{self._way}/{name}.{kind}~")
            listening.listen(16)
            # Under its final name only now: before, whoever found it would take it for that of a server that is gone.
            self._rename(f"{name}.{kind}~", f"{name}.{kind}")
        except OSError:
            listening.close()
            raise
        return listening

    def names(self, kind: str) -> list[str]:
        """The servers that have a socket of this kind, themselves and the dead included. Raises OSError."""
        ending = f".{kind}"
        return sorted(found.removesuffix(ending) for found in os.listdir(self._directory) if found.endswith(ending))

    def connect(self, name: str, kind: str) -> socket.socket | None:
        """A connection, which does not block; None when that is not possible now. Clears away what is stale."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(f"{self._way}/{name}.{kind}")  # a Unix socket's never takes time: unix(7)
        except ConnectionRefusedError:
            connection.close()
            self.remove(name, kind)
            return None
        except OSError:
            connection.close()
            return None
        return connection

    def remove(self, name: str, kind: str) -> None:
        """Nobody finds it any more."""
        with contextlib.suppress(OSError):
            os.unlink(f"{name}.{kind}", dir_fd=self._directory)

    def close(self) -> None:
        """Let go of the directory. It stays: others may be in it."""
        os.close(self._directory)

    def _rename(self, before: str, after: str) -> None:
        os.rename(before, after, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    def _short_way(self) -> str:
        """The directory's path, or another one where that is too long for a socket's address."""
        if len(os.fsencode(self._path)) + 32 <= _LONGEST:
            return self._path
        way = f"/proc/self/fd/{self._directory}"
        if not os.path.isdir(way):
            raise MeetingError(f"the path {self._path} is too long for Unix sockets: move the database (sqldir)")
        return way
