"""Options that several commands take, and the settings they lead to."""

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from pushery.cli.output import complaint
from pushery.config import SETTINGS, ConfigError, Settings, check, check_warnings, load

DEFAULT_CONFIG: Final = Path("default.json")
FAILED: Final = 1
MISUSED: Final = 2

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="PUSHERY_CONFIG", help="The configuration file.", show_default=True),
]


def fail(*messages: str, code: int = FAILED) -> NoReturn:
    """End the command: each message is a line on standard error, or all are one JSON object (`--json`)."""
    for line in complaint(messages):
        say(line, err=True)
    raise typer.Exit(code)


def say(text: str, *, err: bool = False) -> None:
    """Print for whoever reads it. Nobody does, or the disk it goes to is full: that changes nothing else."""
    try:
        typer.echo(text, err=err)  # which flushes
    except OSError:
        # What is stuck in the stream's buffer would fail again at the exit, and change the exit code.
        setattr(sys, "stderr" if err else "stdout", None)


def load_or_fail(config: Path, flags: dict[str, object]) -> Settings:
    """The settings; every problem with them is shown, and the exit code is 2."""
    try:
        return load(config, os.environ, flags)
    except ConfigError as error:
        fail(*error.problems, code=MISUSED)


def load_and_check(config: Path, flags: dict[str, object]) -> tuple[Settings, list[str]]:
    """The settings of a server that could start, and warnings. All that is wrong, with them and around them, is shown
    at once.
    """
    problems: list[str] = []
    try:
        settings = load(config, os.environ, flags)
    except ConfigError as error:
        settings, problems = error.usable, error.problems
    problems += check(settings)
    if problems:
        fail(*problems, code=MISUSED)
    return settings, check_warnings(settings, config)


def warn(warnings: Iterable[str]) -> None:
    """Say what is not wrong, but may not be meant."""
    for warning in warnings:
        say(f"pushery: warning: {warning}", err=True)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--config` and a flag for every setting; it is called with the file, the flags that were given,
    and by name whatever else it takes.
    """
    own = list(inspect.signature(command).parameters.values())[2:]

    def run(config: Path, **given: object) -> None:
        others = {parameter.name: given.pop(parameter.name) for parameter in own}
        command(config, {name: value for name, value in given.items() if value is not None}, **others)

    parameters = [
        inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT_CONFIG, annotation=Config),
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
    ]
    for setting in SETTINGS:
        option: Any = typer.Option(
            setting.flag,
            help=setting.help,
            metavar=setting.python_type.__name__.upper(),
            rich_help_panel="Settings (they beat the environment and the file)",
        )
        parameters.append(
            inspect.Parameter(
                setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
            )
        )
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run
