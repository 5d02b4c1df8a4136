"""Where the chunks of a chunked body begin and end (RFC 9112 7.1).

llhttp reads the same bytes and hands out what is in them; here they are only counted, so that sizes are exact before
they are fed. Both have to read the same. Within a chunk's data an empty line is no end, and looking for one there
would be work that a sender gets for two bytes. The trailers behind the last chunk are the parser's.
"""

import re
from typing import Final

_FREE_LINE: Final = 18
"""What the size line of a chunk may take for free: 16 hexadecimal digits and the CRLF."""
_CRLF: Final = 2
_DIGITS: Final = re.compile(rb"[0-9A-Fa-f]+").match
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)[^\n]*\n").match
# Up to 256 chunks of one digit, whole, with short extensions: one by one these are the dearest that can be sent.
_TINY_CHUNKS: Final = re.compile(
    rb"(?:0{0,8}(?:%b)\r\n){1,256}"
    % b"|".join(rb"[%x%X](?:;[!-~]{0,6})?\r\n.{%d}" % (size, size, size) for size in range(1, 16)),
    re.DOTALL,
).match


class LineTooLong(Exception):
    """A size line has more extensions than are allowed: the bytes from `end` on are not to be read."""

    def __init__(self, end: int) -> None:
        self.end = end


class Chunks:
    """The chunks of one body, whatever the pieces it comes in."""

    __slots__ = ("_digits", "_left", "_line", "_max_extensions", "_max_size", "ended", "extensions")

    def __init__(self, max_extensions: int, max_size: int) -> None:
        """How many bytes of extensions all chunks may have, and of data."""
        self._max_extensions = max_extensions
        self._max_size = max_size
        self._left = 0
        """Bytes of the present chunk still to come, CRLF included; 0 in a size line."""
        self._line = 0
        """Bytes of the size line that has begun."""
        self._digits = b""
        """What has come of that line, as far as it is needed."""
        self.extensions = 0
        """Bytes so far that were more than size lines need."""
        self.ended = False
        """Whether the last chunk has been; what follows are trailers."""

    @property
    def to_come(self) -> int:
        """Bytes of data that the present chunk has announced and not brought yet."""
        return max(0, self._left - _CRLF)

    def walk(self, data: bytes, at: int, size: int) -> tuple[int, int | None]:
        """Go from chunk to chunk in `data` from `at` on, `size` bytes of the body having come before.

        Returns where that ends: behind the last chunk, at the end of `data`, or where the body has become too large;
        and how much of the body has come by then, None when that is not known. Raises `LineTooLong`.
        """
        left, known, end = self._left, True, len(data)
        size += self.to_come
        while at < end and size <= self._max_size:
            if left:
                step = min(left, end - at)
                left -= step
                at += step
                continue
            tiny = None if self._line else _TINY_CHUNKS(data, at)
            if tiny is not None:
                size += tiny.end() - at  # the most that it can be
                at, known = tiny.end(), False
                continue
            at, announced = self._size_line(data, at)
            if not announced:
                self.ended = announced == 0
                break
            size += announced
            left = announced + _CRLF
        self._left = left
        return at, size - self.to_come if known else None

    def _size_line(self, data: bytes, at: int) -> tuple[int, int | None]:
        """Where the size line that goes on at `at` ends, and the size; None when that has not come yet."""
        room = self._max_extensions - self.extensions + _FREE_LINE - self._line
        if not self._line:
            found = _SIZE_LINE(data, at, at + room)
            if found is not None:
                stop, digits = found.end(), found[1]
                self.extensions += max(0, stop - at - _FREE_LINE)
                return stop, int(digits, 16)
        stop = data.find(b"\n", at, at + room) + 1
        if not stop and len(data) - at > room:
            raise LineTooLong(at + room)
        piece = data[at : stop or len(data)]
        self._line += len(piece)
        # Its digits without leading zeros, of which llhttp takes any number; of others it takes sixteen.
        self._digits = (b"0" + (self._digits + piece).lstrip(b"0"))[:_FREE_LINE]
        if not stop:
            return len(data), None
        found = _DIGITS(self._digits)
        self.extensions += max(0, self._line - _FREE_LINE)
        self._line, self._digits = 0, b""
        assert found is not None
        return stop, int(found[0], 16)
