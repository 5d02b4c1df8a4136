"""The users who are signed in to one app, with their sockets, and who watches whom.

A user is online while one of its sockets is signed in. Source: Pusher Channels protocol, section 9.
"""

from collections.abc import Collection, Iterable


class Users:
    """Signed-in users by id."""

    __slots__ = ("_sockets", "_watchers")

    def __init__(self) -> None:
        self._sockets: dict[str, dict[object, None]] = {}
        self._watchers: dict[str, dict[object, None]] = {}
        """Sockets that want to hear of a user, by that user's id."""

    def __len__(self) -> int:
        return len(self._sockets)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._sockets

    def sockets(self, user_id: str) -> Collection[object]:
        """The sockets that are signed in as this user."""
        return self._sockets.get(user_id, {}).keys()

    def watchers(self, user_id: str) -> Collection[object]:
        """The sockets that watch this user."""
        return self._watchers.get(user_id, {}).keys()

    def sign_in(self, user_id: str, socket: object) -> bool:
        """True when that is the user's first socket; not when a socket signs in once more."""
        is_first = user_id not in self._sockets
        self._sockets.setdefault(user_id, {})[socket] = None
        return is_first

    def sign_out(self, user_id: str, socket: object) -> bool:
        """True when that was the user's last socket."""
        return _remove(self._sockets, user_id, socket)

    def watch(self, socket: object, user_ids: Iterable[str]) -> None:
        """Let `socket` hear of these users."""
        for user_id in user_ids:
            self._watchers.setdefault(user_id, {})[socket] = None

    def unwatch(self, socket: object, user_ids: Iterable[str]) -> None:
        """Undo `watch`."""
        for user_id in user_ids:
            _remove(self._watchers, user_id, socket)


def _remove(table: dict[str, dict[object, None]], user_id: str, socket: object) -> bool:
    """True when that has emptied the user's entry."""
    sockets = table.get(user_id)
    if sockets is None or sockets.pop(socket, table) is table or sockets:
        return False
    del table[user_id]
    return True
