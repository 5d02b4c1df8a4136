"""Who may connect as a GoPusher client: pages by their origin, clients by a connect token.

Whether an app is there and in use is settled before; a `connect_hook` is asked instead of reading tokens. Every refusal
comes before the upgrade, and none repeats what a token says.
"""

from typing import Final

from pushery.core.apps import App
from pushery.core.exchange import Refusal, Request
from pushery.core.origins import may_open_sockets
from pushery.core.tokens import BadToken, ExpiredToken, read_token

_BEARER: Final = (("WWW-Authenticate", 'Bearer realm="pushery"'),)
_BAD_BEARER: Final = (("WWW-Authenticate", 'Bearer realm="pushery", error="invalid_token"'),)
"""RFC 6750 3."""


def require_origin(request: Request, app: App) -> None:
    """Raises Refusal for pages that may not open sockets."""
    if not may_open_sockets(request, app.settings.allowed_origins):
        message = "Pages of this origin may not connect: which ones may, the app's setting 'allowed_origins' says."
        raise Refusal(403, "origin_not_allowed", message)


def check_token(token: str, app: App, tag: str, now_ms: int) -> float | None:
    """In how many seconds a client has to go that may come with this tag; None: never.

    `token` is "" where none was sent, `now_ms` is unix time. Raises Refusal.
    """
    if not token:
        if app.settings.require_token:
            message = "This app lets nobody in without a connect token: send one as 'token' in the query."
            raise Refusal(401, "token_required", message, headers=_BEARER)
        return None
    try:
        grant = read_token(token, app, now_ms)
    except ExpiredToken as expired:
        raise Refusal(401, "token_expired", str(expired), headers=_BAD_BEARER) from None
    except BadToken as bad:
        raise Refusal(401, "invalid_token", str(bad), headers=_BAD_BEARER) from None
    if not grant.allows_tag(tag):
        message = "The connect token does not allow this tag: its 'tag' or 'tag_pattern' has to."
        raise Refusal(403, "tag_not_allowed", message)
    return grant.expires_in_s


def not_admitted() -> Refusal:
    """The app's own backend has not let somebody in. Why, only that backend tells."""
    return Refusal(403, "not_admitted", "The app does not let you in.")
