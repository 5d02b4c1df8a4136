"""Where in a growing buffer of lines a literal can be: a signature per block, so that most blocks are never read.

The buffer is cut into blocks of `BLOCK` bytes, a line belonging to the block it begins in. For each hashed run of
four bytes a 64-bit mask says in which blocks (modulo 64) it occurs; a literal can only be where all its runs are.
The answer may name blocks in vain but never leaves one out. The table has a fixed size, and is only laid once the
buffer is large enough for a plain search to be slow.
"""

from array import array
from typing import Final

GRAM: Final = 4
BLOCK: Final = 8 * 1024
MASKS: Final = 64
MARKED: Final = 64
"""Bytes of a line that are noted; a client chooses its tag, but not how long it keeps everybody waiting."""
_BUCKETS: Final = 1 << 16
_LAY_AT: Final = 16 * BLOCK
"""Bytes below which searching all is quicker than asking. A table takes 512 KiB."""


class GramIndex:
    """Fed with every line as it is appended; asked for the spans that may hold a literal."""

    __slots__ = ("_blocks", "_long", "_masks", "_waiting")

    def __init__(self) -> None:
        self._blocks: list[int] = []
        """Where the first line of each block begins, a number for every block in turn."""
        self._long = 0
        """The blocks with a line of more than MARKED bytes: they may hold any literal."""
        self._masks: array[int] | None = None
        self._waiting: list[tuple[bytes, int]] = []
        """Lines seen before the table was laid."""

    def add(self, line: bytes, offset: int) -> None:
        """Note a line (without its newline) that begins at `offset`, the end of the buffer so far."""
        block = offset // BLOCK
        while len(self._blocks) <= block:
            self._blocks.append(offset)
        if len(line) > MARKED:
            self._long |= 1 << (block % MASKS)
            line = line[:MARKED]
        masks = self._masks
        if masks is None:
            self._waiting.append((line, block))
            if offset >= _LAY_AT:
                self._masks = array("Q", bytes(8 * _BUCKETS))
                for waiting, its_block in self._waiting:
                    _mark(self._masks, waiting, its_block)
                self._waiting = []
        else:
            _mark(masks, line, block)

    def spans(self, literal: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Spans of buffer[start:end], whole lines each and in order, outside which the literal cannot be."""
        masks = self._masks
        if masks is None or len(literal) < GRAM:
            return [(start, end)]
        where = (1 << MASKS) - 1
        for i in range(len(literal) - GRAM + 1):
            where &= masks[hash(literal[i : i + GRAM]) & (_BUCKETS - 1)]
        where |= self._long
        found: list[tuple[int, int]] = []
        blocks = self._blocks
        for number in range(min(start // BLOCK, len(blocks) - 1), len(blocks)):
            if where >> (number % MASKS) & 1:
                begin = max(blocks[number], start)
                stop = min(blocks[number + 1], end) if number + 1 < len(blocks) else end
                if begin < stop:
                    found.append((begin, stop))
        return found


def _mark(masks: "array[int]", line: bytes, block: int) -> None:
    bit = 1 << (block % MASKS)
    for i in range(len(line) - GRAM + 1):
        masks[hash(line[i : i + GRAM]) & (_BUCKETS - 1)] |= bit
