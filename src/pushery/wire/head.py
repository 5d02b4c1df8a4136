"""The rules a request's head has to keep before anyone acts on it: version, host, target, framing.

Pure functions of header values, each one branch of RFC 9110 or RFC 9112. They do not look for header lines
among bytes (that is `wire.http` with its inner parser) and do not know what a path means.

Invariant: a head that passes leaves exactly one way to tell where its body ends.
"""

import re
from functools import lru_cache
from typing import Final

from pushery.core.exchange import Refusal, Request

CHUNKED: Final = -1
"""The body length of a request that says it chunk by chunk."""

# uri-host [ ":" port ], RFC 9110 7.2. No "@": userinfo in a request is an error (RFC 9110 4.2.4). No space, so a
# Host that was sent twice, whose values are joined with ", ", never passes.
_AUTHORITY: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Za-z\-._~:%]+\])(?::[0-9]*)?").fullmatch


def malformed(problem: str) -> Refusal:
    """The refusal of bytes that are not HTTP. `problem` is the inner parser's word for what is wrong."""
    if problem == "Invalid HTTP version":
        return _unsupported_version()
    return _bad(f"This is not a well-formed HTTP/1.1 request: {problem[:1].lower()}{problem[1:]}.")


def request_of(method: str, target: bytes, version: str, headers: dict[bytes, bytes], peer: str) -> Request:
    """The request this head begins, its body still empty. Raises `Refusal`."""
    if version not in ("1.1", "1.0"):
        raise _unsupported_version()
    if method == "CONNECT":
        # RFC 9110 9.3.6: a server that is no proxy need not implement it.
        raise Refusal(501, "not_implemented", "This server is not a proxy: CONNECT is not implemented.")
    host = headers.get(b"host")
    if host is None:
        # RFC 9112 3.2: a server MUST respond with 400 to any HTTP/1.1 request that lacks a Host header ...
        if version == "1.1":
            raise _bad("An HTTP/1.1 request needs a Host header.")
    elif not _is_authority(host):
        # ... and to any that contains more than one, or one with an invalid field value.
        raise _bad("Send exactly one Host header, of the form host or host:port.")
    path, query = _split_target(method, target, headers)
    keep_alive = version == "1.1" if b"connection" not in headers else _keeps_alive(version, headers)
    return Request(method, path, query, headers, b"", version, keep_alive, peer)


@lru_cache(maxsize=64)  # a server has few names, and the look-up takes a third of the match
def _is_authority(host: bytes) -> bool:
    return _AUTHORITY(host) is not None


def _split_target(method: str, target: bytes, headers: dict[bytes, bytes]) -> tuple[str, str]:
    """Path and query of a request target (RFC 9112 3.2). An absolute target's authority becomes the Host."""
    # A request target has no fragment (RFC 9112 3.2): dropping one would guess what the sender meant.
    if b"#" in target or not target.isascii():
        raise _bad("The request target has to be percent-encoded ASCII without a fragment.")
    text = target.decode()
    if text[0] != "/":
        if text == "*":
            # RFC 9112 3.2.4: the asterisk-form is only used for a server-wide OPTIONS request.
            if method != "OPTIONS":
                raise _bad('The request target "*" goes with OPTIONS only.')
            return text, ""
        text = _strip_authority(method, text, headers)
    path, _, query = text.partition("?")
    return path, query


def _strip_authority(method: str, target: str, headers: dict[bytes, bytes]) -> str:
    """The origin form of an absolute target, which a server MUST accept (RFC 9112 3.2.2)."""
    scheme, _, rest = target.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    host = authority.encode()
    if scheme.lower() not in ("http", "https") or not host or not _is_authority(host):
        raise _bad("The request target has to be a path or an http URL.")
    # RFC 9112 3.2.2: the server MUST ignore the received Host and use the host of the request target.
    headers[b"host"] = host
    origin = rest[len(authority) :]
    if not origin and method == "OPTIONS":
        return "*"  # RFC 9112 3.2.4
    return origin if origin[:1] == "/" else "/" + origin


def body_length(version: str, headers: dict[bytes, bytes]) -> int:
    """How many bytes of body follow (RFC 9112 6.3); `CHUNKED` when the chunks tell. Raises `Refusal`."""
    coding = headers.get(b"transfer-encoding")
    length = headers.get(b"content-length")
    if coding is not None:
        return _check_coding(version, coding, length)
    if length is None:
        return 0
    # RFC 9112 6.3 (5): an invalid Content-Length, such as a list or a signed number, is an unrecoverable error.
    if not length.isdigit() or len(length) > 19:
        raise _bad("Content-Length has to be one decimal number.")
    return int(length)


def _check_coding(version: str, coding: bytes, length: bytes | None) -> int:
    # RFC 9112 6.3 (3): both may be an attempt at request smuggling and ought to be handled as an error.
    # RFC 9112 6.1: in an HTTP/1.0 message the framing is faulty.
    if length is not None or version == "1.0":
        raise _bad("Transfer-Encoding goes neither with Content-Length nor with HTTP/1.0.")
    codings = [name.strip() for name in coding.lower().split(b",")]
    # RFC 9112 6.3 (4): when chunked is not the final coding of a request, the server MUST respond with 400.
    # RFC 9112 6.1: chunked MUST NOT be applied more than once.
    if codings[-1] != b"chunked" or b"chunked" in codings[:-1]:
        raise _bad("The last Transfer-Encoding has to be chunked, once.")
    if len(codings) > 1:
        # RFC 9112 6.1: a transfer coding the server does not understand SHOULD be answered with 501.
        raise Refusal(501, "not_implemented", "The only Transfer-Encoding this server understands is chunked.")
    return CHUNKED


def expects_continue(version: str, headers: dict[bytes, bytes]) -> bool:
    """Whether the sender waits for "100 Continue" before the body (RFC 9110 10.1.1). Raises `Refusal`."""
    expectation = headers.get(b"expect")
    if expectation is None or version == "1.0":  # one in an HTTP/1.0 request MUST be ignored
        return False
    if _members(expectation) != {b"100-continue"}:
        raise Refusal(417, "expectation_failed", 'The only expectation this server meets is "100-continue".')
    return True


def offers_websocket(request: Request) -> bool:
    """Whether a bodyless request whose Connection names "upgrade" may go on in WebSocket frames (RFC 6455 4.1).

    Every other offer is ignored, as RFC 9110 7.8 allows, and requires for HTTP/1.0.
    """
    wanted = _members(request.headers.get(b"upgrade", b""))
    return b"websocket" in wanted and request.method == "GET" and request.version == "1.1"


def _keeps_alive(version: str, headers: dict[bytes, bytes]) -> bool:
    """RFC 9112 9.3: "close" wins, HTTP/1.1 persists, HTTP/1.0 persists when it says so."""
    options = _members(headers[b"connection"])
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _members(value: bytes) -> set[bytes]:
    """The members of a comma-separated list of case-insensitive tokens (RFC 9110 5.6.1)."""
    return {member.strip() for member in value.lower().split(b",")} - {b""}


def _bad(sentence: str) -> Refusal:
    return Refusal(400, "bad_request", sentence)


def _unsupported_version() -> Refusal:
    # RFC 9110 15.6.6
    return Refusal(505, "http_version_not_supported", "This server speaks HTTP/1.1 and HTTP/1.0.")
