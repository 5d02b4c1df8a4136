"""A run as text, as Markdown and as JSON."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.errors import BenchError
from benchmarks.results import JUDGED, ROWS, Results, Row
from benchmarks.servers import SERVERS

COLUMNS = tuple(server.name for server in SERVERS)
HEAD = ("measure", *COLUMNS, "bar", "verdict")
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def lines_of(results: Results) -> list[tuple[str, ...]]:
    """The table's cells, a line for every row that anybody was measured for."""
    return [_line(row, medians) for row in ROWS if (medians := results.medians(row))]


def _line(row: Row, medians: Mapping[str, float]) -> tuple[str, ...]:
    values = (f"{medians[name]:,.{row.digits}f}" if name in medians else "-" for name in COLUMNS)
    bars = "; ".join(map(str, row.bars))
    verdicts = "; ".join(bar.verdict(medians) for bar in row.bars)
    return (row.title, *values, bars, verdicts)


def text(results: Results, facts: Mapping[str, str]) -> str:
    """The aligned table with its header and its remarks."""
    table = [HEAD, *lines_of(results)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    numbers = range(1, 1 + len(COLUMNS))
    rows = [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
    rows.insert(1, "-" * max(map(len, rows)))
    header = [f"{name + ':':8} {value}" for name, value in facts.items()]
    return "\n".join([*header, "", *rows, *_remarks(results)])


def _remarks(results: Results) -> list[str]:
    remarks = [f"{about}: {remark}" for about, remark in results.notes.items()]
    cold = results.samples.get("patterns.cold_ms", {}).get(JUDGED)
    if cold and results.naive_ms:
        naive = median(results.naive_ms)
        remarks.insert(0, f"one RE2 call per tag takes {naive:,.1f} ms: {naive / median(cold):,.0f} x the new pattern")
    return ["", *(f"* {remark}" for remark in remarks)] if remarks else []


def markdown(results: Results, facts: Mapping[str, str]) -> str:
    """The section that goes into the documentation."""
    aligned = ["---", *["--:"] * len(COLUMNS), "---", "---"]
    table = [HEAD, tuple(aligned), *lines_of(results)]
    head = (
        f"Measured on {facts['date'].split()[0]}, {facts['cpu']}, with `make bench` (commit {facts['commit']}, "
        f"{facts['kernel']}, {facts['python']}, uvloop {facts['uvloop']}; {facts['cores']}; {facts['others']}; "
        f"medians of {facts['rounds']})."
    )
    rows = ["| " + " | ".join(line) + " |" for line in table]
    return "\n".join([head, "", *rows, *_remarks(results)])


def write_markdown(path: Path, section: str) -> None:
    """Put the section between the two markers of a page; a page that is not there is begun."""
    if not path.exists():
        path.write_text(f"{BEGIN}\n{END}\n")
    page = path.read_text()
    if BEGIN not in page or END not in page:
        raise BenchError(f"{path} has no place for the results: add the lines {BEGIN} and {END}")
    between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    path.write_text(between.sub(lambda _: f"{BEGIN}\n{section}\n{END}", page))


def write_json(path: Path, results: Results, facts: Mapping[str, str]) -> None:
    """Everything, with the samples of every round."""
    rows = [
        {
            "key": row.key,
            "title": row.title,
            "median": medians,
            "samples": results.samples[row.key],
            "bars": [{"bar": str(bar), "verdict": bar.verdict(medians)} for bar in row.bars],
        }
        for row in ROWS
        if (medians := results.medians(row))
    ]
    run = {"facts": dict(facts), "rows": rows, "naive_ms": results.naive_ms, "notes": results.notes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=2) + "\n")
