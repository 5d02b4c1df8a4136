"""Random tags and patterns, and the one definition of what a pattern selects: searching each tag by itself."""

from collections.abc import Iterable

import re2
from hypothesis import strategies as st

from pushery.core.patterns import MAX_PATTERN_MEMORY

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = MAX_PATTERN_MEMORY

TAG_PIECES = [
    *("A:1", "A:10", "A:", "a", "b", "ab", "aab", "room-17", "user:1001", "user:1", "x", "0", "10", "_", "Z"),
    *("é", "É", "Ж", "ß", "ſ", "K", "日本", "𝄞", "\u0301", "\u2028", "\x85", "\x7f"),  # noqa: RUF001 that is the point
    *(" ", "\t", "\r", "\x0b", "\x00", "\n", "a\nb", "\r\n", "\n\n"),
    *(".", "*", "+", "?", "(", ")", "[", "]", "{2}", "|", "\\", "\\d", "^", "$", "\\Q", "\\E", "-", "/", "#", "%"),
]

tags = st.lists(st.sampled_from(TAG_PIECES), max_size=4).map("".join) | st.text(max_size=4)

_LITERALS = [
    *("a", "b", "A", "A:1", "A:10", "ab", "room-17", "user:1", "ser:1001", "10", "x", "_", "-", ":", "/", "#", "\n", "\r"),
    *("é", "Ж", "ss", "k", "日", "𝄞", "\x00", "\u2028", "", "]", "}", "{"),
]
_ESCAPES = [
    *(r"\.", r"\*", r"\(", r"\)", r"\[", r"\]", r"\{", r"\|", r"\\", r"\^", r"\$", r"\-", r"\_", r"\/", r"\+", r"\?"),
    *(r"\n", r"\r", r"\t", r"\v", r"\a", r"\x41", r"\x{e9}", r"\x{1D11E}", r"\x00", r"\x0a", r"\012", r"\060"),
    *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\pL", r"\PL", r"\p{Lu}", r"\P{Greek}", r"\p{^L}", r"\pN", r"\C"),
    *(r"\Qa.b\E", r"\Q(\E", r"\Q[\E", r"\Q\z\E", r"\QA:1\E", r"\Q\E"),
]
_CLASSES = [
    *("[ab]", "[^ab]", "[a-c:]", "[^a-z]", r"[\n]", r"[^\n]", "[\n]", "[^\r]", r"[\r\n]", "[A-Z0-9]", "[é-ю]"),
    *("[[:alpha:]]", "[[:^alpha:]]", "[^[:digit:]]", "[[:space:]x]", "[[:word:]-]", "[^[:^upper:]]"),
    *(r"[\pL\d]", r"[^\pL]", r"[\D]", r"[^\S]", r"[\W_]", r"[\]]", r"[\\A]", r"[\[z]"),
    *("[]a]", "[^]a]", "[[]", "[(]", "[)|]", "[$^]", "[.*]", "[a^-]"),
]
_ANCHORS = ["^", "$", r"\A", r"\z", r"\b", r"\B"]
_DOTS = [".", ".*", ".+", ".*?", ".?"]
_ATOMS = st.one_of(*map(st.sampled_from, (_LITERALS, _ESCAPES, _CLASSES, _ANCHORS, _DOTS)))

_REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{0}", "{,2}"]
_OPENINGS = ["(", "(?:", "(?P<n>", "(?<n>", "(?i:", "(?s:", "(?m:", "(?U:", "(?-s:", "(?i-m:", "(?ms:", "(?-i:", "(?is-U:"]
_FLAGS = ["(?i)", "(?s)", "(?m)", "(?U)", "(?-s)", "(?-m)", "(?im)", "(?i-s)"]


def _grown(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(smaller, min_size=2, max_size=4).map("".join),
        st.lists(smaller, min_size=2, max_size=3).map("|".join),
        st.builds("{}{})".format, st.sampled_from(_OPENINGS), smaller),
        st.builds("(?:{}){}".format, smaller, st.sampled_from(_REPEATS)),
        st.builds("{}{}".format, smaller, st.sampled_from(_REPEATS)),
        st.builds("{}{}".format, st.sampled_from(_FLAGS), smaller),
    )


_FRAMES = ["{}", "{}", "^{}", "{}$", "^{}$", "^{}.*", r"\A{}", r"{}\z", r"\A{}\z", r"\b{}\b", ".*{}", "(?i){}", "(?:{})"]

patterns = st.builds(str.format, st.sampled_from(_FRAMES), st.recursive(_ATOMS, _grown, max_leaves=6))
"""Nearly all of them valid."""

noise = st.lists(st.sampled_from(r"ab()[]{}*+?|\^$.:-,12QEApPLzi<>=!é") | st.just("\n"), max_size=10).map("".join)
"""Patterns that are mostly invalid, in every way there is."""


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
