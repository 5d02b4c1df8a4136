"""Which of several servers on one database tells its webhooks: the one that holds the lock; the others wait for it.

Two empty files beside the outbox, locked with flock(2), so that a lock ends with its process, however that ends.
Deletes nothing. Invariant: at no time do two hold the first lock, and whoever waits is seen by the one that leads.
"""

import contextlib
import fcntl
import os
from typing import Final

from pushery.core.ports import StorageError

_OWNER_ONLY: Final = 0o600


class HookLock:
    """One server's part in it. Any thread may call, one at a time."""

    def __init__(self, outbox: str) -> None:
        """`outbox` is the path of the outbox. Raises StorageError."""
        self._path = f"{outbox}.lock"
        self._leading = _open(self._path)
        try:
            self._waiting = _open(f"{outbox}.waiting")
        except StorageError:
            os.close(self._leading)
            raise

    def lead(self) -> bool:
        """Whether this server is the one that tells, from now on until `close`; if not, it is known to wait."""
        if self._try(self._leading):
            fcntl.flock(self._waiting, fcntl.LOCK_UN)
            return True
        fcntl.flock(self._waiting, fcntl.LOCK_SH)  # whoever looks whether anybody waits lets go of it at once
        return False

    def alone(self) -> bool:
        """Whether nobody waits. For the one that leads."""
        if not self._try(self._waiting):
            return False
        fcntl.flock(self._waiting, fcntl.LOCK_UN)
        return True

    def close(self) -> None:
        """Let the next one have it. No call may follow."""
        for descriptor in (self._leading, self._waiting):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _try(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StorageError(f"{self._path} cannot be locked: {error.strerror or error}") from error
        return True


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror or error}") from error
