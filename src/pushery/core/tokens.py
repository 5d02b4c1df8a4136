"""Connect tokens: JSON Web Tokens (RFC 7519) by which an app's backend says who may connect, and to what.

Reads and verifies; what follows from a token is the dialects'. Time is an argument. Nothing that a token holds gets
into an error's text. What Pusher clients and backends sign with the same secret has a colon or a newline in it, which
the signed part of a token cannot have, so that neither passes for the other.

Invariant: what passes was signed with one of the app's secrets (HS256), or with one of its `token_keys` by the one
algorithm that this key is for; and it says that it is for this app, unless a secret of the app says so already.
"""

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
import re2

from pushery.core.apps import App
from pushery.core.exchange import Request
from pushery.core.tokenkeys import UnusableKey, token_keys

if TYPE_CHECKING:
    from jwt.api_jws import PyJWS

MAX_TOKEN: Final = 8 * 1024
"""Characters of a token; a request's head has twice that."""

LEEWAY_S: Final = 5.0
"""How far the clocks of who signs and of this server may be apart."""

MAX_LIFE_S: Final = 10 * 365 * 86_400.0
"""No socket lives longer; timers cannot be set to the end of days."""

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PARAMETER: Final = re.compile(r"(?:^|(?<=&))token=([^&]*)")
_SYMMETRIC: Final = "HS256"
_MAX_TAG_PATTERN: Final = 1000
_PATTERN_OPTIONS: Final = re2.Options()
_PATTERN_OPTIONS.log_errors = False
_PATTERN_OPTIONS.never_capture = True
_PATTERN_OPTIONS.max_mem = 1 << 20


class BadToken(Exception):
    """Why a token is not accepted: a sentence for whoever connects, without anything the token says."""


class ExpiredToken(BadToken):
    """It was good, and is not any more."""


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: object = None


class _Claims(msgspec.Struct):
    exp: float | None = None
    nbf: float | None = None
    iat: float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    app: str | None = None
    tag: str | None = None
    tag_pattern: str | None = None
    channels: list[str] | None = None


_header = msgspec.json.Decoder(_Header)
_claims = msgspec.json.Decoder(_Claims)


class Grant(msgspec.Struct, frozen=True):
    """What a valid token allows. `expires_in_s` counts from now; None: for ever."""

    expires_in_s: float | None = None
    tag: str | None = None
    tag_pattern: str | None = None
    channels: tuple[str, ...] | None = None
    """Names of channels that may be subscribed to, with `*` for any part; None when the token does not say."""

    def allows_tag(self, tag: str) -> bool:
        """Whether a socket may have this tag."""
        return tag == self.tag or (self.tag_pattern is not None and _matches(self.tag_pattern, tag))

    def allows_channel(self, name: str) -> bool:
        """Whether a socket may try to subscribe to this channel."""
        return self.channels is None or any(fits(pattern, name) for pattern in self.channels)

    def names_channel(self, name: str) -> bool:
        """Whether the token names this very channel."""
        return self.channels is not None and name in self.channels


class Sent(NamedTuple):
    """The token of a request, "" when there is none, and the query without it."""

    token: str
    query: str


def sent_token(request: Request) -> Sent:
    """The token of a request: before the `/app/` of its path, in its query, or in its `Authorization`, in this order.

    Text that is not UTF-8 has replacement characters in it, which no token has.
    """
    query, token = request.query, _token_in_path(request.path)
    if "token=" in query:
        found = _PARAMETER.search(query)
        if found is not None:
            token = token or _text(found[1].replace("+", " "))
            query = "&".join(part for part in query.split("&") if not part.startswith("token="))
    return Sent(token or _bearer(request.header(b"authorization")), query)


def _token_in_path(path: str) -> str:
    """`T` of `/token/T/app/KEY`, whatever stands before and behind."""
    if "/token/" not in path:
        return ""
    before, found, _ = path.rpartition("/app/")
    first, _, token = before.rpartition("/")
    return _text(token) if found and first.endswith("/token") else ""


def _bearer(header: bytes) -> str:
    scheme, _, token = header.strip().partition(b" ")
    return token.strip().decode("utf-8", "replace") if scheme.lower() == b"bearer" else ""


def _text(sent: str) -> str:
    return unquote_to_bytes(sent).decode("utf-8", "replace") if "%" in sent else sent


def read_token(token: str, app: App, now_ms: int) -> Grant:
    """What a token allows at this app. `now_ms` is unix time. Raises BadToken, and ExpiredToken."""
    if len(token) > MAX_TOKEN or not _FORM.fullmatch(token):
        raise BadToken("The connect token is not a JSON Web Token.")
    payload, is_public = _verified(token, app)
    try:
        claims = _claims.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadToken("The claims of the connect token are not of the form that they must have.") from None
    expires_in_s = _check_times(claims, now_ms / 1000, required=app.settings.require_token)
    _check_place(claims, app, is_public)
    channels = None if claims.channels is None else tuple(claims.channels)
    return Grant(expires_in_s, claims.tag, claims.tag_pattern, channels)


