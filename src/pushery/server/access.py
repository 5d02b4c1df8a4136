"""The access log: a line for every HTTP request, and one at each end of a socket's life.

It goes where the server's log goes, at whatever level that is. Invariant: of a query only values are shown that are
known to be harmless, so that neither a secret nor the content of a message gets into a line.
"""

import logging
import time
from typing import Final
from urllib.parse import parse_qsl

import structlog

from pushery.core.exchange import Request

_log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
"""Asks nobody whether the level `info` is wanted: the setting `access_log` has said so."""

_HARMLESS: Final = frozenset(
    (
        "auth_key", "auth_timestamp", "auth_version", "body_md5", "client", "filter_by_prefix", "flash", "info",
        "limit", "offset", "protocol", "version",
    )
)  # fmt: skip
"""Parameters whose values say what is asked for, and neither who asks nor what is pushed."""

_MASKED: Final = frozenset(
    ("auth_signature", "token", "content", "user_tag", "name", "data", "channel", "channels", "channels[]", "socket_id")
)
"""Parameters that are shown without their values. What else there may be is not shown at all."""

_LONGEST: Final = 500
"""Characters of a path or a user agent that are shown."""

VANISHED: Final = 1006
"""The code of a socket that went without a close (RFC 6455, section 7.1.5)."""

NO_CODE: Final = 1005
"""The code of a close that names none."""

WEBSOCKET: Final = "websocket"
XHR_STREAMING: Final = "xhr_streaming"
XHR_POLLING: Final = "xhr_polling"
"""What carries a socket, as pusher-js calls it."""


class Visit:
    """A socket, from the request that opens it to its end."""

    __slots__ = ("_began", "_path", "_peer", "_transport", "code", "messages")

    def __init__(self, request: Request, transport: str = WEBSOCKET) -> None:
        self._transport = transport
        self._peer = request.peer
        self._path = request.shown_path[:_LONGEST]
        self._began = time.monotonic()
        self.messages = 0
        """How many have come from the client."""
        self.code = VANISHED
        """With which code it was closed, by whichever side was the first."""
        _log.info("socket_begins", transport=transport, path=self._path, peer=self._peer, user_agent=_agent(request))

    def end(self) -> None:
        """It is gone."""
        seconds = round(time.monotonic() - self._began, 3)
        _log.info(
            "socket_ends",
            transport=self._transport,
            path=self._path,
            peer=self._peer,
            code=self.code,
            messages=self.messages,
            seconds=seconds,
        )


def answered(request: Request, status: int, size: int) -> None:
    """A request got a reply of `size` bytes, head included; 0 when it goes on for an unknown time."""
    _log.info(
        "request",
        method=request.method,
        path=shown_target(request.shown_path, request.query),
        status=status,
        bytes=size,
        seconds=round(time.monotonic() - request.began, 6) if request.began else 0.0,
        peer=request.peer,
        user_agent=_agent(request),
    )


def not_a_request(peer: str, status: int, size: int) -> None:
    """What came was no request, or too much, or too slow."""
    _log.info("request", method="-", path="-", status=status, bytes=size, seconds=0.0, peer=peer, user_agent="")


def shown_target(path: str, query: str) -> str:
    """A path with its query, of which only what is harmless is shown."""
    if not query:
        return path[:_LONGEST]
    pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
    return f"{path}?{'&'.join(_shown(name, value) for name, value in pairs)}"[:_LONGEST]


def _shown(name: str, value: str) -> str:
    if name in _HARMLESS:
        return f"{name}={value}"
    return f"{name}=***" if name in _MASKED else "***"


def _agent(request: Request) -> str:
    return request.header(b"user-agent").decode("latin-1")[:_LONGEST]
