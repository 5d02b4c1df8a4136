"""Which pages may open sockets: the `Origin` that a browser sends, against an app's `allowed_origins`.

Says nothing about clients that are no pages: they send no `Origin`, or any they like.
"""

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from pushery.core.exchange import Request


def may_open_sockets(request: Request, allowed: tuple[str, ...]) -> bool:
    """Whether a client's request comes from a page that one of `allowed` fits, or from no page; empty allows all."""
    if not allowed:
        return True
    origin = request.header(b"origin").decode("latin-1")
    return not origin or is_allowed(origin, allowed)


def is_allowed(origin: str, patterns: tuple[str, ...]) -> bool:
    """Whether the host of a page's origin fits one of the patterns, `*` for any part; or the origin is one of them."""
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return any(fnmatchcase(host, pattern.lower()) or pattern == origin for pattern in patterns)
