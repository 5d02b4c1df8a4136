"""The frames of the HTTP fallbacks: what is said becomes lines of a reply, and a request's body becomes messages.

A frame is one line: `o{}` opens, `a[...]` carries messages, `h` is a heartbeat, `c[code,"reason"]` closes. It knows no
request, session or socket. Invariant: a line has no line break but the one at its end, whatever the messages are.
Source: Pusher Channels protocol, section 11.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from pushery.core.codes import Close
from pushery.core.encoding import as_json

OPEN: Final = b"o{}\n"
"""The session is new; said once in its life, for to a client that has one already it means that it is lost."""

HEARTBEAT: Final = b"h\n"

PRELUDE: Final = b"h" * 2048 + b"\n"
"""Makes proxies and browsers that wait for the first two kilobytes of a reply pass on what follows."""

QUIET_PRELUDE: Final = b"a[" + b" " * 2045 + b"]\n"
"""The same for a client that has a session already: it would answer a heartbeat, and has nothing to answer."""

CLIENT_BUFFER: Final = 256 * 1024
"""Characters of one reply after which pusher-js drops it, once they end in a whole line, and asks anew."""

LAST_CHUNK: Final = b"0\r\n\r\n"

_NO_LENGTH: Final = b"Content-Length: 0\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"

_messages = msgspec.json.Decoder(list[str])


def messages_line(texts: Sequence[str]) -> bytes:
    """The line that carries `texts`, in order; with none of them it only says that we are there."""
    return b"a%b\n" % as_json(texts)


def close_line(close: Close) -> bytes:
    """The line that says `close`."""
    return b"c%b\n" % as_json((close.code, close.reason))


def messages_of(body: bytes) -> list[str]:
    """What a client sends: a JSON array of strings. Raises ValueError when it is none."""
    try:
        return _messages.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def characters(lines: bytes) -> int:
    """How long `lines` are to a browser, which counts UTF-16 units."""
    return len(lines) if lines.isascii() else len(lines.decode().encode("utf-16-le")) // 2


def open_ended(head: bytes, version: str) -> bytes:
    """Of a reply without a body the head of one whose end is not known yet (RFC 9112 6.3 and 7.1).

    For a client of HTTP/1.0 the end of the connection is its end.
    """
    return head.replace(_NO_LENGTH, b"" if version == "1.0" else _CHUNKED, 1)


def chunk(data: bytes) -> bytes:
    """`data`, of which there is some, as one chunk of such a reply (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
