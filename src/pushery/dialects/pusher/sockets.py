"""Where Pusher clients connect: from the request to a session, or to one that says why not.

A refusal is said on the open connection: a refused handshake is only "1006" to a browser, and it would try for ever.
Source: Pusher Channels protocol, sections 1, 3 and 4.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

import msgspec

from pushery.core import codes
from pushery.core.apps import App, Directory
from pushery.core.codes import Close
from pushery.core.effects import OpenSocket, Outcome, Route, Session
from pushery.core.exchange import Request
from pushery.core.origins import may_open_sockets
from pushery.core.ports import Clock, IdSource
from pushery.core.tokens import BadToken, ExpiredToken, Grant, read_token, sent_token
from pushery.dialects.pusher.session import PusherSession, RefusedSession
from pushery.dialects.pusher.tokensession import TokenSession

PROTOCOLS: Final = frozenset({4, 5, 6, 7})

_MAX_VERSION: Final = 100
"""Characters of a library's version; far longer ones would take the expression below seconds."""

_VERSION: Final = re.compile(r"\d+(\.\d+)*([-+.][-+.0-9A-Za-z]*)?")


class SocketOptions(msgspec.Struct, frozen=True):
    """What the operator decides. `message_limit` is in bytes, `activity_timeout` in seconds."""

    message_limit: int
    activity_timeout: int


class _No(Exception):
    """Why a client cannot connect."""

    def __init__(self, close: Close, message: str = "") -> None:
        super().__init__(message)
        self.close = close
        self.message = message


class PusherSockets:
    """The way in for clients of the apps in `directory`."""

    def __init__(self, options: SocketOptions, directory: Directory, ids: IdSource, clock: Clock) -> None:
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self.configure(options)

    def configure(self, options: SocketOptions) -> None:
        """Go by these options from now on; sockets that are open keep theirs."""
        self._options = options

    def routes(self) -> list[Route]:
        """Every route of the dialect that opens a socket."""
        summary = "Connect a Pusher client (WebSocket)."
        return [Route("GET", "/app/{key}", self.connect, summary, prefixed=True, door="clients")]

    def connect(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET {any prefix}/app/{key}"""
        return OpenSocket(self.session(request, params["key"]))

    def elsewhere(self, request: Request) -> Outcome | None:
        """A Pusher client that comes to a path where nothing is; None for everybody else."""
        if request.upgrade and "protocol=" in request.query:
            return OpenSocket(RefusedSession(codes.PATH_UNKNOWN, "Path not found"))
        return None

    def session(self, request: Request, key: str) -> Session:
        """The session for a client that asks for `key`, whatever transport carries it."""
        try:
            app, grant = self._admit(request, key)
        except _No as no:
            return RefusedSession(no.close, no.message)
        directory, socket_id, options = self._directory, self._ids.socket_id(), self._options
        timeout_s, limit = options.activity_timeout, options.message_limit
        if grant is None:
            return PusherSession(directory, app, socket_id, activity_timeout_s=timeout_s, message_limit=limit)
        return TokenSession(directory, app, socket_id, grant, activity_timeout_s=timeout_s, message_limit=limit)

    def _admit(self, request: Request, key: str) -> tuple[App, Grant | None]:
        """The app, and what the client's token allows there; None when it has sent none. Raises _No."""
        app = self._directory.by_key.get(key)
        if app is None:
            message = f"App key {key[:64]} not in this cluster. Did you forget to specify the cluster?"
            raise _No(codes.APP_UNKNOWN, message)
        settings = app.settings
        if not settings.enabled:
            raise _No(codes.APP_DISABLED)
        if not settings.pusher:
            raise _No(codes.APP_DISABLED, "This app does not speak the Pusher protocol: set pusher=true.")
        if settings.tls_only and not request.secure:
            raise _No(codes.TLS_ONLY)
        token, query = sent_token(request)
        _check_protocol(query)
        if not may_open_sockets(request, settings.allowed_origins):
            raise _No(codes.UNAUTHORIZED, "Origin not allowed")
        return app, self._read_token(token, app)

    def _read_token(self, token: str, app: App) -> Grant | None:
        if not token:
            if app.settings.require_token:
                raise _No(codes.UNAUTHORIZED, "This app lets nobody in without a connect token.")
            return None
        try:
            return read_token(token, app, self._clock.wall_ms())
        except ExpiredToken as expired:
            raise _No(codes.TOKEN_EXPIRED, str(expired)) from None
        except BadToken as bad:
            raise _No(codes.UNAUTHORIZED, str(bad)) from None


@lru_cache(maxsize=256)  # all clients of a library ask alike, and parsing costs a seventh of letting one in
def _check_protocol(query: str) -> None:
    """Protocol 1. Raises _No."""
    asked = parse_qs(query, keep_blank_values=True, max_num_fields=None)
    version, protocol = asked.get("version", [""])[0], asked.get("protocol", [""])[0]
    if version and not (len(version) <= _MAX_VERSION and _VERSION.fullmatch(version)):
        raise _No(codes.BAD_VERSION)
    if not protocol:
        raise _No(codes.NO_PROTOCOL)
    if not (protocol.isascii() and protocol.isdigit() and len(protocol) < 4 and int(protocol) in PROTOCOLS):
        raise _No(codes.BAD_PROTOCOL)
