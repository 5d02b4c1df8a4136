"""Pages hold together: links lead somewhere, named files exist, and what was promised to be short is short."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, links, pages, prose

ARCHITECTURE = ROOT / "ARCHITECTURE.md"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_page_begins_with_its_title(page: Path) -> None:
    first = next(line for line in page.read_text().splitlines() if line and not line.startswith("<!--"))
    assert first.startswith("# ")


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    missing = [name_of(page) for page in pages() if page.is_relative_to(ROOT / "docs") and page not in listed | {index}]
    assert missing == []


def test_the_architecture_fits_on_150_lines() -> None:
    assert len(ARCHITECTURE.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", [ARCHITECTURE, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_files_named_by_the_pages_for_developers_are_there(page: Path) -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|md|toml|html|lock))`", prose(page))
    assert named
    places = (ROOT, ROOT / "src" / "pushery")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_functions_named_by_the_architecture_are_there() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src" / "pushery").rglob("*.py"))
    named = re.findall(r"`(?:\w+\.)?(_?\w+)\(\)`", prose(ARCHITECTURE))
    assert named
    assert [name for name in named if f"def {name}(" not in source] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(chain(project["project"]["dependencies"], *project["dependency-groups"].values()))
    names = {re.split(r"[<>=!~\[ ]", requirement)[0] for requirement in wanted}
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert {name for name in names if f"| `{name}` |" not in contributing} == set()


def test_the_version_has_its_heading_in_the_changelog() -> None:
    import pushery

    assert re.search(rf"^## .*{re.escape(pushery.__version__)}", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
