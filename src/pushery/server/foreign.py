"""Pages of other sites: they may not use the credentials that a browser keeps for this server.

A browser that has asked its user for an account and password (Basic, RFC 7617) sends them along with whatever any page
has it send, a form of somebody else's too. It also says where that page is from, and no page can say it otherwise.
Who may read a reply is `server.cors`' matter, who may open a socket the apps'. Invariant: who says nothing of the kind,
as backends and programs do, is not refused here, and neither is what changes nothing.
"""

from collections.abc import Collection
from typing import Final

from pushery.core.exchange import Refusal, Request
from pushery.server.cors import ANY

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods that change nothing (RFC 9110 9.2.1)."""

_OWN: Final = frozenset((b"same-origin", b"none"))
"""What Sec-Fetch-Site says of a page of this origin, and of a user who types an address or follows a bookmark."""

_DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}


def refuse_foreign_pages(request: Request, origins: Collection[str]) -> None:
    """Raise the refusal of a change that a page from elsewhere wants made with Basic credentials.

    `origins` are those whose pages may, `ANY` among them for all.
    """
    headers = request.headers
    if b"sec-fetch-site" not in headers and b"origin" not in headers:
        return
    if request.method in _SAFE or not _has_basic(request) or not is_from_elsewhere(request):
        return
    if ANY not in origins and request.header(b"origin").decode("latin-1") not in origins:
        message = (
            "A page of another site may not use the account and password that the browser keeps for this server: add "
            "the page's origin to cors_origins, or send this from a backend."
        )
        raise Refusal(403, "foreign_page", message)


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a page of another origin, another port too, has it send this.

    Browsers send Sec-Fetch-Site to https, and to this very machine. Over plain HTTP there is the page's Origin, to be
    held against Host: a proxy that changes Host there has to pass it on, as it has to for the console's feed. What it
    may say in X-Forwarded-Host is not looked at, for most that change Host do not say it.
    """
    site = request.header(b"sec-fetch-site")
    origin = request.header(b"origin")
    if site or not origin:
        return bool(site) and site not in _OWN
    scheme, _, authority = origin.lower().partition(b"://")
    port = _DEFAULT_PORTS.get(scheme)
    if port is None:  # such as "null", which sandboxed pages are, and those that do not say where they are from
        return True
    # Of either scheme: a proxy may speak TLS in front of this server without saying so.
    return authority.removesuffix(port) != request.header(b"host").lower().removesuffix(port)


def _has_basic(request: Request) -> bool:
    return request.header(b"authorization").partition(b" ")[0].lower() == b"basic"
