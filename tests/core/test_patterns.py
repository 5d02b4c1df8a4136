import time
from random import Random

import pytest
import re2
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pushery.core import patterns as patterns_module
from pushery.core.patterns import (
    EVERY_TAG,
    MAX_PATTERN,
    EveryLine,
    Exact,
    LineScan,
    Literal,
    PatternError,
    PerTagScan,
    Prefix,
    compile_pattern,
)

from .grammar import a_pattern, a_tag, complaint, noise, patterns, seeded, selected, some_noise, tags

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


@given(patterns | noise, st.lists(tags, max_size=12), st.data())
def test_every_kind_of_pattern_selects_what_searching_each_tag_selects(
    pattern: str, some: list[str], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(some)))
    behind = data.draw(st.integers(first, len(some)))
    _check(pattern, some, first, behind)


@given(seeded)
@settings(max_examples=30)
def test_thousands_of_patterns_select_what_searching_each_tag_selects(random: Random) -> None:
    some = [a_tag(random) for _ in range(12)]
    for _ in range(60):
        first = random.randrange(len(some) + 1)
        _check(a_pattern(random), some, first, random.randrange(first, len(some) + 1))
    for _ in range(60):
        _check(some_noise(random), some, 0, len(some))


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
        ("^A:.*$", Prefix),
        (".+", EveryLine),
        ("^.*$", Prefix),
        ("(?s)a.b", LineScan),
        ("(?m)^a", LineScan),
        (r"\Qa.b\E", LineScan),
        (r"a\C", PerTagScan),
        (r"a\B", PerTagScan),
        ("(?-m)^a", PerTagScan),
        ("(?s-m:^a)", PerTagScan),
    ],
)
def test_a_pattern_is_looked_for_in_the_cheapest_way(pattern: str, kind: type) -> None:
    assert type(compile_pattern(pattern)) is kind


def test_a_pattern_has_a_length_that_is_worth_reading() -> None:
    assert compile_pattern("a" * MAX_PATTERN).matches("b" + "a" * MAX_PATTERN)
    with pytest.raises(PatternError, match="longer than") as caught:
        compile_pattern("a" * (MAX_PATTERN + 1))
    assert caught.value.position == MAX_PATTERN


@pytest.mark.parametrize("pattern", sorted(EVERY_TAG))
def test_what_counts_as_a_way_to_say_all_matches_whatever_a_tag_is(pattern: str) -> None:
    search = re2.compile(pattern).search
    assert all(search(tag) for tag in ("a", "A:1", "\n", "a\nb", "\n\n", " ", "é", "\x00"))


@pytest.mark.parametrize("pattern", ["", "^", "^$", "$", "()", "a*", "(?:)", ".*", r"\z"])
def test_a_pattern_that_matches_nothing_in_particular_finds_empty_and_last_lines(pattern: str) -> None:
    lines = ["", "a", "", "b", ""]
    buffer = _joined(lines)
    compiled = compile_pattern(pattern)
    assert set(compiled.scan(buffer, 0, len(buffer))) == selected(pattern, lines)
    assert list(compiled.scan(buffer, len(buffer), len(buffer))) == []


@pytest.mark.parametrize("pattern", [r"x{\Q2\E}$", r"x{\Q\E2}$", r"\0\Q12\E$", r"\0\Q\E12.*", r"a\Q\E*$", r"\Qab\E*$"])
def test_quoted_text_joins_neither_what_stands_before_it_nor_what_comes_behind(pattern: str) -> None:
    lines = ["xx", "x{2}", "\x0012", "aa", "abab", "abb"]
    buffer = _joined(lines)
    assert set(compile_pattern(pattern).scan(buffer, 0, len(buffer))) == selected(pattern, lines)


def test_not_a_word_boundary_holds_even_between_the_bytes_of_one_character() -> None:
    assert selected(r"\B", ["aÉx"]) == {"aÉx"}
    buffer = _joined(["aÉx"])
    assert list(compile_pattern(r"\B").scan(buffer, 0, len(buffer))) == ["aÉx"]


@pytest.mark.parametrize(
    ("pattern", "position"), INVALID + INVALID_BEHIND_ITS_DOUBLE + BRACKETS_THAT_DO_NOT_GROUP, ids=repr
)
def test_a_refusal_says_where_the_trouble_begins(pattern: str, position: int) -> None:
    refusal = _refusal(pattern)
    assert refusal is not None
    assert refusal.position == position


@given(patterns, st.sampled_from([example for example in INVALID if example[0][0] not in "*)"]))
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


@pytest.mark.parametrize("pattern", [r"\pL{1000}", r"(\pL|\d){900}", r"(\pL{30}\pN{30}){9}"])
def test_a_pattern_that_needs_more_memory_than_it_may_have_is_refused_at_once(pattern: str) -> None:
    started = time.perf_counter()
    refusal = _refusal(pattern)
    assert time.perf_counter() - started < AT_ONCE_S
    assert str(refusal) == complaint(pattern) == "pattern too large - compile failed"


def test_a_pattern_whose_line_form_does_not_fit_is_searched_tag_by_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    cramped = re2.Options()
    cramped.log_errors = False
    cramped.max_mem = 4096
    monkeypatch.setattr(patterns_module, "_BY_LINE", cramped)
    compiled = compile_pattern.__wrapped__(r"\pN\pL{3}$")
    assert isinstance(compiled, PerTagScan)
    buffer = _joined(["1éé", "1ééé"])
    assert list(compiled.scan(buffer, 0, len(buffer))) == ["1ééé"]


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


def _check(pattern: str, some: list[str], first: int, behind: int) -> None:
    """All that holds for one pattern; the lines from `first` to before `behind` are scanned."""
    trouble = complaint(pattern)
    refusal = _refusal(pattern)
    assert (refusal is None) == (trouble is None), pattern
    if refusal is not None:
        assert 0 <= refusal.position <= len(pattern), pattern
        assert str(refusal)
        return
    compiled = compile_pattern(pattern)
    expected = selected(pattern, some)
    assert {tag for tag in some if compiled.matches(tag)} == expected, pattern
    for tag in expected:
        assert compiled.exact in (None, tag), pattern
        assert compiled.needle is None or compiled.needle in tag.encode(), pattern
    start, end = (len(_joined(some[:count])) for count in (first, behind))
    found = set(compiled.scan(_joined(some), start, end))
    assert found == {tag for tag in some[first:behind] if tag in expected and "\n" not in tag}, pattern


def _joined(lines: list[str]) -> bytearray:
    return bytearray("".join(f"{line}\n" for line in lines if "\n" not in line).encode())


def _refusal(pattern: str) -> PatternError | None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        return error
    return None
