"""JSON with `//` and `/* */` comments, and a comma allowed after the last item, as people write it by hand.

Decodes text that is already in memory; knows no file and no setting. Invariant: before decoding, everything
that is not JSON is replaced by as many spaces, so the line and column of every error are those of the text as
written. Errors quote names but never a value: it may be a password.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# Every pattern takes strings first, so that what looks like a comment or a bracket inside one is passed over.
_STRING: Final = r'"(?:\\.|[^"\\\r\n])*"?'
_COMMENT: Final = re.compile(rf"{_STRING}|//[^\r\n]*|/\*.*?\*/|(?P<open>/\*)", re.DOTALL)
_LAST_COMMA: Final = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_STRUCTURE: Final = re.compile(rf"(?P<string>{_STRING})(?P<colon>\s*:)?|[\[\]{{}}]", re.DOTALL)
# What json.loads takes though RFC 8259 does not, and integers too long for int().
_NOT_A_NUMBER: Final = re.compile(rf"{_STRING}|(?P<bad>-?Infinity|NaN|[0-9]{{400,}})", re.DOTALL)
_NOT_NEWLINE: Final = re.compile(r"[^\r\n]")

_EXPECTED: Final = {
    "Expecting value": "expected a value",
    "Expecting property name enclosed in double quotes": "expected a name in double quotes",
    "Expecting ':' delimiter": "expected ':' after the name",
    "Expecting ',' delimiter": "expected ',' or a closing bracket",
    "Unterminated string starting at": "expected a closing '\"' for the string that starts here",
    "Invalid control character at": "expected the string to end on its line and to hold no control character",
    "Invalid \\escape": "expected an escape of JSON after '\\', such as \\\\ or \\n",
    "Extra data": "expected nothing after the end of the JSON value",
}


class JsoncError(ValueError):
    """The text is not what it should be; `str()` is "line:column: expected ...", both counted from 1."""

    def __init__(self, text: str, offset: int, message: str) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        super().__init__(f"{self.line}:{self.column}: {message}")


class _Name(NamedTuple):
    name: str
    offset: int
    depth: int
    """1 in the outermost object."""
    repeated: bool


def decode(text: str) -> object:
    """The value that `text` holds. Raises `JsoncError`, also when one object holds a name twice."""
    plain = blank_comments(text)
    for match in _NOT_A_NUMBER.finditer(plain):
        if match["bad"]:
            raise JsoncError(text, match.start(), "expected a number that JSON can hold")
    try:
        value: object = json.loads(_blank_last_commas(plain))
    except json.JSONDecodeError as error:
        message = next((said for start, said in _EXPECTED.items() if error.msg.startswith(start)), None)
        raise JsoncError(text, error.pos, message or f"expected JSON: {error.msg}") from None
    except RecursionError:
        raise JsoncError(text, 0, "expected JSON that is nested less deeply") from None
    for name in _names(plain):
        if name.repeated:
            raise JsoncError(text, name.offset, f"expected {json.dumps(name.name)} only once in an object")
    return value


def lines_of_names(text: str) -> dict[str, int]:
    """The line, from 1, of each name in the outermost object of `text`, which `decode` has accepted."""
    plain = blank_comments(text)
    return {name.name: plain.count("\n", 0, name.offset) + 1 for name in _names(plain) if name.depth == 1}


def blank_comments(text: str) -> str:
    """`text` with spaces in place of its comments, as long and with the same lines as before."""

    def blank(match: re.Match[str]) -> str:
        if match["open"]:
            raise JsoncError(text, match.start(), "expected '*/' to end the comment that starts here")
        return match[0] if match[0].startswith('"') else _NOT_NEWLINE.sub(" ", match[0])

    return _COMMENT.sub(blank, text)


def _blank_last_commas(plain: str) -> str:
    def blank(match: re.Match[str]) -> str:
        if match[0] != ",":
            return match[0]
        # A comma that follows no value is left for the decoder to refuse: "[,]".
        follows = plain[: match.start()].rstrip()[-1:]
        return "," if follows in "[{,:" else " "

    return _LAST_COMMA.sub(blank, plain)


def _names(plain: str) -> Iterator[_Name]:
    """Every name of every object in valid JSON, in the order of the text."""
    open_brackets: list[set[str]] = []
    for match in _STRUCTURE.finditer(plain):
        if match["string"] is None:
            if match[0] in "[{":
                open_brackets.append(set())
            else:
                open_brackets.pop()
        elif match["colon"] is not None:
            name = json.loads(match["string"])
            yield _Name(name, match.start(), len(open_brackets), name in open_brackets[-1])
            open_brackets[-1].add(name)
