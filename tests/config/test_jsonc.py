"""JSON with comments."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.config.jsonc import JsoncError, blank_comments, decode, lines_of_names

# Strings that look like everything a comment stripper could trip over.
STRINGS = st.text() | st.lists(
    st.sampled_from(["//", "/*", "*/", '"', "\\", ",", "}", "]", ":", "\n", "NaN", " ", "9" * 500])
).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)
COMMENTS = st.sampled_from(
    ["//\n", '// "a": [1, {\n', "/**/", "/* // */", '/* " \n } */', "//*/\r\n", " ", "\n\t", "/***/", "// é \\\n"]
)
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[\[\]{},:]|[^\s\[\]{},:"]+')


@given(VALUES, st.booleans())
def test_plain_json_decodes_to_what_it_holds(value: Any, indented: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=False, indent=2 if indented else None)) == value


@given(VALUES, st.data())
def test_comments_between_any_two_tokens_change_nothing(value: Any, data: st.DataObject) -> None:
    tokens = TOKEN.findall(json.dumps(value))
    text = "".join(data.draw(COMMENTS) + token for token in tokens) + data.draw(COMMENTS)
    assert decode(text) == value


@given(VALUES, st.data())
def test_blanking_keeps_every_character_in_its_place(value: Any, data: st.DataObject) -> None:
    tokens = TOKEN.findall(json.dumps(value))
    text = "".join(data.draw(COMMENTS) + token for token in tokens)
    plain = blank_comments(text)
    assert len(plain) == len(text)
    assert [i for i, c in enumerate(plain) if c in "\r\n"] == [i for i, c in enumerate(text) if c in "\r\n"]
    assert all(new in (old, " ") for new, old in zip(plain, text, strict=True))


@given(st.text())
def test_any_text_decodes_or_is_refused_with_a_place(text: str) -> None:
    said = ""
    try:
        decode(text)
    except JsoncError as error:
        said = str(error)
    assert said == "" or re.match(r"[0-9]+:[0-9]+: expected ", said)


def test_the_readmes_sample_decodes() -> None:
    sample = """
    {
            "auth_account":"account", //Super Admin
            "auth_password":"password",
            "environment":"DEBUG",
            "logdir":"./", // "console" or "/homs/user/x.log"
            "listen":":8001",
            "sqldir":"./appdata.sqlite"
    }
    """
    assert decode(sample) == {
        "auth_account": "account",
        "auth_password": "password",
        "environment": "DEBUG",
        "logdir": "./",
        "listen": ":8001",
        "sqldir": "./appdata.sqlite",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,]", [1]),
        ('{"a": "x", // last\n }', {"a": "x"}),
        ('{"a": [true, /* two */ ], }', {"a": [True]}),
        ('[",]", "x,}",]', [",]", "x,}"]),
    ],
)
def test_a_comma_may_follow_the_last_item(text: str, value: object) -> None:
    assert decode(text) == value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{\n  "a": 1\n  "b": 2}', "3:3: expected ',' or a closing bracket"),
        ('{\n  "a" 1}', "2:7: expected ':' after the name"),
        ('// one\n/* two\n */ {"a": }', "3:11: expected a value"),
        ("{a: 1}", "1:2: expected a name in double quotes"),
        ('{"a": "x', "1:7: expected a closing '\"'"),
        ('{"a": "x\n"}', "1:9: expected the string to end on its line"),
        ('{"a": "\\x"}', "1:8: expected an escape of JSON"),
        ('{"a": 1} 2', "1:10: expected nothing after the end"),
        ('{"a": 1 /* never\nending }', "1:9: expected '*/'"),
        ("[,]", "1:2: expected a value"),
        ("{,}", "1:2: expected a name in double quotes"),
        ("[1,,]", "1:4: expected a value"),
        ("", "1:1: expected a value"),
        ("// nothing", "1:11: expected a value"),
        ('{"a":\n NaN}', "2:2: expected a number"),
        ("[-Infinity]", "1:2: expected a number"),
        ("[" + "9" * 5000 + "]", "1:2: expected a number"),
        ("[" * 100_000, "1:1: expected JSON that is nested less deeply"),
    ],
)
def test_an_error_carries_its_line_and_column(text: str, error: str) -> None:
    with pytest.raises(JsoncError) as caught:
        decode(text)
    assert str(caught.value).startswith(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1,\n "a": 2}', '2:2: expected "a" only once'),
        ('{"a": 1, "\\u0061": 1}', '1:10: expected "a" only once'),
        ('[{"b": {"c": 1, "c": 1}}]', '1:17: expected "c" only once'),
    ],
)
def test_a_name_given_twice_is_an_error_at_the_second(text: str, error: str) -> None:
    with pytest.raises(JsoncError) as caught:
        decode(text)
    assert str(caught.value).startswith(error)


def test_the_same_name_in_different_objects_is_fine() -> None:
    assert decode('[{"a": 1}, {"a": {"a": "a"}}]') == [{"a": 1}, {"a": {"a": "a"}}]


def test_an_error_never_quotes_a_value() -> None:
    for text in ('{"p": hunter2}', '{"p": "hunter2}', '{"p": "hunter2" "q": 1}', '{"p": "hunter2\\q"}'):
        with pytest.raises(JsoncError) as caught:
            decode(text)
        assert "hunter2" not in str(caught.value)


def test_the_lines_of_the_outermost_names_are_known() -> None:
    text = '// "no": 0\n{"a": {\n"inner": 1},\n\n "b": ["x"], "c": 1}'
    assert lines_of_names(text) == {"a": 2, "b": 5, "c": 5}
