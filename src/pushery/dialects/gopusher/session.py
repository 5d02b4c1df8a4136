"""One GoPusher socket: it joins its tag, receives, and is not listened to."""

from collections.abc import Sequence

from pushery.core.codes import Close
from pushery.core.effects import JoinTag, SocketEffect


class GoPusherSession:
    """No greeting; what the client sends is read and dropped, up to `message_limit` bytes a message."""

    __slots__ = ("_app_key", "_tag", "message_limit")

    def __init__(self, app_key: str, tag: str, message_limit: int) -> None:
        self._app_key = app_key
        self._tag = tag
        self.message_limit = message_limit

    def opened(self) -> Sequence[SocketEffect]:
        """It receives from the moment its handshake has been answered."""
        return (JoinTag(self._app_key, self._tag),)

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """Nothing a client says means anything in this dialect."""
        return ()

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """Every close goes out as it is; this dialect has no last words."""
        return close, None
