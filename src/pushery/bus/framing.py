"""Envelopes as a stream of bytes: each after its length, four bytes, the highest first. Knows no socket.

Invariant: what `Deframer` gives out is what `framed` was given, however the stream was cut in pieces.
"""

from typing import Final

_HEAD: Final = 4

MOST: Final = 1 << 30
"""Bytes of one envelope. A longer one is no envelope but a stream that is out of step."""


class OutOfStep(Exception):
    """What comes is no stream of envelopes."""


def framed(envelope: bytes) -> bytes:
    """The envelope with its length before it. Raises OutOfStep when it is longer than `MOST`."""
    if len(envelope) > MOST:
        raise OutOfStep(f"an envelope of {len(envelope)} bytes")
    return len(envelope).to_bytes(_HEAD, "big") + envelope


class Deframer:
    """Takes the stream as it comes."""

    __slots__ = ("_parts", "_size", "_wanted")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        """What has come since the last whole envelope; joined only when enough is there, which keeps it linear."""
        self._size = 0
        self._wanted = _HEAD

    def feed(self, data: bytes) -> list[bytes]:
        """The envelopes that are whole with this piece. Raises OutOfStep; feed it no more then."""
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return []
        held, at, found = b"".join(self._parts), 0, []
        while True:
            start = at + _HEAD
            if len(held) < start:
                self._wanted = _HEAD
                break
            length = int.from_bytes(held[at:start], "big")
            if length > MOST:
                raise OutOfStep(f"an envelope of {length} bytes")
            if len(held) < start + length:
                self._wanted = _HEAD + length
                break
            found.append(held[start : start + length])
            at = start + length
        rest = held[at:]
        self._parts, self._size = [rest], len(rest)
        return found
