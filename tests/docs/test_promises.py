"""What is promised is tested: every promise, and every row of the faults, links a test that is there."""

import re

import pytest

from tests.docs.pages import ROOT, rows

EXPLANATION = ROOT / "docs" / "explanation"
PROMISES = EXPLANATION / "promises.md"
FAULTS = EXPLANATION / "faults.md"

_FILE = re.compile(r"\]\(\.\./\.\./(tests/[\w./]+\.py)\)")
_NAME = re.compile(r"`(test_\w+?)_?…?`")


def promised(page: str) -> list[list[str]]:
    """The rows of a page's tables, without their headers."""
    return [row for row in rows(EXPLANATION / page) if row[-1] not in ("Test", "Tests") and "---" not in row[0]]


@pytest.mark.parametrize("row", [*promised("promises.md"), *promised("faults.md")], ids=lambda row: row[0][:60])
def test_every_promise_links_tests_that_are_there(row: list[str]) -> None:
    sources = [(ROOT / path).read_text() for path in _FILE.findall(row[-1])]
    assert sources, row
    for name in _NAME.findall(row[-1]):
        assert any(re.search(rf"^(async )?def {name}", source, re.MULTILINE) for source in sources), f"no {name}"


def test_there_are_promises_of_each_kind() -> None:
    headings = re.findall(r"^## (.+)$", PROMISES.read_text(), re.MULTILINE)
    assert headings[:3] == ["Nothing is lost", "Nobody gets in", "Nothing falls over"]
    assert len(promised("promises.md")) > 20
    assert len(promised("faults.md")) > 15
