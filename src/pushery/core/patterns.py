"""Tag patterns: RE2 regular expressions, searched unanchored, compiled into the cheapest way to find tags.

A pattern becomes one of six kinds: an exact tag (`^A:1$`), a literal to begin with (`^A:`) or to be found anywhere in
a tag (`A:1`), every tag (`.+`), a line scanner that runs once over all tags joined by newlines, or, where a pattern
could tell the joined buffer from a single tag, a search per tag. All six select the same tags as searching each tag by
itself would; that is this module's invariant.

RE2 runs in time linear in the text, so a caller's pattern cannot stall the server. Python's `re`, which can, only
ever sees a pattern as text to be inspected, never as a pattern.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Protocol

import re2

MAX_PATTERN: Final = 16 * 1024
"""Characters of a pattern: room for a thousand tags side by side, and a bound on what reading one can cost."""

MAX_PATTERN_MEMORY: Final = 4 << 20
"""Bytes one compiled pattern may use. With half of that, RE2 took seconds instead of milliseconds for some hostile
patterns over 100,000 tags; its own default is 8 MiB."""

# Characters that stand for themselves, and escaped punctuation. RE2 knows more escapes; those go the general way.
_LITERAL = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[!-/:-@\[-^`{-~])*")
_ESCAPED = re.compile(r"\\(.)")

# What a line scanner cannot express: \C matches a lone byte, \B matches between the bytes of one character, an empty
# \Q\E keeps apart what is around it, and a flag may turn multi-line off.
_NOT_BY_LINE = re.compile(r"\\[CB]|\\Q\\E|\(\?[imsU]*-[isU]*m")
_TOKEN = re.compile(r"\\Q[\s\S]*?(?:\\E|\Z)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|[\s\S]")
_LINE_FORM = {r"\A": "^", r"\z": "$"}

EVERY_TAG: Final = frozenset({"^", "$", ".*", "^.*", ".*?", "(.*)", "(?:.*)", "[\\s\\S]*", "(?s).*", "(?s)^.*$"})
"""Ways people write "all": they match whatever a tag is, so that nothing need be searched."""

_EVERY_LINE: Final = frozenset({".", ".+", "^.", "^.+", "^.+$", ".*$", ".+$"})


class PatternError(ValueError):
    """Not a valid RE2 pattern. `position` is the character index in the pattern at which the trouble begins."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Pattern(Protocol):
    """Finds tags in a buffer of UTF-8 tags, each followed by a newline."""

    @property
    def exact(self) -> str | None:
        """The one tag it can match, when the pattern says so; None for every other kind."""

    @property
    def needle(self) -> bytes | None:
        """What every matching tag contains, when that is all the pattern asks for."""

    def matches(self, tag: str) -> bool:
        """Whether it selects this tag."""

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterable[str]:
        """The matching tags among the lines in buffer[start:end], which begins a line and ends one. Tags may repeat."""


def _options(*, by_line: bool) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.never_nl = by_line
    options.max_mem = MAX_PATTERN_MEMORY
    return options


_PER_TAG = _options(by_line=False)
_BY_LINE = _options(by_line=True)


class Exact:
    """`^literal$`: a dictionary look-up for whoever holds the tags."""

    needle = None

    def __init__(self, tag: str) -> None:
        self.exact = tag

    def matches(self, tag: str) -> bool:
        """Whether `tag` is the one."""
        return tag == self.exact

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterable[str]:
        """The tag, once for each line that is it."""
        return [tag for tag in _lines(buffer, start, end) if tag == self.exact]


class Prefix:
    """`^literal`: found by comparing how lines begin, which costs the same whether few match or all."""

    exact = None

    def __init__(self, text: str, *, one_line: bool) -> None:
        self._text = text
        self._one_line = one_line
        """Whether no newline may follow."""
        self.needle = text.encode()

    def matches(self, tag: str) -> bool:
        """Whether `tag` begins with the literal, and goes on as the pattern allows."""
        return tag.startswith(self._text) and not (self._one_line and "\n" in tag[len(self._text) :])

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterable[str]:
        """The lines that begin with the literal."""
        text = self._text
        return [tag for tag in _lines(buffer, start, end) if tag.startswith(text)]


class Literal:
    """A literal anywhere in the tag: a plain substring search, no regular expression at all."""

    exact = None

    def __init__(self, text: str) -> None:
        self._text = text
        self.needle = text.encode()

    def matches(self, tag: str) -> bool:
        """Whether the literal is anywhere in `tag`."""
        return self._text in tag

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterator[str]:
        """The lines the literal is in, each once."""
        needle = self.needle
        if b"\n" in needle:
            return  # it could only be found across two lines
        at = buffer.find(needle, start, end)
        while 0 <= at < end:  # an empty needle is also found behind the last line
            begin = buffer.rfind(b"\n", start, at) + 1 or start
            stop = buffer.index(b"\n", at)
            yield buffer[begin:stop].decode()
            at = buffer.find(needle, stop + 1, end)


class PerTagScan:
    """A search per tag, for the few patterns that a joined buffer would change the meaning of."""

    exact = None
    needle = None

    def __init__(self, per_tag: re2._Regexp) -> None:
        self._per_tag = per_tag

    def matches(self, tag: str) -> bool:
        """Whether RE2 finds the pattern in `tag`."""
        return self._per_tag.search(tag.encode()) is not None

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterable[str]:
        """The lines in which RE2 finds the pattern, searched one by one."""
        return filter(self.matches, _lines(buffer, start, end))


