"""A backend of an app: makes signed requests, by an implementation of the signature that shares nothing with ours."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlencode

from pushery.core.apps import App, KeyPair
from pushery.core.appsettings import AppSettings
from pushery.core.exchange import Request

KEY = "278d425bdf160c739803"
SECRET = "7ad3773142a6692b25b8"
NOW_S = 1353088179

Pairs = Iterable[tuple[str, str]]


class StillClock:
    """A clock that is moved by hand."""

    def __init__(self, wall_ms: int = NOW_S * 1000, monotonic: float = 1000.0) -> None:
        self.now_ms = wall_ms
        self.now = monotonic

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def wall_ms(self) -> int:
        """Milliseconds."""
        return self.now_ms


def an_app(
    number: int = 3, key: str = KEY, secret: str = SECRET, settings: AppSettings | None = None, more: Pairs = ()
) -> App:
    """A registered app; `more` are further keys with their secrets."""
    return App(
        id=str(number),
        key=key,
        secret=secret,
        name=f"test{number}",
        auth_account="scott",
        auth_password="760804",
        request_ip="127.0.0.1:50040",
        registered_ms=1440473952104,
        settings=settings or AppSettings(),
        keys=(KeyPair(key=key, secret=secret), *(KeyPair(key=key, secret=secret) for key, secret in more)),
    )


def signature(secret: str, method: str, path: str, pairs: Pairs) -> str:
    """Section 12.1, by the book."""
    lines = "&".join(f"{key}={value}" for key, value in sorted((key.lower(), value) for key, value in pairs))
    return hmac.new(secret.encode(), f"{method}\n{path}\n{lines}".encode(), hashlib.sha256).hexdigest()


def auth_pairs(body: bytes = b"", key: str = KEY, timestamp: int = NOW_S, md5: bool | None = None) -> dict[str, str]:
    """What every request carries; `body_md5` only where there is a body, if nothing is said."""
    pairs = {"auth_key": key, "auth_timestamp": str(timestamp), "auth_version": "1.0"}
    if md5 or (md5 is None and body):
        pairs["body_md5"] = hashlib.md5(body).hexdigest()  # noqa: S324  # the protocol's
    return pairs


def signed(
    method: str,
    path: str,
    body: bytes = b"",
    params: Mapping[str, str] | None = None,
    *,
    secret: str = SECRET,
    signed_path: str | None = None,
    headers: Mapping[bytes, bytes] | None = None,
    **auth: int | str,
) -> Request:
    """A signed request. `path` is percent-encoded where it has to be; `signed_path` is what the signature is over."""
    pairs = {**auth_pairs(body, **auth), **(params or {})}  # type: ignore[arg-type]
    pairs["auth_signature"] = signature(secret, method, signed_path or path, list(pairs.items()))
    return Request(method, path, urlencode(pairs, quote_via=quote), dict(headers or {}), body)


def segments(path: str, route: str) -> dict[str, str]:
    """The parameters of a route's path, as the router hands them over: decoded, `{name*}` taking what is left."""
    given, wanted = path.split("/")[1:], route.split("/")[1:]
    params: dict[str, str] = {}
    while wanted:
        segment = wanted.pop(0)
        if segment.endswith("*}"):
            taken = len(given) - len(wanted)
            params[segment[1:-2]] = "/".join(map(unquote, given[:taken]))
            given = given[taken:]
            continue
        value = given.pop(0)
        if segment.startswith("{"):
            params[segment[1:-1]] = unquote(value)
        else:
            assert value == segment
    assert not given
    return params
