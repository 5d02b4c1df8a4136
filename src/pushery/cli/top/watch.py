"""Looks at a server again and again, and shows what it sees: live on a terminal, reading by reading elsewhere.

Invariant: however it ends, by q, Ctrl-C, SIGTERM or an error, the terminal is as it was before.
"""

import dataclasses
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.live import Live

from pushery.cli.output import json_line, note
from pushery.cli.target import Target, Unreachable
from pushery.cli.top.readings import Reading, Scrape, compare, read_scrape
from pushery.cli.top.screen import screen

_TERMINATED: Final = 128 + signal.SIGTERM

Show = Callable[[Reading | None, str], None]
"""Shows a reading, or why there is none."""


def watch(target: Target, interval_s: float, count: int, *, patient: bool, as_json: bool) -> None:
    """Take `count` readings; 0: until it is ended. Raises Unreachable when there is no answer and not `patient`."""
    live = not as_json and patient and sys.stdout.isatty()
    with _ended_in_order(), _keys(live) as wait, _showing(target, as_json=as_json, live=live) as show:
        left = count or -1
        before: Scrape | None = None
        due = time.monotonic()
        while True:
            try:
                after = _look(target)
            except Unreachable as error:
                if not patient:
                    raise
                before = None
                show(None, str(error))
            else:
                if before is None:
                    show(None, "")
                else:
                    show(compare(before, after, time.time()), "")
                    left -= 1
                before = after
            if left == 0:
                return
            due = max(due + interval_s, time.monotonic())
            if wait(due - time.monotonic()):
                return


def _look(target: Target) -> Scrape:
    answer = target.ask("GET", "/metrics")
    if answer.status == 404:
        text = f"{target.base} has no /metrics: proxies hide it, and with admin_listen it is at that address"
        raise Unreachable(text)
    if answer.status != 200:
        raise Unreachable(f"{target.base}/metrics: {answer.reason}")
    try:
        return read_scrape(answer.body.decode(), time.monotonic())
    except ValueError:
        raise Unreachable(f"{target.base}/metrics does not answer with the metrics of a Pushery server") from None


@contextmanager
def _showing(target: Target, *, as_json: bool, live: bool) -> Iterator[Show]:
    if as_json:
        yield _show_json
        return
    console = Console()
    if not live:
        yield lambda reading, trouble: _print(console, target, reading, trouble)
        return
    last: list[Reading | None] = [None]
    with Live(console=console, screen=True, auto_refresh=False) as shown:

        def show(reading: Reading | None, trouble: str) -> None:
            last[0] = reading or last[0]
            shown.update(screen(target.base, last[0], trouble, help_line=True), refresh=True)

        yield show


def _show_json(reading: Reading | None, trouble: str) -> None:
    if trouble:
        note(f"{trouble}; trying again")
    if reading is not None:
        typer.echo(json_line(dataclasses.asdict(reading)))
        sys.stdout.flush()


def _print(console: Console, target: Target, reading: Reading | None, trouble: str) -> None:
    if trouble:
        note(f"{trouble}; trying again")
    if reading is not None:
        console.print(screen(target.base, reading, "", help_line=False))


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends it by an exception, so that the terminal is put back."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(_TERMINATED)

    earlier = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


@contextmanager
def _keys(live: bool) -> Iterator[Callable[[float], bool]]:
    """A wait of so many seconds that is true when somebody has pressed q meanwhile."""
    if not live or not sys.stdin.isatty():
        yield _pause
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: _pressed(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pause(seconds: float) -> bool:
    time.sleep(max(0.0, seconds))
    return False


def _pressed(descriptor: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        key = os.read(descriptor, 64)
        if not key or key.lower().startswith(b"q"):
            return True
