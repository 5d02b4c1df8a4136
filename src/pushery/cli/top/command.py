"""The command `pushery top` and its options. What is imported when it runs takes longer than other commands need."""

from typing import Annotated

import typer

from pushery.cli.options import DEFAULT_CONFIG, Config, fail
from pushery.cli.output import Json
from pushery.cli.target import Insecure, Unreachable, Url, find_target


def top(
    url: Url = "",
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two readings.")] = 1.0,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="End after so many readings; 0 goes on until q or Ctrl-C.")
    ] = 0,
    once: Annotated[bool, typer.Option("--once", help="One reading, then end; fails when no answer comes.")] = False,
    as_json: Json = False,
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Watch a running server, app by app. Clients, pushes, deliveries, latency, errors, CPU and memory."""
    from pushery.cli.top.watch import watch

    target = find_target(url, config, insecure=insecure, backend=True)
    try:
        watch(target, interval, 1 if once else count, patient=not once, as_json=as_json)
    except Unreachable as error:
        fail(str(error))
