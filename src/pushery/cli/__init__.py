"""The command `pushery`.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Errors are one line each on standard error.
"""

import sys

from pushery.cli.commands import app


def main() -> None:
    """Run the command line. Nothing that goes wrong shows a traceback."""
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
