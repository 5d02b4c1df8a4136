import time

import pytest
import re2
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pushery.core import patterns as patterns_module
from pushery.core.patterns import Exact, LineScan, Literal, PatternError, PerTagScan, Prefix, compile_pattern

from .grammar import complaint, noise, patterns, selected, tags

AT_ONCE_S = 1.0
"""What linear time takes thousandths of and anything worse takes minutes of."""

INVALID = [
    ("(abc", 0),
    ("a)b", 1),
    ("[z-a]", 1),
    ("a**", 1),
    ("\\8", 0),
    ("*a", 0),
    ("x{2,1}", 1),
    ("[a", 0),
    ("(?z)", 0),
    ("a\\", 1),
    ("a(b[)]c", 1),
    ("é(", 1),
    ("((a", 1),
    ("(a(b)", 0),
    ("(", 0),
    (")", 0),
    ("\\", 0),
    ("日本[b-a]", 3),
    ("(a|*)", 3),
    ("x{1001}", 1),
    ("[[:foo:]]", 1),
    ("\\pN\\pX", 3),
    ("a(?=b)", 1),
    ("(?P<>a)", 0),
]

INVALID_BEHIND_ITS_DOUBLE = [
    ("\\**a**", 4),
    ("\\[a[a", 3),
    ("z-a[z-a]", 4),
    ("\\\\8\\8", 3),
    ("\\(?z(?z)", 4),
    ("(x{1000}){1000}", 9),
    ("\\Q(?z\\E(?z", 7),
]

BRACKETS_THAT_DO_NOT_GROUP = [
    ("(\\Q(\\E", 0),
    ("(\\Q(\\Ea(\\Q)", 7),
    ("\\Q(\\E)", 5),
    ("([(]", 0),
    ("([^](]", 0),
    ("([[:alpha:](]", 0),
    ("(\\(", 0),
    ("[)])", 3),
    ("\\))", 2),
]

CATASTROPHES = [
    "(a+)+$",
    "(a|aa)+$",
    "(a*)*b$",
    "(a|a)*c",
    "(.*)*x",
    "(?s)(.*a){8}b$",
    "^(a?){50}a{50}$",
    "(((a*)*)*)*!",
]


@given(patterns | noise, st.lists(tags, max_size=8))
@settings(max_examples=500)
def test_matches_says_what_a_search_of_the_tag_says(pattern: str, some: list[str]) -> None:
    assume(complaint(pattern) is None)
    compiled = compile_pattern(pattern)
    assert {tag for tag in some if compiled.matches(tag)} == selected(pattern, some)


@given(patterns | noise, st.lists(tags.filter(lambda tag: "\n" not in tag), max_size=12), st.data())
@settings(max_examples=500)
def test_a_scan_finds_the_matching_lines_of_its_span_and_no_others(
    pattern: str, lines: list[str], data: st.DataObject
) -> None:
    assume(complaint(pattern) is None)
    first = data.draw(st.integers(0, len(lines)))
    behind = data.draw(st.integers(first, len(lines)))
    start, end = (len(_joined(lines[:count])) for count in (first, behind))
    found = list(compile_pattern(pattern).scan(_joined(lines), start, end))
    assert set(found) == selected(pattern, lines[first:behind])


@given(patterns, st.lists(tags, max_size=8))
def test_exact_and_needle_promise_nothing_that_a_matching_tag_breaks(pattern: str, some: list[str]) -> None:
    assume(complaint(pattern) is None)
    compiled = compile_pattern(pattern)
    for tag in selected(pattern, some):
        assert compiled.exact in (None, tag)
        assert compiled.needle is None or compiled.needle in tag.encode()


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("^A:1$", Exact),
        ("^$", Exact),
        (r"^a\.b$", Exact),
        ("^a\nb$", Exact),
        ("A:1", Literal),
        ("", Literal),
        (r"a\.b\\", Literal),
        ("^A:1", Prefix),
        ("^A:1.*", Prefix),
        ("^", Prefix),
        (r"^A:1\$", Prefix),
        ("A:1$", LineScan),
        ("^A:[0-9]+$", LineScan),
        ("(?i)a:1", LineScan),
        (r"\AA:1\z", LineScan),
        ("(?s)a.b", PerTagScan),
        ("(?m)^a", PerTagScan),
        (r"a\C", PerTagScan),
        (r"a\B", PerTagScan),
        (r"\Qa.b\E", PerTagScan),
    ],
)
def test_a_pattern_is_looked_for_in_the_cheapest_way(pattern: str, kind: type) -> None:
    assert type(compile_pattern(pattern)) is kind


