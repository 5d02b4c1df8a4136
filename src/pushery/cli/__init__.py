"""The command `pushery`.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Errors are one line each on standard error.
"""

import os
import sys
from typing import Final

from pushery.cli.commands import app

_STANDARD_DESCRIPTORS: Final = 3


def main() -> None:
    """Run the command line. Nothing that goes wrong shows a traceback."""
    _hold_standard_descriptors()
    try:
        app(prog_name="pushery")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        print(f"pushery: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def _hold_standard_descriptors() -> None:
    """Who started us may have closed some of them: then a database or a client would become "standard error"."""
    for number in range(_STANDARD_DESCRIPTORS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