def _verified(token: str, app: App) -> tuple[bytes, bool]:
    """The payload of a token whose signature is good, and whether a public key verified it."""
    header = _read_header(token)
    if header.alg == _SYMMETRIC:
        for pair in app.keys:
            payload = _payload(token, pair.secret, _SYMMETRIC)
            if payload is not None:
                return payload, False
    else:
        for key in _candidates(header, app):
            payload = _payload(token, key, header.alg)
            if payload is not None:
                return payload, True
    raise BadToken("The signature of the connect token fits no key of this app.")


def _read_header(token: str) -> _Header:
    from jwt.utils import base64url_decode

    try:
        header = _header.decode(base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError):  # binascii's and msgspec's errors are ValueErrors
        raise BadToken("The header of the connect token cannot be read.") from None
    if header.crit is not None:  # RFC 7515 4.1.11: what is not understood must be refused
        raise BadToken("The connect token has critical extensions, of which this server knows none.")
    return header


def _candidates(header: _Header, app: App) -> Iterator[Any]:
    """The public keys that a token may have been signed for. The algorithm is the key's; the token's must be the same.

    With a `kid` these are the keys of that name and those without any. What the header says of keys itself (`jwk`,
    `jku`, `x5c`) is never looked at.
    """
    try:
        keys = token_keys(app.settings.token_keys)
    except UnusableKey:  # kept by a version that knew it
        return
    for key in keys:
        if key.algorithm == header.alg and (header.kid is None or key.kid is None or key.kid == header.kid):
            yield key.key


@cache
def _jws() -> "PyJWS":
    from jwt.api_jws import PyJWS  # 1.5 MiB of memory that only servers with tokens pay for

    return PyJWS(algorithms=[_SYMMETRIC, "RS256", "ES256", "EdDSA"])


def _payload(token: str, key: Any, algorithm: str) -> bytes | None:
    """The payload, if `key` verifies the signature by `algorithm`."""
    from jwt.exceptions import PyJWTError

    try:
        payload: bytes = _jws().decode(token, key, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return payload


def _check_times(claims: _Claims, now_s: float, *, required: bool) -> float | None:
    """In how many seconds the token expires. Raises BadToken, and ExpiredToken."""
    if any(time is not None and not math.isfinite(time) for time in (claims.exp, claims.nbf, claims.iat)):
        raise BadToken("A time in the connect token is no number of seconds.")
    for begins in (claims.nbf, claims.iat):
        if begins is not None and begins > now_s + LEEWAY_S:
            raise BadToken("The connect token is not valid yet: compare the clocks.")
    if claims.exp is None:
        if required:
            raise BadToken("The connect token never expires, which this app does not accept: give it an 'exp'.")
        return None
    left_s = claims.exp + LEEWAY_S - now_s
    if left_s <= 0:
        raise ExpiredToken("The connect token has expired.")
    return min(left_s, MAX_LIFE_S)


def _check_place(claims: _Claims, app: App, is_public: bool) -> None:
    """Whether the token is from whom and for what it has to be. Raises BadToken."""
    settings = app.settings
    if settings.token_issuer and claims.iss != settings.token_issuer:
        raise BadToken("The connect token is from another issuer than this app accepts.")
    names = {app.key, *(pair.key for pair in app.keys)}
    audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    ours = {settings.token_audience} if settings.token_audience else names
    if audience is not None and ours.isdisjoint(audience):  # RFC 7519 4.1.3
        raise BadToken("The connect token is for another audience.")
    if settings.token_audience and audience is None:
        raise BadToken("The connect token does not say for which audience it is, which this app demands.")
    if claims.app is not None and claims.app not in names:
        raise BadToken("The connect token is for another app.")
    if is_public and claims.app is None and audience is None:
        raise BadToken("The connect token does not say for which app it is: give it an 'app' or an 'aud'.")


def _matches(pattern: str, tag: str) -> bool:
    """Whether a tag is all that an RE2 pattern describes; not when the pattern is none."""
    if len(pattern) > _MAX_TAG_PATTERN:
        return False
    try:
        return re2.compile(pattern.encode(), _PATTERN_OPTIONS).fullmatch(tag.encode()) is not None
    except (re2.error, UnicodeEncodeError):
        return False


def fits(pattern: str, name: str) -> bool:
    """Whether a channel's name is what `pattern` describes, `*` for any part, also an empty one."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == first
    last = rest.pop()
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for part in rest:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
