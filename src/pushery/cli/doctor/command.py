"""The command `pushery doctor`, its options and what it prints. What it needs is imported when it runs."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pushery.cli.options import DEFAULT_CONFIG, FAILED, MISUSED, Config, fail
from pushery.cli.output import Json, json_line, printable
from pushery.cli.target import Auth, Insecure, Url, find_target

if TYPE_CHECKING:
    from rich.console import Console

    from pushery.cli.doctor.finding import Finding

_MARKS: Final = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red"), "skip": ("-", "dim")}
_COUNTED: Final = {"ok": "fine", "warn": "to think about", "fail": "to mend", "skip": "not looked at"}


def doctor(
    url: Url = "",
    app_key: Annotated[str, typer.Option("--app", help="The key of the app to try with; else the first.")] = "",
    auth: Auth = "",
    idle: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds for which a silent socket has to stay open; 0: not tried.")
    ] = 0.0,
    as_json: Json = False,
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Look whether everything is in order. Files, limits, kernel, TLS, proxy and round trips; nothing is changed."""
    from rich.console import Console

    from pushery.cli.doctor.examine import Order, examine

    if auth and ":" not in auth:
        fail("--auth takes account:password", code=MISUSED)
    target = find_target(url, config, insecure=insecure, backend=False) if url else None
    console = Console(highlight=False)
    findings = []
    for finding in examine(Order(config, target, auth, app_key, idle, insecure)):
        findings.append(finding)
        if not as_json:
            _show(console, finding)
    counts = {state: sum(finding.state == state for finding in findings) for state in _COUNTED}
    if as_json:
        told = {"findings": [dataclasses.asdict(finding) for finding in findings], "counts": counts}
        typer.echo(json_line(told))
    else:
        console.print(", ".join(f"{count} {_COUNTED[state]}" for state, count in counts.items() if count))
    if counts["fail"]:
        raise typer.Exit(FAILED)


def _show(console: "Console", finding: "Finding") -> None:
    from rich.text import Text

    mark, style = _MARKS[finding.state]
    found = f": {printable(finding.found)}"
    console.print(Text.assemble((mark, style), " ", (finding.check, "bold"), found), soft_wrap=True)
    if finding.mend:
        console.print(Text.assemble("    → ", (printable(finding.mend), "cyan")), soft_wrap=True)