@pytest.mark.parametrize("pattern", ["", "^", "^$", "$", "()", "a*", "(?:)", ".*", r"\z"])
def test_a_pattern_that_matches_nothing_in_particular_finds_empty_and_last_lines(pattern: str) -> None:
    lines = ["", "a", "", "b", ""]
    buffer = _joined(lines)
    compiled = compile_pattern(pattern)
    assert set(compiled.scan(buffer, 0, len(buffer))) == selected(pattern, lines)
    assert list(compiled.scan(buffer, len(buffer), len(buffer))) == []


def test_not_a_word_boundary_holds_even_between_the_bytes_of_one_character() -> None:
    assert selected(r"\B", ["aÉx"]) == {"aÉx"}
    buffer = _joined(["aÉx"])
    assert list(compile_pattern(r"\B").scan(buffer, 0, len(buffer))) == ["aÉx"]


@given(noise | patterns)
@settings(max_examples=500)
def test_a_pattern_is_refused_exactly_when_re2_refuses_it(pattern: str) -> None:
    refusal = _refusal(pattern)
    assert (refusal is None) == (complaint(pattern) is None)
    if refusal is not None:
        assert 0 <= refusal.position <= len(pattern)
        assert str(refusal)


@pytest.mark.parametrize(
    ("pattern", "position"), INVALID + INVALID_BEHIND_ITS_DOUBLE + BRACKETS_THAT_DO_NOT_GROUP, ids=repr
)
def test_a_refusal_says_where_the_trouble_begins(pattern: str, position: int) -> None:
    refusal = _refusal(pattern)
    assert refusal is not None
    assert refusal.position == position


@given(patterns, st.sampled_from([example for example in INVALID if example[0][0] not in "*)"]))
@settings(max_examples=200)
def test_trouble_is_found_behind_whatever_is_in_order(pattern: str, example: tuple[str, int]) -> None:
    in_order = f"(?:{pattern})"
    assume(complaint(in_order) is None)
    invalid, position = example
    refusal = _refusal(in_order + invalid)
    assert refusal is not None
    assert refusal.position == len(in_order) + position


def test_a_refusal_keeps_re2s_words() -> None:
    assert str(_refusal("日本[b-a]")) == "invalid character class range: b-a"
    assert str(_refusal("(abc")) == "missing closing )"


@pytest.mark.parametrize("pattern", [r"\pL{1000}", r"(\pL|\d){900}", "((((.{1,10}){10}){10}))"])
def test_a_pattern_that_needs_more_memory_than_it_may_have_is_refused_at_once(pattern: str) -> None:
    started = time.perf_counter()
    refusal = _refusal(pattern)
    assert time.perf_counter() - started < AT_ONCE_S
    assert (refusal is None) == (complaint(pattern) is None)


def test_a_pattern_that_only_just_fits_is_searched_tag_by_tag() -> None:
    most = max(count for count in range(1, 600) if complaint(rf"\pL{{{count}}}$") is None)
    compiled = compile_pattern(rf"\pL{{{most}}}$")
    assert isinstance(compiled, PerTagScan)
    buffer = _joined(["é" * (most - 1), "é" * most])
    assert list(compiled.scan(buffer, 0, len(buffer))) == ["é" * most]


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    tag = "a" * 10_000 + "!?"
    buffer = _joined([tag] * 10)
    started = time.perf_counter()
    compiled = compile_pattern(pattern)
    compiled.matches(tag)
    list(compiled.scan(buffer, 0, len(buffer)))
    assert time.perf_counter() - started < AT_ONCE_S


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 20_000,
        "(\\Q" + "[" * 20_000,
        "([a]" + "[[:" * 20_000,
        "[" * 20_000,
        "(" + "[[]" * 20_000,
        "a)" + "[" * 20_000,
        "\\*" * 10_000 + "**",
        "z-a" * 10_000 + "[z-a]",
    ],
    ids=lambda pattern: pattern[:8],
)
def test_what_is_wrong_with_a_long_pattern_is_found_in_linear_time(pattern: str) -> None:
    started = time.perf_counter()
    assert _refusal(pattern) is not None
    assert time.perf_counter() - started < AT_ONCE_S


def test_a_callers_pattern_is_only_ever_run_by_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Python's re has no linear time bound")

    for name in ("compile", "search", "match", "fullmatch", "finditer", "findall", "sub"):
        monkeypatch.setattr(patterns_module.re, name, refuse)
    compile_pattern.cache_clear()
    for pattern in ("^A:1$", "A:1", "^A:1.*", "A:1$", "(?s)a.b", r"\Qa\E"):
        assert compile_pattern(pattern).matches("A:1") == bool(re2.search(pattern, "A:1"))
    assert _refusal("z-a[z-a]") is not None


def _joined(lines: list[str]) -> bytearray:
    return bytearray("".join(f"{line}\n" for line in lines).encode())


def _refusal(pattern: str) -> PatternError | None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        return error
    return None
