"""The tags of one app and who carries them, built so that a pattern finds its tags fast.

All tags stand joined in one buffer, appended as they appear. A pattern is scanned over that buffer once and then
*stands*: what it found is remembered together with how far it has looked, so that using it again only looks at what
was appended since. A tag that leaves stays in the buffer as a dead line until dead lines outnumber the living; then
the buffer is laid anew and the remembered patterns are forgotten.

Invariant: `select(p)` returns exactly the audiences of the live tags that `p` matches.
"""

from collections.abc import Callable, Collection

from pushery.core.audience import Audience, Write
from pushery.core.grams import GramIndex
from pushery.core.patterns import Pattern, compile_pattern

COMPACT_AT_LEAST = 1024
"""Dead lines below this many are left alone: laying a small buffer anew all the time would cost more than it saves."""


REMEMBER_AT_LEAST = 100_000
"""Audiences that the standing patterns of an app may have found together, beside four for each tag: about 10 MB."""


class Standing:
    """What a pattern has found so far. `found` may hold audiences that have emptied since; they select nobody.

    The compiled pattern is not held: it is asked for again when there is something to look at, and may be large.
    """

    __slots__ = ("found", "scanned")

    def __init__(self) -> None:
        self.found: dict[int, Audience] = {}
        """By identity: it holds no tag a second time."""
        self.scanned = 0
        """How many bytes of the buffer it has seen."""


class TagIndex:
    """Tags -> audiences, with patterns over them."""

    __slots__ = (
        "_buffer",
        "_dead",
        "_grams",
        "_many_lined",
        "_remembered",
        "_sorted",
        "_standing",
        "audiences",
        "max_standing",
    )

    def __init__(self, max_standing: int = 1024) -> None:
        self.audiences: dict[str, Audience] = {}
        """The live tags; no audience in here is empty."""
        self._buffer = bytearray()
        self._dead = 0
        self._grams = GramIndex()
        self._many_lined: dict[str, Audience] = {}
        """Live tags that contain a newline. They would break the buffer into wrong lines, so they stay out of it."""
        self._standing: dict[str, Standing] = {}
        """Remembered patterns, the least recently used first."""
        self.max_standing = max_standing
        """How many patterns are remembered at most."""
        self._remembered = 0
        """How many audiences the standing patterns have found in all."""
        self._sorted: list[str] | None = []
        """The live tags in order; None when they have changed since."""

    @property
    def standing(self) -> int:
        """How many patterns are remembered."""
        return len(self._standing)

    def join(self, tag: str, subscriber: object, write: Write) -> None:
        """Let `subscriber` receive what is pushed to `tag`."""
        audience = self.audiences.get(tag)
        if audience is not None:
            audience[subscriber] = write
            return
        audience = self.audiences[tag] = {subscriber: write}
        self._sorted = None
        if "\n" in tag:
            self._many_lined[tag] = audience
        else:
            line = tag.encode()
            self._grams.add(line, len(self._buffer))
            self._buffer += line
            self._buffer += b"\n"

    def leave(self, tag: str, subscriber: object) -> None:
        """Undo `join`; a subscriber that is not there is no error."""
        audience = self.audiences.get(tag)
        if audience is None:
            return
        audience.pop(subscriber, None)
        if audience:
            return
        del self.audiences[tag]
        self._sorted = None
        if self._many_lined.pop(tag, None) is None:
            self._dead += 1
            if self._dead > COMPACT_AT_LEAST and self._dead > len(self.audiences):
                self._compact()

    def select(self, pattern: str) -> Collection[Audience]:
        """The audiences of all tags that `pattern` matches. Raises PatternError."""
        standing = self._standing.pop(pattern, None)
        if standing is None:
            compiled = compile_pattern(pattern)
            if compiled.exact is not None:
                audience = self.audiences.get(compiled.exact)
                return () if audience is None else (audience,)
            standing = Standing()
        if standing.scanned < len(self._buffer):
            before = len(standing.found)
            self._look_further(standing, compile_pattern(pattern))
            self._remembered += len(standing.found) - before
        self._standing[pattern] = standing
        self._forget_oldest()
        if self._many_lined:
            matches: Callable[[str], bool] = compile_pattern(pattern).matches
            extra = [audience for tag, audience in self._many_lined.items() if matches(tag)]
            return [*standing.found.values(), *extra]
        return standing.found.values()

    def find(self, pattern: str) -> list[str]:
        """The live tags that `pattern` matches, in no order; nothing is remembered of it. Raises PatternError."""
        compiled = compile_pattern(pattern)
        if compiled.exact is not None:
            return [compiled.exact] if compiled.exact in self.audiences else []
        found = dict.fromkeys(tag for tag in compiled.scan(self._buffer, 0, len(self._buffer)) if tag in self.audiences)
        return [*found, *filter(compiled.matches, self._many_lined)]

    def names(self) -> list[str]:
        """The live tags, sorted by code point. The list is shared: do not change it."""
        if self._sorted is None:
            self._sorted = sorted(self.audiences)
        return self._sorted

    def _forget_oldest(self) -> None:
        """Keep what is remembered within bounds: in patterns, and in what they have found."""
        room = REMEMBER_AT_LEAST + 4 * len(self.audiences)
        standing = self._standing
        while len(standing) > self.max_standing or (self._remembered > room and len(standing) > 1):
            self._remembered -= len(standing.pop(next(iter(standing))).found)

    def _look_further(self, standing: Standing, pattern: Pattern) -> None:
        buffer, found, live = self._buffer, standing.found, self.audiences
        if pattern.needle is None:
            spans = [(standing.scanned, len(buffer))]
        else:
            spans = self._grams.spans(pattern.needle, standing.scanned, len(buffer))
        for start, end in spans:
            for tag in pattern.scan(buffer, start, end):
                audience = live.get(tag)
                if audience is not None:
                    found[id(audience)] = audience
        standing.scanned = len(buffer)

    def _compact(self) -> None:
        self._standing.clear()
        self._remembered = 0
        self._buffer = bytearray()
        self._grams = GramIndex()
        self._dead = 0
        for tag in self.audiences:
            if tag not in self._many_lined:
                line = tag.encode()
                self._grams.add(line, len(self._buffer))
                self._buffer += line + b"\n"
