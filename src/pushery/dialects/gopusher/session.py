"""One GoPusher socket: it joins its tag, receives, and is not listened to."""

from collections.abc import Sequence

from pushery.core import codes
from pushery.core.codes import Close
from pushery.core.effects import CloseLater, JoinTag, SocketEffect


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


class PassingSession(GoPusherSession):
    """One whose connect token expires: a class of its own, so that the others need not remember when."""

    __slots__ = ("_left_s",)

    def __init__(self, app_key: str, tag: str, message_limit: int, left_s: float) -> None:
        super().__init__(app_key, tag, message_limit)
        self._left_s = left_s

    def opened(self) -> Sequence[SocketEffect]:
        """It receives until its token has expired."""
        return (*super().opened(), CloseLater(self._left_s, codes.TOKEN_EXPIRED))
