"""docs/reference/codes.md: every close code and every error code, from the table and from the places that refuse."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docsite.markdown import code, page, table
from pushery.core.codes import CLOSES

SOURCE: Final = Path(__file__).parents[1] / "src" / "pushery"

_REFUSALS: Final = {"Refusal": "JSON", "ApiRefusal": "text"}
"""What a refusal is called in the source, and as what it is answered."""

_NEAR: Final = 12
"""Lines between a message and its use: more, and it belongs to something else of the same name."""

_INTRO: Final = """\
All numbers and words that the server refuses with, on one page, written by its source. [Errors](errors.md) says what to
do about each error, and [WebSocket](websocket.md#close-codes) who is told which close code."""

_CLOSE_INTRO: Final = """\
Codes of our own follow the ranges that Pusher clients understand: 4000 to 4099, do not come back unchanged; 4100 to
4199, come back after a pause; 4200 to 4299, come back at once."""

_ERROR_INTRO: Final = """\
*JSON* is `{"error":{"code":...,"message":...}}`; *text* is a line of text, for Pusher's libraries, where the code shows
in the log and in `pushery_errors_total` alone. `…` stands for what differs from case to case."""


def render() -> str:
    """The page."""
    closes = [
        [str(close.code), close.reason or "(none)", close.then] for close in sorted(CLOSES, key=lambda each: each.code)
    ]
    errors = [
        [code(name), str(status), kind, "<br>".join(messages)] for (name, status, kind), messages in _errors().items()
    ]
    return page(
        "Codes",
        _INTRO,
        f"## Close codes\n\n{_CLOSE_INTRO}\n\n{table(['Code', 'Reason', 'What the client does next'], closes)}",
        f"## Error codes\n\n{_ERROR_INTRO}\n\n{table(['Code', 'Status', 'As', 'Message'], errors)}",
    )


def _errors() -> dict[tuple[str, int, str], list[str]]:
    """By code, status and form: the messages that are written where it is made."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for key, message in sorted(_refusals()):
        messages = found.setdefault(key, [])
        if message and message not in messages:
            messages.append(message)
    return found


def _refusals() -> Iterator[tuple[tuple[str, int, str], str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        texts = _texts(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _REFUSALS:
                status, name, *rest = node.args
                if isinstance(status, ast.Constant) and isinstance(name, ast.Constant):
                    message = _sentence(rest[0], texts) if rest else ""
                    yield (str(name.value), int(str(status.value)), _REFUSALS[node.func.id]), message


def _texts(tree: ast.Module) -> list[tuple[int, str, ast.expr]]:
    """What is assigned to plain names, with the line, from the first line to the last."""
    found = [
        (node.lineno, target.id, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return sorted(found, key=lambda each: each[0])


def _sentence(node: ast.expr, texts: list[tuple[int, str, ast.expr]]) -> str:
    """The message as far as the source says it, in place or on a line just before; "" when that is elsewhere."""
    if isinstance(node, ast.Name):
        before = [value for line, name, value in texts if name == node.id and 0 < node.lineno - line <= _NEAR]
        return _sentence(before[-1], []) if before else ""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""
