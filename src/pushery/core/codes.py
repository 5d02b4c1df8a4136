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
TOO_BIG: Final = Close(1009, "message too big", "Send less, or raise `message_limit` (Pusher: `pusher_message_limit`).")
INTERNAL_ERROR: Final = Close(1011, "internal error", "Reconnect after a pause; the server's log says more.")
RESTART: Final = Close(1012, "service restart", "Reconnect.")
HANDOVER: Final = Close(1012, "service restart, the next server is ready", "Reconnect.")
NOT_TEXT: Final = Close(1003, "text messages only", "Mend the client: this protocol has no binary messages.")
TLS_ONLY: Final = Close(4000, "app accepts TLS only", "Connect with wss.")
APP_UNREGISTERED: Final = Close(4001, "app unregistered", "Do not reconnect: the app is gone.")
APP_UNKNOWN: Final = Close(4001, "application does not exist", "Do not reconnect: mend the key.")
APP_DISABLED: Final = Close(4003, "application disabled", "Do not reconnect: the operator has switched it off.")
OVER_QUOTA: Final = Close(4004, "application is over its connection quota", "Do not reconnect unchanged.")
PATH_UNKNOWN: Final = Close(4005, "path not found", "Mend the client's path: it ends in /app/KEY.")
BAD_VERSION: Final = Close(4006, "invalid version string format", "Mend the `version` parameter.")
BAD_PROTOCOL: Final = Close(4007, "unsupported protocol version", "Speak protocol 4, 5, 6 or 7.")
NO_PROTOCOL: Final = Close(4008, "no protocol version supplied", "Send the `protocol` parameter.")
UNAUTHORIZED: Final = Close(4009, "connection is unauthorized", "Do not reconnect before the app lets it.")
NOT_IN_TIME: Final = Close(4009, "Connection not authorized within timeout", "Sign in, or subscribe with a signature.")
TERMINATED: Final = Close(4009, "You got disconnected by the app.", "Sign in again, if the app lets it.")
MALFORMED: Final = Close(4010, "too many malformed messages", "Mend the client: each was answered with an error.")
TOKEN_EXPIRED: Final = Close(4011, "connect token expired", "Get a new token, and connect with that.")
SLOW_CLIENT: Final = Close(4101, "too slow: outbox full", "Reconnect after a pause, and read faster.")
OVERLOADED: Final = Close(4100, "over capacity", "Reconnect after a pause: too much waited in the server.")
RESTARTING: Final = Close(4100, "server is restarting", "Reconnect after a second.")
MOVED: Final = Close(4200, "another server takes over", "Reconnect at once.")
PONG_MISSING: Final = Close(4201, "pong reply not received", "Reconnect at once.")

CLOSES: Final = (
    NORMAL,
    NO_PONG,
    PROTOCOL_ERROR,
    BAD_UTF8,
    TOO_BIG,
    INTERNAL_ERROR,
    RESTART,
    HANDOVER,
    NOT_TEXT,
    TLS_ONLY,
    APP_UNREGISTERED,
    APP_UNKNOWN,
    APP_DISABLED,
    OVER_QUOTA,
    PATH_UNKNOWN,
    BAD_VERSION,
    BAD_PROTOCOL,
    NO_PROTOCOL,
    UNAUTHORIZED,
    NOT_IN_TIME,
    TERMINATED,
    MALFORMED,
    TOKEN_EXPIRED,
    SLOW_CLIENT,
    OVERLOADED,
    RESTARTING,
    MOVED,
    PONG_MISSING,
)
