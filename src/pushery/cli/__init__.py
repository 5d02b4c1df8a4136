"""The command `pushery`.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Errors are one line each on standard error; with `--json`
they are one JSON object.
"""

import os
import sys
from typing import Final

import typer
from typer.exceptions import TyperException

from pushery.cli.commands import app
from pushery.cli.output import complaint

_STANDARD_DESCRIPTORS: Final = 3


def main() -> None:
    """Run the command line. Nothing that goes wrong shows a traceback."""
    _hold_standard_descriptors()
    try:
        sys.exit(app(prog_name="pushery", standalone_mode=False) or 0)
    except TyperException as error:
        _show_misuse(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        print(*complaint([f"unexpected {type(error).__name__}: {error}"]), file=sys.stderr)
        sys.exit(1)


def _show_misuse(error: TyperException) -> None:
    """What is wrong with the arguments. They may not have been read as far as `--json`."""
    words = sys.argv[1:]
    options = words[: words.index("--")] if "--" in words else words
    message, as_json = error.format_message(), "--json" in options
    if message.startswith("Usage:") and not as_json:
        print(message, file=sys.stderr)  # a group of commands was called by itself: this is its help
        return
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "pushery"
    if not as_json:
        line = " ".join(message.split())
        message = f"{line}{'' if line.endswith(('.', '?')) else '.'} `{where} -h` shows what it takes."
    print(*complaint([message], as_json=as_json), file=sys.stderr)


def _hold_standard_descriptors() -> None:
    """Who started us may have closed some of them: then a database or a client would become "standard error"."""
    for number in range(_STANDARD_DESCRIPTORS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
