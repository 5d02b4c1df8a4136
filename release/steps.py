"""The steps of a release, in a clone of the repository.

Every program that is needed is called here. Invariant: up to the commit, whatever goes wrong puts both changed files
back; nothing is pushed or uploaded.
"""

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release.texts import ReleaseError, notes, order, version_in, with_heading, with_version

SOURCE: Final = Path("src/pushery/__init__.py")
CHANGELOG: Final = Path("CHANGELOG.md")
SUMS: Final = "SHA256SUMS"
BRANCH: Final = "main"


@dataclass(frozen=True)
class Plan:
    """A release that can be made: both files as they are and as they will be."""

    clone: Path
    version: str
    before: dict[Path, str]
    after: dict[Path, str]

    @property
    def tag(self) -> str:
        """What git calls it."""
        return f"v{self.version}"

    @property
    def notes(self) -> str:
        """What is new."""
        return notes(self.after[CHANGELOG], self.version)

    @property
    def names(self) -> tuple[str, str, str]:
        """What is made in dist/, beside the sums."""
        return f"pushery-{self.version}-py3-none-any.whl", f"pushery-{self.version}.tar.gz", "sbom.cdx.json"


def plan(clone: Path, version: str, date: str) -> Plan:
    """What a release on `date` (2026-12-31) would change. Raises ReleaseError when there can be none."""
    order(version)
    branch = _git(clone, "branch", "--show-current")
    if branch != BRANCH:
        raise ReleaseError(f"releases are made on {BRANCH}, and this is {branch or 'no branch'}: git switch {BRANCH}")
    if changed := _git(clone, "status", "--porcelain"):
        names = ", ".join(line.split(maxsplit=1)[-1] for line in changed.splitlines())
        raise ReleaseError(f"there are changes that are not committed: {names}")
    if _git(clone, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"there is a tag v{version} already: take the next number")
    before = {path: (clone / path).read_text() for path in (SOURCE, CHANGELOG)}
    after = {
        SOURCE: with_version(before[SOURCE], version),
        CHANGELOG: with_heading(before[CHANGELOG], version, date),
    }
    return Plan(clone, version, before, after)


def carry_out(plan: Plan, say: Callable[[str], None]) -> None:
    """Make the release, up to its tag; `say` is told what goes on. Raises ReleaseError at the step that failed."""
    say(f"{SOURCE} and {CHANGELOG}: {version_in(plan.before[SOURCE])} becomes {plan.version}")
    with _changed_files(plan):
        for target in ("check", "test"):
            say(f"make {target}")
            _make(plan.clone, target)
        say(f"git commit: Release {plan.version}")
        _git(plan.clone, "commit", "--quiet", "--message", f"Release {plan.version}", "--", *map(str, plan.after))
    for target in ("wheel", "sbom"):
        say(f"make {target}")
        _make(plan.clone, target)
    say(f"dist/{SUMS}")
    _write_sums(plan)
    say(f"git tag {plan.tag}")
    _git(plan.clone, "tag", "--annotate", "--cleanup=verbatim", "--message", _message(plan), plan.tag)


@contextmanager
def _changed_files(plan: Plan) -> Iterator[None]:
    try:
        for path, text in plan.after.items():
            (plan.clone / path).write_text(text)
        yield
    except BaseException:
        for path, text in plan.before.items():
            (plan.clone / path).write_text(text)
        raise


def _write_sums(plan: Plan) -> None:
    """What `sha256sum --check` reads."""
    dist = plan.clone / "dist"
    missing = [name for name in plan.names if not (dist / name).is_file()]
    if missing:
        raise ReleaseError(f"the build has left no {', '.join(missing)} in dist/")
    lines = [f"{hashlib.sha256((dist / name).read_bytes()).hexdigest()}  {name}\n" for name in plan.names]
    (dist / SUMS).write_text("".join(lines))


def _message(plan: Plan) -> str:
    return f"Pushery {plan.version}\n\n{plan.notes}\n"


def _make(clone: Path, target: str) -> None:
    """Run a target of the Makefile; what it says goes to the terminal."""
    if subprocess.run(["make", target], cwd=clone, check=False).returncode:  # noqa: S603, S607  # targets named above
        raise ReleaseError(f"make {target} failed")


def _git(clone: Path, *arguments: str) -> str:
    """What git says."""
    ran = subprocess.run(  # noqa: S603  # arguments are ours, and a version that was looked at
        ["git", *arguments],  # noqa: S607
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ReleaseError(f"git {arguments[0]}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout.strip()
