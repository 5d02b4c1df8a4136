"""The documentation as data: pages, headings, links, tables and fenced blocks."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the info string behind the opening fence, and what stands in it."""

    info: str
    text: str


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that is in the repository, or would be with the next `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return tuple(path for path in (ROOT / name for name in names if name) if path.is_file())


def pages() -> list[Path]:
    """Every page of documentation."""
    return [path for path in tracked_files() if path.suffix == ".md"]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(info.strip(), text) for info, text in _FENCE.findall(page.read_text())]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of all links of a page."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say behind '#', as GitHub makes it of the heading."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(page))}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def section(page: Path, heading: str) -> str:
    """What stands under `## heading` (of any level) up to the next heading of that level or above; "" when missing."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", page.read_text(), re.MULTILINE)
    if found is None:
        return ""
    rest = page.read_text()[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(page: Path) -> list[list[str]]:
    """The cells of every table row of a page, headers included."""
    found = []
    for line in page.read_text().splitlines():
        if line.startswith("| ") and line.endswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.append([cell.strip().replace(r"\|", "|") for cell in cells])
    return found
