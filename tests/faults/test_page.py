"""The page on faults names tests that exist."""

import re

import pytest

from tests.docs.pages import ROOT, rows

PAGE = ROOT / "docs" / "explanation" / "faults.md"
ROWS = [row for row in rows(PAGE) if row[0] != "Fault"]
PIECE = re.compile(r"\]\(([^)]+)\)|`(test_\w+?)…?`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_row_has_four_cells_and_leads_to_tests_that_are_there(row: list[str]) -> None:
    assert len(row) == 4
    source = ""
    for link, name in PIECE.findall(row[3]):
        if link:
            source = (PAGE.parent / link).read_text()
        else:
            assert f"def {name}" in source
    assert source, "a row without a test"


def test_the_page_has_its_rows() -> None:
    assert len(ROWS) > 20
