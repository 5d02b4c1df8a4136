"""Every WebSocket close code we send, in one table: code, reason, what the client should do next.

Codes below 4000 are RFC 6455's (7.4.1). Ours follow the ranges that Pusher clients understand: 4000-4099 do not come
back unchanged, 4100-4199 come back after a pause, 4200-4299 come back at once.
"""

from typing import Final

import msgspec


class Close(msgspec.Struct, frozen=True):
    """How a socket is closed. `reason` goes on the wire (at most 123 bytes of UTF-8, RFC 6455 5.5)."""

    code: int
    reason: str
    then: str
    """What the client does next, for the docs."""


NORMAL: Final = Close(1000, "", "It asked for the close; nothing.")
NO_PONG: Final = Close(1001, "no answer to a ping", "Reconnect.")
PROTOCOL_ERROR: Final = Close(1002, "protocol error", "Mend the client: it broke RFC 6455.")
BAD_UTF8: Final = Close(1007, "text is not valid UTF-8", "Mend the client: text messages are UTF-8.")
TOO_BIG: Final = Close(1009, "message too big", "Send less, or raise `message_limit`.")
INTERNAL_ERROR: Final = Close(1011, "internal error", "Reconnect after a pause; the server's log says more.")
RESTART: Final = Close(1012, "service restart", "Reconnect.")
APP_UNREGISTERED: Final = Close(4001, "app unregistered", "Do not reconnect: the app is gone.")
SLOW_CLIENT: Final = Close(4101, "too slow: outbox full", "Reconnect after a pause, and read faster.")

CLOSES: Final = (
    NORMAL,
    NO_PONG,
    PROTOCOL_ERROR,
    BAD_UTF8,
    TOO_BIG,
    INTERNAL_ERROR,
    RESTART,
    APP_UNREGISTERED,
    SLOW_CLIENT,
)
