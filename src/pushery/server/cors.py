"""Cross-origin requests (the Fetch standard's CORS protocol), for browsers that call the HTTP API."""

from collections.abc import Collection, Sequence
from typing import Final

from pushery.core.exchange import Refusal, Reply, Request

ANY: Final = "*"
_MAX_AGE_S: Final = 600
_ALLOW: Final = "Access-Control-Allow-Origin"


def cors_headers(request: Request, origins: Collection[str]) -> tuple[tuple[str, str], ...]:
    """What lets the page that sent `request` read the reply; nothing for origins that are not allowed."""
    origin = request.header(b"origin").decode("latin-1")
    if not origin:
        return ()
    if ANY in origins:
        return ((_ALLOW, ANY),)
    allow = ((_ALLOW, origin),) if origin in origins else ()
    return (*allow, ("Vary", "Origin"))


def with_cors(request: Request, reply: Reply, origins: Collection[str]) -> Reply:
    """`reply` with those headers, unless it says itself who may read it."""
    if any(name == _ALLOW for name, _ in reply.headers):
        return reply
    headers = (*reply.headers, *cors_headers(request, origins))
    return Reply(reply.status, reply.body, headers, reply.content_type)


def preflight(request: Request, methods: Sequence[str], origins: Collection[str]) -> Reply:
    """The answer to OPTIONS: what the path answers and, to a preflight, what a page may send."""
    if not methods:
        raise Refusal(404, "unknown_route", "There is nothing at this path; the reference lists all routes.")
    allowed = ", ".join(methods)
    headers = [("Allow", allowed)]
    if origins and request.header(b"access-control-request-method"):
        headers += [
            ("Access-Control-Allow-Methods", allowed),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
            ("Access-Control-Max-Age", str(_MAX_AGE_S)),
        ]
    return Reply(204, headers=tuple(headers))
