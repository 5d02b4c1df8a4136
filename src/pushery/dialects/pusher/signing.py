"""Who may call the HTTP API: reads the query string and verifies the signature over it and the body.

Does not know routes, nor which app is meant; it is given one. Stands on the hot path of every publish: a query without
escapes and arrays, as all libraries send it with an event, is read in one pass and costs one HMAC.
Source: Pusher Channels protocol, section 12.1.

Invariant: what passes was signed with one of the app's secrets, method, path, all parameters and the body included.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from pushery.core.apps import App
from pushery.core.exchange import Request
from pushery.dialects.pusher import errors
from pushery.dialects.pusher.mac import signature

_SIGNATURE: Final = "auth_signature"


class Query:
    """The parameters of a query string, decoded, by lower-cased name.

    `values` has the plain ones. `arrays` has those written as `k[]=a&k[]=b`, or as `k[0]=a&k[1]=b`, by the name without
    brackets: each element with its key as sent, in order.
    """

    __slots__ = ("arrays", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.arrays: dict[str, list[tuple[str, str]]] = {}

    def list(self, name: str) -> list[str]:
        """The elements of an array, [] when there is none."""
        return [value for _, value in self.arrays.get(name, ())]

    def text(self, name: str) -> str:
        """A plain value, or an array's elements with commas between; "" when there is neither."""
        return self.values.get(name) or (",".join(self.list(name)) if self.arrays else "")


def read_query(text: str) -> Query:
    """The parameters of a query string as sent. Raises ApiRefusal for one given twice, and for what is not UTF-8."""
    query = Query()
    escaped = "%" in text or "+" in text
    pairs = text.split("&")
    if not escaped and "]" not in text:
        split = [pair.partition("=") for pair in pairs]
        query.values = {key.lower(): value for key, _, value in split}
        if len(query.values) == len(pairs) and "" not in query.values:
            return query
        query.values = {}
    values = query.values
    for pair in pairs:
        key, _, value = pair.partition("=")
        if escaped:
            key, value = _unescape(key), _unescape(value)
        key = key.lower()
        if key[-1:] == "]" and _is_array(key):
            query.arrays.setdefault(key.partition("[")[0], []).append((key, value))
        elif key in values:
            raise errors.repeated(key)
        elif pair:
            values[key] = value
    for name, elements in query.arrays.items():
        indexed = [key for key, _ in elements if key[-2:] != "[]"]
        if name in values or len(set(indexed)) < len(indexed):
            raise errors.repeated(name)
    return query


def _unescape(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise errors.malformed_query() from None


def _is_array(key: str) -> bool:
    name, bracket, index = key[:-1].partition("[")
    return name != "" and bracket != "" and (index == "" or (index.isascii() and index.isdigit()))


def verify(request: Request, query: Query, app: App, now_ms: int, max_age_s: float) -> None:
    """Raises ApiRefusal (401) unless the request is signed by `app`, whose key `auth_key` is.

    `now_ms` is unix time. The time in the request may be off by less than `max_age_s`, either way.
    """
    values = query.values
    sent = values.get(_SIGNATURE)
    if sent is None:
        raise errors.missing_auth(_SIGNATURE)
    _check_version(values)
    _check_time(values, now_ms, max_age_s)
    _check_body(values, request.body)
    secret = app.secret_of(values.get("auth_key", ""))
    if secret is None:
        raise errors.unknown_key()
    params = _plain(values)
    if not query.arrays and _signs(secret, f"{request.method}\n{request.path}\n{params}", sent):
        return
    forms = _with_arrays(query) if query.arrays else (params,)
    for path in _paths(request.path, app.id):
        for form in forms:
            if _signs(secret, f"{request.method}\n{path}\n{form}", sent):
                return
    raise errors.bad_signature(f"{request.method}\n{request.path}\n{forms[0]}", sent)


def _signs(secret: str, text: str, sent: str) -> bool:
    return sent.isascii() and hmac.compare_digest(signature(secret, text.encode()), sent)


def _check_version(values: dict[str, str]) -> None:
    version = values.get("auth_version")
    if version is None:
        raise errors.missing_auth("auth_version")
    if version != "1.0":
        raise errors.bad_version(version)


def _check_time(values: dict[str, str], now_ms: int, max_age_s: float) -> None:
    sent = values.get("auth_timestamp")
    if sent is None:
        raise errors.missing_auth("auth_timestamp")
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 18):
        raise errors.bad_timestamp(sent)
    if abs(now_ms - int(sent) * 1000) >= max_age_s * 1000:
        raise errors.expired(int(sent), now_ms // 1000, max_age_s)


def _check_body(values: dict[str, str], body: bytes) -> None:
    """`body_md5` covers the body, and need not be there when there is none: one library always sends it."""
    sent = values.get("body_md5")
    if sent is None:
        if body:
            raise errors.missing_auth("body_md5")
        return
    arrived = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if sent != arrived:
        raise errors.bad_body_md5(sent, arrived)


def _plain(values: dict[str, str]) -> str:
    """What is signed of parameters without arrays."""
    return "&".join([f"{key}={values[key]}" for key in sorted(values) if key != _SIGNATURE])


def _with_arrays(query: Query) -> tuple[str, ...]:
    """The three ways in which libraries sign arrays: under the array's name, with each element's key printed (Ruby);
    with commas between the elements (PHP); or every pair as it was sent.
    """
    plain = [(key, value) for key, value in query.values.items() if key != _SIGNATURE]
    joined = [(name, ",".join(query.list(name))) for name in query.arrays]
    elements = [pair for array in query.arrays.values() for pair in array]
    printed = [(name, "&".join(map("=".join, array))) for name, array in query.arrays.items()]
    by_name = sorted([(key, f"{key}={value}") for key, value in plain] + printed)
    ruby = "&".join(text for _, text in by_name)
    php = "&".join(map("=".join, sorted(plain + joined)))
    as_sent = "&".join(map("=".join, sorted(plain + elements, key=lambda pair: pair[0])))
    return ruby, php, as_sent


def _paths(path: str, app_id: str) -> Iterator[str]:
    """The paths that may have been signed: as sent, decoded, and each without what a proxy or a library put before."""
    whole = [path]
    if "%" in path:
        whole.append(unquote_to_bytes(path).decode("utf-8", "replace"))
    yield from whole
    start = f"/apps/{app_id}/"
    for way in whole:
        at = way.find(start)
        if at > 0:
            yield way[at:]
