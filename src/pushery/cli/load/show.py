"""Carries a run out: the event loop, Ctrl-C, the progress on the terminal, and the report at the end."""

import asyncio
import signal
import sys
import time

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from pushery.cli.load.report import Report, lines, make_report
from pushery.cli.load.run import Plan, run
from pushery.cli.load.run import Progress as Run
from pushery.cli.output import json_line, printable


def carry_out(plan: Plan, dialect: str, *, as_json: bool) -> Report:
    """Do what is planned, and say what came of it."""
    progress = Run()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"),
        console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(), transient=True, auto_refresh=False,
    )  # fmt: skip
    with bar:
        shown = _Shown(bar, plan, progress)
        uvloop.run(_until_stopped(plan, progress, shown))
    report = make_report(plan, progress, dialect)
    if as_json:
        typer.echo(json_line(msgspec.to_builtins(report)))
    else:
        _print(report)
    return report


async def _until_stopped(plan: Plan, progress: Run, shown: "_Shown") -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(plan, progress, stop, shown)


class _Shown:
    """The bars: clients that come in, and the time that goes by."""

    def __init__(self, bar: Progress, plan: Plan, progress: Run) -> None:
        self._bar = bar
        self._plan = plan
        self._progress = progress
        self._connecting: TaskID = bar.add_task("clients", total=plan.count, figures="")
        self._pushing: TaskID | None = None
        self._began = 0.0
        self._before = (time.perf_counter(), 0)

    def __call__(self) -> None:
        """Show what there is now."""
        run = self._progress
        came = run.connected + run.not_in
        figures = f"{came:,} of {self._plan.count:,}" + (f", {run.not_in:,} not let in" if run.not_in else "")
        self._bar.update(self._connecting, completed=came, figures=figures)
        if came >= self._plan.count:
            self._show_pushing()
        self._bar.refresh()

    def _show_pushing(self) -> None:
        now, run = time.perf_counter(), self._progress
        if self._pushing is None:
            self._pushing = self._bar.add_task("pushing", total=self._plan.duration_s, figures="")
            self._began = now
        then, earlier = self._before
        rate = (run.tally.deliveries - earlier) / max(now - then, 1e-6)
        self._before = now, run.tally.deliveries
        figures = f"{run.published:,} pushes, {rate:,.0f} deliveries/s"
        self._bar.update(self._pushing, completed=now - self._began, figures=figures)


def _print(report: Report) -> None:
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2))
    for name, figures in lines(report):
        bad = name == "faults" and report.faults.any
        table.add_row(Text(name, style="bold"), Text(figures, style="red" if bad else ""))
    console.print(table)
    for limit in report.limits:
        console.print(Text(limit, style="yellow"), soft_wrap=True)
    if report.problem:
        console.print(Text(f"The first problem: {printable(report.problem)}", style="red"), soft_wrap=True)
    if report.interrupted:
        console.print(Text("Interrupted: these are the figures up to then.", style="yellow"))
