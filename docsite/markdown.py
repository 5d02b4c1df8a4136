"""Markdown out of values: tables and code that hold whatever stands in them.

Knows nothing of what is written. Invariant: a cell is one line, and no character of it ends the cell.
"""

from collections.abc import Iterable, Sequence
from typing import Final

COMMAND: Final = "make reference"

_HEAD: Final = f"<!-- Written by: {COMMAND} -->"


def page(title: str, intro: str, *sections: str) -> str:
    """A generated page, ending in one newline. `intro` and the sections are Markdown."""
    return "\n\n".join(part.strip("\n") for part in (f"{_HEAD}\n# {title}", intro, *sections)) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Its cells are Markdown; a line break becomes a space, and a bar is escaped."""
    lines = [_row(headings), "|" + "---|" * len(headings), *(_row(row) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """Text as inline code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def fenced(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text}\n```"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"
