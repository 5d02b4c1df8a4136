"""How pusher-js connects where it cannot have a WebSocket: it receives in replies, and sends with requests.

These routes name the session that a request belongs to; what is said there is the same as on a socket. Pages of any
origin may use them, as they may open WebSockets: whom an app lets in, its `allowed_origins` say.
Source: Pusher Channels protocol, section 11.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from pushery.core.effects import OpenStream, Outcome, Route, SessionName, Submit
from pushery.core.exchange import Reply, Request
from pushery.dialects.pusher.errors import ApiRefusal
from pushery.dialects.pusher.sockets import PusherSockets

_MAX_SERVER: Final = 10
"""Characters of the number that clients make up to spread over servers; pusher-js's has three at most."""

_MAX_SESSION: Final = 64
"""Characters of the name that clients make up for their session; pusher-js's has eight."""

_ANY_ORIGIN: Final = (("Access-Control-Allow-Origin", "*"),)

_PREFLIGHT: Final = (
    *_ANY_ORIGIN,
    ("Allow", "OPTIONS, POST"),
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Max-Age", "7200"),
)

_RECEIVING: Final = (
    *_ANY_ORIGIN,
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),  # nginx would keep a reply until it is complete
)


class PusherFallbacks:
    """The way in for clients without WebSockets."""

    def __init__(self, sockets: PusherSockets) -> None:
        self._sockets = sockets

    def routes(self) -> list[Route]:
        """Every route of the fallbacks."""
        base = "/app/{key}/{server}/{session}"
        posts = (
            (f"{base}/xhr_streaming", self.stream, "Receive as a Pusher client without WebSockets, in one long reply."),
            (f"{base}/xhr", self.poll, "Receive as a Pusher client without WebSockets, reply by reply."),
            (f"{base}/xhr_send", self.send, "Send as a Pusher client without WebSockets."),
        )
        return [
            *(Route("POST", path, handle, summary, prefixed=True, door="clients") for path, handle, summary in posts),
            *(
                Route("OPTIONS", path, self.preflight, "Ask whether a page may.", prefixed=True, door="clients")
                for path, _, _ in posts
            ),
        ]

    def stream(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST {any prefix}/app/{key}/{server}/{session}/xhr_streaming"""
        return self._receive(request, params, lasting=True)

    def poll(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST {any prefix}/app/{key}/{server}/{session}/xhr"""
        return self._receive(request, params, lasting=False)

    def send(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """POST {any prefix}/app/{key}/{server}/{session}/xhr_send"""
        return Submit(_name(request, params), request.body, _sent, _malformed, _too_fast)

    def preflight(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """OPTIONS of any of them: a page of any origin may, without credentials."""
        _hide_session(request)
        return Reply(204, headers=_PREFLIGHT)

    def _receive(self, request: Request, params: Mapping[str, str], *, lasting: bool) -> Outcome:
        session = partial(self._sockets.session, request, params["key"])
        return OpenStream(_name(request, params), session, lasting, _RECEIVING)


def _hide_session(request: Request) -> None:
    """Whoever knows what a session is called can speak in it, and take what is said to it."""
    base, _, last = request.path.rpartition("/")
    request.shown = f"{base.rpartition('/')[0]}/***/{last}"


def _name(request: Request, params: Mapping[str, str]) -> SessionName:
    """The session that a path names. Raises Refusal."""
    _hide_session(request)
    key, server, session = params["key"], params["server"], params["session"]
    if not 0 < len(server) <= _MAX_SERVER or not 0 < len(session) <= _MAX_SESSION:
        text = f"The path is /app/KEY/SERVER/SESSION/...: up to {_MAX_SERVER} and {_MAX_SESSION} characters"
        raise ApiRefusal(400, "bad_session_name", text, headers=_ANY_ORIGIN)
    return key, server, session


def _sent(found: bool) -> Reply:
    if found:
        return Reply(204, headers=_ANY_ORIGIN)
    text = "There is no such session, or no longer: ask for what it receives, and there is one"
    return ApiRefusal(404, "unknown_session", text, headers=_ANY_ORIGIN).reply()


def _malformed(problem: str) -> Reply:
    text = f"The body has to be a JSON array of strings, each of them the JSON of an event: {problem}"
    return ApiRefusal(400, "malformed_body", text, headers=_ANY_ORIGIN).reply()


def _too_fast(limit: int) -> Reply:
    headers = (*_ANY_ORIGIN, ("Retry-After", "1"))
    return ApiRefusal(429, "too_fast", f"A client may send {limit} messages a second", headers=headers).reply()
