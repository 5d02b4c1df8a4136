"""`python -m release` in a clone of its own: what it makes, and that it leaves no trace where it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pushery import __version__
from tests.conftest import program
from tests.shipping.install import ROOT, copy_source, environment, run

pytestmark = pytest.mark.process

MAKEFILE = f"""check test:
\t@echo $@ >> dist/ran; test ! -e dist/fail-$@
wheel:
\t@SOURCE_DATE_EPOCH=1700000000 {sys.executable} -m hatchling build -d dist
sbom:
\t@echo '{{}}' > dist/sbom.cdx.json
"""
"""Stands in for ours: `make check` and `make test` would run this test again."""

NEXT = "9.0.0"
CHANGELOG = "# Changelog\n\n## Unreleased\n\n- It flies.\n"


def git(clone: Path, *arguments: str) -> str:
    return run([program("git"), *arguments], clone).strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with all that a release needs, with one commit."""
    clone = copy_source(tmp_path / "clone")
    shutil.copytree(ROOT / "release", clone / "release", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "Makefile").write_text(MAKEFILE)
    (clone / "CHANGELOG.md").write_text(CHANGELOG)
    (clone / ".gitignore").write_text("dist/\n__pycache__/\n")
    (clone / "dist").mkdir()
    git(clone, "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "Test"), ("user.email", "test@example.com"), ("commit.gpgsign", "false")):
        git(clone, "config", name, value)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "Begin")
    return clone


def release(clone: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    command = [sys.executable, "-m", "release", *arguments]
    ran = subprocess.run(command, cwd=clone, env=environment(), capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def refusal(clone: Path, *arguments: str) -> str:
    """Why there is no release; nothing has changed then, and the reason is one line."""
    before = git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), git(clone, "tag")
    code, _, error = release(clone, *arguments)
    assert code == 1
    assert error.startswith("release: ")
    assert error.count("\n") == 1
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), git(clone, "tag")) == before
    return error


def test_a_release_is_a_commit_a_tag_and_files_with_their_sums(clone: Path) -> None:
    code, said, error = release(clone, NEXT, "--date", "2026-12-31")
    assert code == 0, error
    assert git(clone, "log", "--format=%s") == f"Release {NEXT}\nBegin"
    assert git(clone, "status", "--porcelain") == ""
    assert f'__version__ = "{NEXT}"' in (clone / "src" / "pushery" / "__init__.py").read_text()
    assert (clone / "CHANGELOG.md").read_text() == CHANGELOG.replace("Unreleased", f"{NEXT} (2026-12-31)")
    assert git(clone, "tag", "--list", "--format=%(objecttype) %(contents)") == f"tag Pushery {NEXT}\n\n- It flies."
    assert git(clone, "rev-parse", f"v{NEXT}^{{commit}}") == git(clone, "rev-parse", "HEAD")
    assert (clone / "dist" / "ran").read_text() == "check\ntest\n"
    sums = (clone / "dist" / "SHA256SUMS").read_text()
    names = {f"pushery-{NEXT}-py3-none-any.whl", f"pushery-{NEXT}.tar.gz", "sbom.cdx.json"}
    assert {line.split()[1] for line in sums.splitlines()} == names
    run([program("sha256sum"), "--check", "SHA256SUMS"], clone / "dist")
    for command in (f"git push --atomic origin main v{NEXT}", "uv publish"):
        assert command in said  # told, and not done: there is no origin here


def test_a_dry_run_shows_the_changes_and_makes_none(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD")
    code, said, error = release(clone, NEXT, "--dry-run", "--date", "2026-12-31")
    assert (code, error) == (0, "")
    for line in (f'-__version__ = "{__version__}"', f'+__version__ = "{NEXT}"', f"+## {NEXT} (2026-12-31)"):
        assert line in said.splitlines()
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")) == (before, "")
    assert list((clone / "dist").iterdir()) == []


@pytest.mark.parametrize("target", ["check", "test"])
def test_where_the_tests_fail_both_files_are_as_before(clone: Path, target: str) -> None:
    (clone / "dist" / f"fail-{target}").touch()
    code, _, error = release(clone, NEXT)
    assert code == 1
    assert f"release: make {target} failed" in error
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "log", "--format=%s") == "Begin"
    assert git(clone, "tag") == ""


def test_it_is_refused_where_it_cannot_be_meant(clone: Path) -> None:
    assert "is no version" in refusal(clone, "next")
    assert "older than" in refusal(clone, "0.0.1")
    git(clone, "tag", f"v{NEXT}")
    assert "take the next number" in refusal(clone, NEXT)
    git(clone, "switch", "--quiet", "--create", "topic")
    assert "git switch main" in refusal(clone, "9.0.1")
    git(clone, "switch", "--quiet", "main")
    (clone / "README.md").write_text("changed")
    assert "README.md" in refusal(clone, "9.0.1")
