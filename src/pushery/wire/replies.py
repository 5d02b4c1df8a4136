"""Replies become bytes: status line, the headers every reply has, the reply's own headers, body.

What browsers are told in every reply keeps a reply that they were tricked into showing harmless: it is nothing but
data, runs nothing, shows in no frame, gives no address away, and stays in no cache. A reply that says something else
of that kind itself has the last word.

Does not decide what is answered or whether the connection stays open, and reads no clock: the date is set from
outside, once a second.

Invariant: what is written is exactly one reply. No header value can smuggle in a line, and the length is always said
where a body may follow (RFC 9112 6.3).
"""

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from pushery.core.exchange import Reply

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Tells a client that waits with its body to send it (RFC 9110 15.2.1)."""

# What the IANA registry says today where the standard library still says something else.
_REASONS: Final[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110 5.6.2
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch  # RFC 9110 5.5
_OURS: Final = frozenset({"content-length", "transfer-encoding", "date", "content-type"})

_GUARDS: Final[dict[str, bytes]] = {
    "x-content-type-options": b"X-Content-Type-Options: nosniff\r\n",
    "content-security-policy": b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
    "referrer-policy": b"Referrer-Policy: no-referrer\r\n",
    "cache-control": b"Cache-Control: no-store\r\n",
}
_HSTS: Final = "strict-transport-security"


class ReplyEncoder:
    """Encodes replies for any number of connections. The head they have in common is made once per second."""

    __slots__ = ("_date", "_guards", "_heads")

    def __init__(self, unix_seconds: int, hsts_max_age: int = 0) -> None:
        self.set_date(unix_seconds)
        self.set_hsts(hsts_max_age)

    def set_date(self, unix_seconds: int) -> None:
        """Replies encoded from now on carry this date (RFC 9110 6.6.1). To be called every second."""
        self._date = formatdate(unix_seconds, usegmt=True)
        self._heads: dict[tuple[int, str, bool, str, bool], bytes] = {}

    def set_hsts(self, max_age: int) -> None:
        """For how many seconds browsers are told from now on to use TLS only (RFC 6797); 0: they are not told."""
        # RFC 6797 7.2: not over plain HTTP. By whether the request came by TLS:
        hsts = {_HSTS: b"Strict-Transport-Security: max-age=%d\r\n" % max_age} if max_age else {}
        self._guards = (_GUARDS, _GUARDS | hsts)
        self._heads = {}

    def encode(
        self,
        reply: Reply,
        keep_alive: bool = True,
        head_only: bool = False,
        version: str = "1.1",
        secure: bool = False,
    ) -> bytes:
        """The bytes of `reply`. `head_only` answers HEAD; `version` and `secure` are the request's.

        Raises ValueError for what no reply may say: a body where the status allows none, a line break in a header, a
        header that is written for every reply anyway.
        """
        key = (reply.status, reply.content_type, keep_alive, version, secure)
        head = self._heads.get(key) or self._make_head(*key)
        body = reply.body
        if reply.headers or head_only or reply.status < 200 or reply.status in (204, 304):
            return self._encode_rare(head, reply, head_only, self._guards[secure])
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _encode_rare(self, head: bytes, reply: Reply, head_only: bool, guards: dict[str, bytes]) -> bytes:
        for name, _ in reply.headers:
            line = guards.get(name.lower())
            if line is not None:
                head = head.replace(line, b"")
        length = b""
        if not _bodyless(reply.status):
            length = b"Content-Length: %d\r\n" % len(reply.body)
        elif reply.body:
            raise ValueError(f"a reply with status {reply.status} has no body")
        body = b"" if head_only else reply.body
        return b"".join((head, length, *map(_header_line, reply.headers), b"\r\n", body))

    def _make_head(self, status: int, content_type: str, keep_alive: bool, version: str, secure: bool) -> bytes:
        """All lines up to Content-Length (RFC 9112 4 and 9.3, RFC 9110 6.6.1 and 8.3), kept until the date changes."""
        if not 100 <= status <= 599:
            raise ValueError(f"no HTTP status: {status}")
        # RFC 9110 2.5: a server answers with its own version, whatever the client's.
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
        if status >= 200:
            lines.append(f"Date: {self._date}")
            if not keep_alive:
                lines.append("Connection: close")
            elif version == "1.0":
                lines.append("Connection: keep-alive")
        if not _bodyless(status):
            _check_value("Content-Type", content_type)
            lines.append(f"Content-Type: {content_type}")
        head = ("\r\n".join(lines) + "\r\n").encode("latin-1")
        if status >= 200:
            head += b"".join(self._guards[secure].values())
        self._heads[status, content_type, keep_alive, version, secure] = head
        return head


def _bodyless(status: int) -> bool:
    """RFC 9112 6.3 (1): no body follows, whatever the headers say. RFC 9110 8.6: nor may 1xx and 204 say a length."""
    return status < 200 or status in (204, 304)


def _header_line(header: tuple[str, str]) -> bytes:
    name, value = header
    if not _TOKEN(name) or name.lower() in _OURS:
        raise ValueError(f"not a header a reply may add: {name!r}")
    _check_value(name, value)
    return f"{name}: {value}\r\n".encode("latin-1")


def _check_value(name: str, value: str) -> None:
    # RFC 9110 5.5: CR, LF and NUL are dangerous; other control characters have no meaning either.
    if not _FIELD_VALUE(value):
        raise ValueError(f"not a value for {name}: {value!r}")
