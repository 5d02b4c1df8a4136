"""How what a command has to say is shown: tables and colour on a terminal, plain text in a pipe, JSON for programs.

A command says what it has (a `Table`, a `Record`, `Assignments`, a `Done`) and the same as data; `show` decides.
Nothing here knows what is told.

Invariant: nothing is cut, whatever the width; and no character from outside reaches a terminal that it would take for a
command.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

_remembered = False
"""Whether the command that runs was given `--json`: errors come from deep below, where nobody knows."""


def _remember(value: bool) -> bool:
    global _remembered
    _remembered = value
    return value


Json = Annotated[
    bool, typer.Option("--json", help="Print JSON, for programs; errors too.", is_eager=True, callback=_remember)
]


class Part(Protocol):
    """Something to show, in both ways."""

    def lines(self) -> Iterator[str]:
        """As plain text."""
        ...

    def painted(self) -> "RenderableType":
        """For a terminal."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. A `whole` one is for copying: on a narrow terminal the others are folded first."""

    title: str
    right: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Things of one kind, one a row; a cell for every column."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    def lines(self) -> Iterator[str]:
        """The titles and the rows, aligned, with two spaces between."""
        rows = [[column.title for column in self.columns], *([printable(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        for row in rows:
            cells = [
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(row, widths, self.columns, strict=True)
            ]
            yield "  ".join(cells).rstrip()

    def painted(self) -> "RenderableType":
        """A table with its titles set off; what does not fit is folded."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in self.columns:
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=column.whole,
                style="cyan" if column.whole else "",
            )
        for row in self.rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        return table


@dataclass(frozen=True, slots=True)
class Record:
    """One thing: its fields with their values, in order. A name may come twice."""

    fields: Sequence[tuple[str, str]]

    def lines(self) -> Iterator[str]:
        """A line for each field."""
        width = max(len(name) for name, _ in self.fields)
        for name, value in self.fields:
            yield f"{name:{width}} {printable(value)}"

    def painted(self) -> "RenderableType":
        """The same, names set off from values."""
        from rich.table import Table as RichTable
        from rich.text import Text

        grid = RichTable.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in self.fields:
            grid.add_row(name, Text(printable(value)))
        return grid


@dataclass(frozen=True, slots=True)
class Assignment:
    """A setting with its value as one may write it behind the `=`."""

    name: str
    value: str
    default: bool

    @property
    def mark(self) -> str:
        """What stands behind it."""
        return "  (default)" if self.default else ""


@dataclass(frozen=True, slots=True)
class Assignments:
    """Settings, one a line, to be read and to be typed again."""

    items: Sequence[Assignment]

    def lines(self) -> Iterator[str]:
        """NAME=VALUE for each."""
        return (f"{item.name}={printable(item.value)}{item.mark}" for item in self.items)

    def painted(self) -> "RenderableType":
        """The same; those that are not at their default stand out."""
        from rich.text import Text

        texts = []
        for item in self.items:
            style = "dim" if item.default else "bold green"
            texts.append(Text(f"{item.name}={printable(item.value)}", style=style).append(item.mark, style="dim"))
        return Text("\n").join(texts)


@dataclass(frozen=True, slots=True)
class Done:
    """A sentence about what was done."""

    sentence: str

    def lines(self) -> Iterator[str]:
        """The sentence."""
        yield printable(self.sentence)

    def painted(self) -> "RenderableType":
        """The sentence, as good news."""
        from rich.text import Text

        return Text(printable(self.sentence), style="green")


def show(data: object, *parts: Part, as_json: bool) -> None:
    """Print `data` as one line of JSON, or `parts` one after the other."""
    if as_json:
        typer.echo(json_line(data))
    elif paints(sys.stdout):
        from rich.console import Console

        console = Console(highlight=False)
        for part in parts:
            console.print(part.painted(), soft_wrap=isinstance(part, Assignments | Done))
    else:
        for part in parts:
            for line in part.lines():
                typer.echo(line)


def complaint(messages: Sequence[str], *, as_json: bool | None = None) -> Iterable[str]:
    """The lines on standard error for what went wrong: one for each message, or one JSON object for all.

    `as_json` None means: as the command that runs was asked to.
    """
    if _remembered if as_json is None else as_json:
        return [json_line({"error": {"message": "; ".join(messages), "messages": list(messages)}})]
    name = typer.style("pushery:", fg="red", bold=True) if paints(sys.stderr) else "pushery:"
    return [f"{name} {printable(message)}" for message in messages]


def note(message: str) -> None:
    """Tell on standard error what goes on meanwhile, apart from what is printed."""
    if _remembered:
        typer.echo(json_line({"note": {"message": message}}), err=True)
        return
    text = printable(message)
    typer.echo(typer.style(text, dim=True) if paints(sys.stderr) else text, err=True)


def paints(stream: TextIO | None) -> bool:
    """Whether colours and tables are welcome there: on a terminal, unless NO_COLOR is set or it is a dumb one."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def json_line(data: object) -> str:
    """JSON without line breaks, in ASCII, which goes through every pipe."""
    return json.dumps(data, separators=(",", ":"))


def printable(text: str) -> str:
    """Text from outside: what a terminal would take for a command, and line breaks, are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def date_text(unix_ms: int) -> str:
    """A time for people, in this machine's zone."""
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%Y/%m/%d %H:%M:%S")


def date_json(unix_ms: int) -> str:
    """A time for programs: RFC 3339, UTC, with milliseconds."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
