"""The command: python -m release VERSION [--dry-run] [--date 2026-12-31]."""

import argparse
import difflib
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from release.steps import BRANCH, SUMS, Plan, carry_out, plan
from release.texts import ReleaseError


def main(arguments: list[str]) -> int:
    """Make a release, or say what it would be; returns the exit code: 0 made, 1 failed, 2 used wrongly."""
    parser = argparse.ArgumentParser("python -m release", description="Make a version, up to its tag.")
    parser.add_argument("version", metavar="VERSION", help="such as 1.2.3, or 1.2.3rc1")
    parser.add_argument("--dry-run", action="store_true", help="look whether it can be made, and change nothing")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="default: today, UTC")
    given = parser.parse_args(arguments)
    try:
        planned = plan(Path.cwd(), given.version, given.date.isoformat())
        if given.dry_run:
            print(_changes(planned))
            print("It would then run: make check, make test, git commit, make wheel, make sbom, git tag")
            print(f"It would leave in dist/: {', '.join((*planned.names, SUMS))}")
            return 0
        carry_out(planned, lambda step: print(f"release: {step}", flush=True))
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(_farewell(planned))
    return 0


def _changes(planned: Plan) -> str:
    """Both files' changes, as `git diff` shows them."""
    shown: list[str] = []
    for path, text in planned.after.items():
        old, new = planned.before[path].splitlines(), text.splitlines()
        shown += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="", n=1)
    return "\n".join(shown)


def _farewell(planned: Plan) -> str:
    wheel, sdist, _ = planned.names
    return f"""
Pushery {planned.version} is made, and nobody has seen it yet. Look at it (git show {planned.tag}), then publish it:

    git push --atomic origin {BRANCH} {planned.tag}
    .venv/bin/uv publish dist/{wheel} dist/{sdist}

To take it back before that: git tag --delete {planned.tag}, then git reset --hard HEAD~1"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
