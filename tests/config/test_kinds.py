"""Values of every kind, from text and from JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.config.address import check_origin
from pushery.config.kinds import KIB, MIB, Choice, Count, Kind, Ratio, Seconds, Size, Switch, Text, Words, json_type

SIZE = Size(1, 16 * MIB)
SECONDS = Seconds(0.1, 86400.0)
COUNT = Count(0, 1000)
CHOICE = Choice(("DEBUG", "DEVELOPMENT", "PRODUCTION"))
WORDS = Words("origins", check_origin)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SIZE, "512", 512),
        (SIZE, "64KiB", 64 * KIB),
        (SIZE, "64 kib", 64 * KIB),
        (SIZE, "1MiB", MIB),
        (SIZE, "7B", 7),
        (SECONDS, "10", 10.0),
        (SECONDS, "0.5", 0.5),
        (SECONDS, "500ms", 0.5),
        (SECONDS, "10s", 10.0),
        (SECONDS, "2m", 120.0),
        (SECONDS, "1.5h", 5400.0),
        (COUNT, " 1000 ", 1000),
        (Ratio(), "0.25", 0.25),
        (Ratio(), " 1 ", 1.0),
        (CHOICE, "production", "PRODUCTION"),
        (CHOICE, "Debug", "DEBUG"),
        (WORDS, "", ()),
        (WORDS, "https://a.example, https://b.example,", ("https://a.example", "https://b.example")),
        (Text("a name"), " as typed ", " as typed "),
        *[(Switch(), text, True) for text in ("1", "true", "YES", "on")],
        *[(Switch(), text, False) for text in ("0", "False", "no", "off")],
    ],
)
def test_text_is_read_as_its_kind_spells_it(kind: Kind, text: str, value: object) -> None:
    read = kind.from_text(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SIZE, "64KB"),
        (SIZE, "0"),
        (SIZE, "17MiB"),
        (SIZE, "-1"),
        (SIZE, "1.5MiB"),
        (SIZE, ""),
        (SIZE, "9" * 5000),
        (SECONDS, "0"),
        (SECONDS, "-1"),
        (SECONDS, "nan"),
        (SECONDS, "inf"),
        (SECONDS, "2 days"),
        (SECONDS, "25h"),
        (COUNT, "1001"),
        (COUNT, "ten"),
        (COUNT, "١٢"),
        (CHOICE, "staging"),
        (Switch(), "maybe"),
        (Switch(), ""),
        (WORDS, "https://a.example/path"),
        (Text("a name"), ""),
        (Text("a name"), "a\x00b"),
        (Text("a name"), "\udcff"),
    ],
)
def test_text_of_another_kind_is_refused_with_what_was_expected(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        kind.from_text(text)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (SIZE, 512, 512),
        (SIZE, "64KiB", 64 * KIB),
        (SECONDS, 10, 10.0),
        (SECONDS, 0.5, 0.5),
        (SECONDS, "500ms", 0.5),
        (COUNT, 7, 7),
        (CHOICE, "debug", "DEBUG"),
        (Switch(), False, False),
        (WORDS, ["*"], ("*",)),
        (WORDS, [], ()),
        (Text("a path", empty=True), "", ""),
    ],
)
def test_json_is_read_as_its_kind_spells_it(kind: Kind, raw: object, value: object) -> None:
    read = kind.from_json(raw)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("kind", [SIZE, SECONDS, COUNT, CHOICE, Switch(), WORDS, Text("a name")])
@pytest.mark.parametrize("raw", [None, {}, {"a": 1}, [1], 1e300, 10**400, float("nan"), "\x00"])
def test_json_of_another_type_is_refused_with_what_was_expected(kind: Kind, raw: object) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        kind.from_json(raw)


@pytest.mark.parametrize("kind", [SIZE, SECONDS, COUNT])
def test_true_is_no_number(kind: Kind) -> None:
    with pytest.raises(ValueError, match="got true or false"):
        kind.from_json(True)


@pytest.mark.parametrize("kind", [COUNT, Switch()])
def test_numbers_and_switches_are_not_given_as_strings_in_json(kind: Kind) -> None:
    with pytest.raises(ValueError, match="got a string"):
        kind.from_json("1")


@given(st.integers(1, 16 * MIB))
def test_a_size_reads_back_as_it_is_shown(size: int) -> None:
    assert SIZE.from_text(SIZE.show(size)) == size


@given(st.integers(100, 86_400_000))
def test_a_time_reads_back_as_it_is_shown(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert SECONDS.from_text(SECONDS.show(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.5, "500ms"), (10.0, "10s"), (75.0, "75s"), (60.0, "1m"), (3600.0, "1h")]
)
def test_a_time_is_shown_in_the_unit_a_person_would_choose(seconds: float, shown: str) -> None:
    assert SECONDS.show(seconds) == shown


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "true or false"),
        ("", "a string"),
        (1.5, "a number"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_types_have_the_names_that_json_gives_them(value: object, name: str) -> None:
    assert json_type(value) == name
