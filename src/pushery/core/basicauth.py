"""HTTP Basic authentication (RFC 7617): who may call what."""

import binascii
import hmac
from typing import Final

from pushery.core.apps import App
from pushery.core.exchange import Refusal, Request

_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="pushery", charset="UTF-8"'),)


def credentials(account: str, password: str) -> bytes:
    """What a caller with this account sends, decoded; b"" when it is empty and so never to be accepted."""
    return f"{account}:{password}".encode() if account and password else b""


def sent_credentials(request: Request) -> bytes:
    """The "account:password" of the request, b"" when it has none that could be read."""
    scheme, _, token = request.header(b"authorization").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return binascii.a2b_base64(token.strip(), strict_mode=True)
    except binascii.Error:
        return b""


def name_of(sent: bytes) -> str:
    """What these credentials are called where it is remembered that they are right; no key of an app has a colon."""
    return sent.decode("latin-1")


def match(sent: bytes, expected: bytes) -> bool:
    """Compare in constant time; nothing matches empty credentials."""
    return hmac.compare_digest(sent, expected) and expected != b""


def administers(sent: bytes, app: App | None) -> bool:
    """Whether these are the credentials of the app's own administrator."""
    return app is not None and match(sent, credentials(app.auth_account, app.auth_password))


def unauthorized() -> Refusal:
    """One answer for whoever may not: it does not say whether the app exists."""
    message = "Send the account and password of the super admin, or of the app's admin, as HTTP Basic auth."
    return Refusal(401, "unauthorized", message, headers=_CHALLENGE)
