"""The examples of the documentation, run for real: what a page says happens, happens."""

import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, pages
from tests.docs.shell import RUN, Shell

RUNNABLE = [page for page in pages() if any(block.info == RUN for block in blocks(page))]


@pytest.mark.process
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_runs_as_it_says(page: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    shell = Shell(clone)
    try:
        shell.play(blocks(page))
    finally:
        shell.close()
    assert shown_by_git(clone) == set()


def shown_by_git(clone: Path) -> set[str]:
    """What the examples have left at the top of the repository and git does not ignore."""
    left = {path.name + "/" * path.is_dir() for path in clone.iterdir() if not path.is_symlink()}
    command = ["git", "check-ignore", "--no-index", *sorted(left)]
    return left - set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split())


def test_the_pages_that_promise_to_run_are_among_them() -> None:
    names = {str(page.relative_to(ROOT)) for page in RUNNABLE}
    assert names >= {"README.md", "docs/tutorial/first-push.md", "docs/how-to/back-up-the-registry.md"}
