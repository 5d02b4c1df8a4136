"""The documentation as a site, and what the source writes of it: nothing is stale, lost, or loaded from elsewhere."""

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import expect

from docsite import diagrams
from docsite.__main__ import PAGES, REFERENCE
from docsite.hooks import navigation, place, root_pages
from docsite.markdown import COMMAND, code, page, table
from tests.docs.pages import ROOT, pages
from tests.support.browser import PATIENCE_MS, browser_page

STALE = f"stale, renew it with: {COMMAND}"
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "srcset"}
"""The tags that a browser loads something for by itself, with the attribute that says what."""


@pytest.mark.parametrize("name", PAGES)
def test_every_page_that_the_source_writes_is_as_it_writes_it(name: str) -> None:
    assert (REFERENCE / name).read_text() == PAGES[name](), f"docs/reference/{name} is {STALE}"


@pytest.mark.parametrize("source", diagrams.sources(), ids=lambda source: source.stem)
def test_every_diagram_is_drawn_as_its_text_says_and_shown(source: Path) -> None:
    assert diagrams.is_current(source), f"docs/assets/diagrams/{source.stem}.svg is {STALE}"
    assert [path for path in pages() if f"assets/diagrams/{source.stem}.svg" in path.read_text()]


def test_there_is_no_picture_without_its_text() -> None:
    drawn = {path.stem for path in diagrams.PICTURES.glob("*.svg")}
    assert drawn == {source.stem for source in diagrams.sources()}


def test_the_floors_in_the_picture_are_those_of_the_source() -> None:
    text = (diagrams.SOURCES / "floors.dot").read_text()
    names = dict(re.findall(r'^  (\w+) \[label="(\w+)\\n', text, re.MULTILINE))
    source = ROOT / "src" / "pushery"
    assert set(names.values()) == {path.parent.name for path in source.glob("*/__init__.py")}
    for above, below in re.findall(r"^  (\w+) -> (\w+)$", text, re.MULTILINE):
        imports = f"from pushery.{names[below]}"
        assert any(imports in path.read_text() for path in (source / names[above]).rglob("*.py")), (above, below)


def test_a_cell_holds_whatever_stands_in_it() -> None:
    assert table(["A"], [["one | two\nthree"]]) == "| A |\n|---|\n| one \\| two three |"
    assert code("a `b` c") == "``a `b` c``"
    assert page("T", "intro\n", "", "end").endswith("# T\n\nintro\n\n\n\nend\n")


def test_the_navigation_is_what_the_index_lists() -> None:
    index = (
        "# Docs\n\n## One\n- [A](a.md): see [B](b.md).\n- [C](c/index.md): [D](c/d.md) and\n  [E](c/e.md).\n- no page\n"
    )
    assert navigation(index) == [
        {"Home": "index.md"},
        {"One": [{"A": "a.md"}, {"C": ["c/index.md", {"D": "c/d.md"}, {"E": "c/e.md"}]}]},
    ]


def test_files_of_the_root_have_their_place() -> None:
    assert set(root_pages()) >= {"README.md", "ARCHITECTURE.md", "SECURITY.md"}
    assert place("docs/reference/cli.md") == "reference/cli.md"
    assert place("SECURITY.md") == "project/security.md"
    assert place("tests/docs/pages.py") == "source/tests/docs/pages.py.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Loads(HTMLParser):
    """What a page has a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if LOADED.get(tag) == name and value]


def html_of(site: Path, page: Path) -> Path:
    """What a page of `docs` has become."""
    return site / page.parent / (page.stem if page.stem != "index" else "") / "index.html"


@pytest.mark.process
def test_every_page_is_on_the_site_and_loads_nothing_from_other_hosts(site: Path) -> None:
    docs = [path.relative_to(ROOT / "docs") for path in pages() if path.is_relative_to(ROOT / "docs")]
    assert [path for path in docs if not html_of(site, path).exists()] == []
    built = sorted(path for path in site.rglob("*.html") if path.is_file())
    for path in built:
        loads = Loads()
        loads.feed(path.read_text())
        assert loads.addresses
        assert [address for address in loads.addresses if "//" in address] == [], path


@pytest.mark.process
def test_marks_of_our_tests_and_paths_of_the_repository_do_not_show(site: Path) -> None:
    tour = (site / "tutorial" / "tour" / "index.html").read_text()
    assert "bash run" not in tour
    assert 'href="../../how-to/clients/"' in tour
    assert (
        'href="../../source/tests/server/test_limits.py/"'
        in (site / "explanation" / "promises" / "index.html").read_text()
    )
    assert '<svg class="diagram"' in (site / "explanation" / "pictures" / "index.html").read_text()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site, served."""
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{listener.server_address[1]}/"
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.mark.process
@pytest.mark.browser
def test_a_browser_finds_and_reads_and_asks_no_other_host(address: str, chromium: str) -> None:
    with browser_page(chromium) as browser:
        asked: list[str] = []
        browser.on("request", lambda request: asked.append(request.url))
        browser.goto(address)
        browser.get_by_role("textbox", name="Search").press_sequentially("webhook_hold_back")
        browser.locator(".md-search-result__link", has_text="webhook_hold_back").first.click(timeout=PATIENCE_MS)
        expect(browser.get_by_role("heading", name="webhook_hold_back")).to_be_visible(timeout=PATIENCE_MS)
        browser.goto(f"{address}explanation/pictures/")
        for scheme in ("default", "slate"):
            browser.emulate_media(color_scheme="dark" if scheme == "slate" else "light")
            expect(browser.locator("body")).to_have_attribute("data-md-color-scheme", scheme, timeout=PATIENCE_MS)
            ink = browser.locator("svg.diagram text").first.evaluate("text => getComputedStyle(text).fill")
            assert (ink == "rgb(232, 229, 247)") is (scheme == "slate")
        assert [url for url in asked if not url.startswith((address, "data:"))] == []
