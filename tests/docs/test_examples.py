"""The examples of the documentation, run for real: what a page says happens, happens."""

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


def test_the_pages_that_promise_to_run_are_among_them() -> None:
    names = {str(page.relative_to(ROOT)) for page in RUNNABLE}
    assert names >= {"README.md", "docs/tutorial/first-push.md", "docs/how-to/back-up-the-registry.md"}
