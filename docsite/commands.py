"""docs/reference/cli-options.md: every command with its arguments and options, from the parser itself."""

from collections.abc import Iterator
from typing import Any, Final

import typer

from docsite.markdown import code, page, table
from pushery.cli.commands import app
from pushery.config import SETTINGS

_INTRO: Final = """\
Every command with what it takes, written by the parser that reads them. [Command line](cli.md) tells what each does at
length, with examples and exit codes. Every command also takes `-h` and `--help`."""

_SETTINGS_TOLD: Final = "It also takes a flag for every [setting](settings.md), such as `--listen :9000`."


def render() -> str:
    """The page."""
    sections = (_section(name, command) for name, command in _commands(typer.main.get_command(app), "pushery"))
    return page("Commands and options", _INTRO, *sections)


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below `group` that is not hidden, by its full name."""
    for word, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _section(name: str, command: Any) -> str:
    flags = {setting.flag for setting in SETTINGS}
    own = [parameter for parameter in command.params if not flags & set(parameter.opts) and not parameter.hidden]
    parts = [f"## {name}", " ".join((command.help or "").split())]
    if own:
        parts.append(table(["Takes", "Meaning", "Default"], [_row(parameter) for parameter in own]))
    if len(own) < len(command.params):
        parts.append(_SETTINGS_TOLD)
    return "\n\n".join(parts)


def _row(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        shown = code(parameter.name.upper() + (" ..." if parameter.nargs == -1 else ""))
    else:
        shown = ", ".join(code(flag) for flag in [*parameter.opts, *parameter.secondary_opts])
    return [shown, parameter.help or "", _default(parameter)]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default == "" or default is False or callable(default) or default == ():
        return ""
    return code(str(default))
