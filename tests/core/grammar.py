"""Random tags and patterns, and the one definition of what a pattern selects: searching each tag by itself.

The generators take a `Random`. Given hypothesis' own they shrink, given a seeded one they are a hundred times faster.
"""

from collections.abc import Iterable
from random import Random
from typing import Final

import re2
from hypothesis import strategies as st

from pushery.core.patterns import MAX_PATTERN_MEMORY

_TAG_PIECES: Final = [
    *("A:1", "A:10", "A:", "a", "b", "ab", "aab", "room-17", "user:1001", "user:1", "x", "0", "10", "_", "Z"),
    *("é", "É", "Ж", "ß", "ſ", "K", "日本", "𝄞", "\u0301", "\u2028", "\x85", "\x7f"),
    *(" ", "\t", "\r", "\x0b", "\x00", "\n", "a\nb", "\r\n", "\n\n"),
    *(".", "*", "+", "?", "(", ")", "[", "]", "{2}", "|", "\\", "\\d", "^", "$", "\\Q", "\\E", "-", "/", "#", "%"),
]
_LITERALS: Final = [
    *(
        "a",
        "b",
        "A",
        "A:1",
        "A:10",
        "ab",
        "room-17",
        "user:1",
        "ser:1001",
        "10",
        "x",
        "_",
        "-",
        ":",
        "/",
        "#",
        "\n",
        "\r",
    ),
    *("é", "Ж", "ss", "k", "日", "𝄞", "\x00", "\u2028", "", "]", "}", "{"),
]
_ESCAPED_PUNCTUATION: Final = [
    *(r"\.", r"\*", r"\(", r"\)", r"\[", r"\]", r"\{", r"\|", r"\\", r"\^", r"\$", r"\-", r"\_", r"\/", r"\+", r"\?"),
]
_ESCAPES: Final = [
    *_ESCAPED_PUNCTUATION,
    *(r"\n", r"\r", r"\t", r"\v", r"\a", r"\x41", r"\x{e9}", r"\x{1D11E}", r"\x00", r"\x0a", r"\012", r"\060"),
    *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\pL", r"\PL", r"\p{Lu}", r"\P{Greek}", r"\p{^L}", r"\pN"),
]
_CLASSES: Final = [
    *("[ab]", "[^ab]", "[a-c:]", "[^a-z]", r"[\n]", r"[^\n]", "[\n]", "[^\r]", r"[\r\n]", "[A-Z0-9]", "[é-ю]"),
    *("[[:alpha:]]", "[[:^alpha:]]", "[^[:digit:]]", "[[:space:]x]", "[[:word:]-]", "[^[:^upper:]]"),
    *(r"[\pL\d]", r"[^\pL]", r"[\D]", r"[^\S]", r"[\W_]", r"[\]]", r"[\\A]", r"[\[z]"),
    *("[]a]", "[^]a]", "[[]", "[(]", "[)|]", "[$^]", "[.*]", "[a^-]"),
]
_ANCHORS: Final = ["^", "$", r"\A", r"\z", r"\b"]
_DOTS: Final = [".", ".*", ".+", ".*?", ".?"]
_REPEATS: Final = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{0}", "{,2}"]
_OPENINGS: Final = ["(", "(?:", "(?P<n>", "(?i:"]
_FRAMES: Final = [
    *("{}", "{}", "^{}", "{}$", "^{}$", "^{}.*", r"\A{}", r"{}\z", r"\A{}\z", r"\b{}\b", ".*{}", "(?i){}", "(?:{})"),
]
_RARE_ESCAPES: Final = [
    r"\B",
    r"\C",
    r"\Qa.b\E",
    r"\Q(\E",
    r"\Q[\E",
    r"\Q\z\E",
    r"\QA:1\E",
    r"\Q\E",
    r"\Q2\E",
    r"\Q12}\E",
    "x{",
    r"\0",
]
_RARE_OPENINGS: Final = ["(?<n>", "(?s:", "(?m:", "(?U:", "(?-s:", "(?i-m:", "(?ms:", "(?-i:", "(?is-U:"]
_FLAGS: Final = ["(?s)", "(?m)", "(?U)", "(?-s)", "(?-m)", "(?im)", "(?i-s)"]

_LITERAL_ATOMS: Final = [_LITERALS, _LITERALS, _ESCAPED_PUNCTUATION]
_COMMON_ATOMS: Final = [_LITERALS, _LITERALS, _ESCAPES, _CLASSES, _ANCHORS, _DOTS]
_RARE_ATOMS: Final = [*_COMMON_ATOMS, _RARE_ESCAPES, _FLAGS]
_NOISE: Final = r"ab()[]{}*+?|\^$.:-,12QEApPLzi<>=!é" + "\n"


def a_tag(random: Random) -> str:
    """Made of pieces that patterns are made of too."""
    if random.randrange(6):
        return "".join(random.choice(_TAG_PIECES) for _ in range(random.randrange(5)))
    return "".join(chr(random.randrange(random.choice((0x80, 0x800, 0xD800)))) for _ in range(random.randrange(4)))


def a_pattern(random: Random) -> str:
    """Nearly always valid."""
    kind = random.randrange(5)
    if kind == 0:
        inner = "".join(_atom(random, _LITERAL_ATOMS) for _ in range(random.randrange(1, 3)))
    elif kind == 1:
        inner = _grown(random, 3, _RARE_ATOMS, _OPENINGS + _RARE_OPENINGS)
    else:
        inner = _grown(random, 3, _COMMON_ATOMS, _OPENINGS)
    return random.choice(_FRAMES).format(inner)


def some_noise(random: Random) -> str:
    """Mostly invalid as a pattern, in every way there is."""
    return "".join(random.choice(_NOISE) for _ in range(random.randrange(12)))


def _atom(random: Random, atoms: list[list[str]]) -> str:
    return random.choice(random.choice(atoms))


def _grown(random: Random, depth: int, atoms: list[list[str]], openings: list[str]) -> str:
    way = random.randrange(8) if depth else 0
    if way < 2:
        return _atom(random, atoms)
    if way < 5:
        return "".join(_grown(random, depth - 1, atoms, openings) for _ in range(random.randrange(2, 5)))
    if way == 5:
        return "|".join(_grown(random, depth - 1, atoms, openings) for _ in range(random.randrange(2, 4)))
    inner = _grown(random, depth - 1, atoms, openings)
    if way == 6:
        return random.choice(openings) + inner + ")"
    return random.choice(("(?:{}){}", "{}{}")).format(inner, random.choice(_REPEATS))


_randoms = st.randoms(use_true_random=False)
tags = _randoms.map(a_tag)
patterns = _randoms.map(a_pattern)
noise = _randoms.map(some_noise)
seeded = st.integers(0, 2**32 - 1).map(Random)

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = MAX_PATTERN_MEMORY


def complaint(pattern: str) -> str | None:
    """What RE2 has against a pattern; None when nothing."""
    try:
        re2.compile(pattern.encode(), _OPTIONS)
    except re2.error as error:
        return str(error.args[0], "utf-8", "replace")
    return None


def selected(pattern: str, tags: Iterable[str]) -> set[str]:
    """The tags that a valid pattern selects."""
    search = re2.compile(pattern.encode(), _OPTIONS).search
    return {tag for tag in tags if search(tag.encode()) is not None}