class EveryLine(PerTagScan):
    """`.*$`, `.+` and their like: every tag in the buffer, or every one that is not empty."""

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterable[str]:
        """All lines, or all that are not empty."""
        lines = _lines(buffer, start, end)
        return lines if self.matches("") else filter(None, lines)


class LineScan(PerTagScan):
    """One multi-line scan over the joined tags, a match taking the rest of its line."""

    def __init__(self, per_tag: re2._Regexp, line_form: str) -> None:
        super().__init__(per_tag)
        self._by_line = re2.compile(f"(?m)(?:{line_form}).*$", _BY_LINE)

    def scan(self, buffer: bytearray, start: int, end: int) -> Iterator[str]:
        """The lines in which RE2 finds the line form, each once."""
        last = -1
        for match in self._by_line.finditer(buffer, start, end):
            at, stop = match.span()
            begin = buffer.rfind(b"\n", start, at) + 1 or start
            # An empty match may be reported again at the end of the line it was found in, and behind the last line.
            if begin != last and begin < end:
                last = begin
                yield buffer[begin:stop].decode()


def _lines(buffer: bytearray, start: int, end: int) -> list[str]:
    return buffer[start:end].decode().split("\n")[:-1]


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Pattern:
    """The cheapest matcher with the meaning of `pattern`. Raises PatternError for what RE2 does not accept."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters", MAX_PATTERN)
    if pattern[:1] == "^" and pattern[-1:] == "$" and _LITERAL.fullmatch(pattern, 1, len(pattern) - 1):
        return Exact(_ESCAPED.sub(r"\1", pattern[1:-1]))
    if _LITERAL.fullmatch(pattern):
        return Literal(_ESCAPED.sub(r"\1", pattern))
    one_line = pattern.endswith(".*$")
    beginning = pattern[:-3] if one_line else pattern.removesuffix(".*")
    if beginning[:1] == "^" and _LITERAL.fullmatch(beginning, 1):
        return Prefix(_ESCAPED.sub(r"\1", beginning[1:]), one_line=one_line)
    try:
        per_tag = re2.compile(pattern.encode(), _PER_TAG)
    except re2.error as error:
        raise _explain(pattern, error) from None
    if pattern in _EVERY_LINE:
        return EveryLine(per_tag)
    if _NOT_BY_LINE.search(pattern):
        return PerTagScan(per_tag)
    line_form = "".join(map(_line_form, _TOKEN.findall(pattern)))
    try:
        return LineScan(per_tag, line_form)
    except re2.error:  # the line form is a little larger, and may pass the memory bound where the pattern did not
        return PerTagScan(per_tag)


def _line_form(token: str) -> str:
    if token.startswith(r"\Q"):
        # With an end of its own, lest it take in what comes behind it; in hexadecimal, lest it join what stands before.
        return "".join(f"\\x{{{ord(character):x}}}" for character in token[2:].removesuffix(r"\E"))
    return _LINE_FORM.get(token, token)


def _explain(pattern: str, error: Exception) -> PatternError:
    """RE2 names the trouble and the piece of the pattern it is in ("missing ]: [a"), but not where that piece is."""
    text = _text(error)
    kind, colon, piece = text.partition(": ")
    if kind == "missing )":
        return PatternError("missing closing )", _unclosed_bracket(pattern))
    if kind == "unexpected )":
        return PatternError("unexpected )", _unopened_bracket(pattern))
    if kind == "missing ]" and pattern.endswith(piece):  # RE2 names all that follows the bracket
        return PatternError(text, len(pattern) - len(piece))
    at = _place(pattern, text, piece) if colon else len(pattern) - 1
    return PatternError(text, max(at, 0))


def _place(pattern: str, text: str, piece: str) -> int:
    """Where the piece is that RE2 names. It may stand elsewhere too, in good order, but RE2 reads from left to right:
    the first end of the pattern that makes it say the same is the end of the piece.
    """
    if pattern.find(piece) == pattern.rfind(piece):
        return pattern.find(piece)
    ends = range(len(piece), len(pattern))
    return bisect_left(ends, True, key=lambda end: _complaint(pattern[:end]) == text)


def _complaint(pattern: str) -> str:
    try:
        re2.compile(pattern.encode(), _PER_TAG)
    except re2.error as error:
        return _text(error)
    return ""


def _text(error: Exception) -> str:
    text: bytes = error.args[0]
    return text.decode("utf-8", "replace")


def _brackets(pattern: str) -> Iterator[tuple[int, str]]:
    """The round brackets that group, with their positions; those escaped or in a character class do not."""
    for token in _TOKEN.finditer(pattern):
        if token.group() in ("(", ")"):
            yield token.start(), token.group()


def _unclosed_bracket(pattern: str) -> int:
    opened: list[int] = []
    for position, bracket in _brackets(pattern):
        if bracket == "(":
            opened.append(position)
        elif opened:
            opened.pop()
    return opened[-1] if opened else max(len(pattern) - 1, 0)


def _unopened_bracket(pattern: str) -> int:
    depth = 0
    for position, bracket in _brackets(pattern):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            return position
    return max(len(pattern) - 1, 0)
