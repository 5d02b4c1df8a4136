"""The diagrams: `docs/diagrams/*.dot` is what people write, `docs/assets/diagrams/*.svg` what Graphviz makes of it.

Both are committed, so the pages need no program to be read or built. A picture carries the fingerprint of the text it
was made from, which tells whether it is up to date without Graphviz, and whatever its version. Colours are not in the
picture but in its style sheet, by class, so that it follows the reader's light or dark.
"""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "docs" / "diagrams"
PICTURES: Final = ROOT / "docs" / "assets" / "diagrams"
PROGRAM: Final = "dot"

_OPTIONS: Final = (
    "-Tsvg",
    "-Gbgcolor=transparent",
    "-Gfontname=Helvetica,Arial,sans-serif",
    "-Gfontsize=12",
    "-Nfontname=Helvetica,Arial,sans-serif",
    "-Nfontsize=12",
    "-Nshape=box",
    "-Nstyle=rounded",
    "-Nmargin=0.18,0.1",
    "-Efontname=Helvetica,Arial,sans-serif",
    "-Efontsize=11",
    "-Earrowsize=0.7",
)
"""What all diagrams have in common."""

_STYLE: Final = """\
<style>
.diagram { --ink: #2a2540; --line: #7a70b8; --box: #f2f0fe; --strong: #5b45e0; --on-strong: #ffffff; --faint: #6b6780 }
@media (prefers-color-scheme: dark) {
.diagram { --ink: #e8e5f7; --line: #9d92e8; --box: #2b2645; --strong: #7c68f0; --on-strong: #ffffff; --faint: #aaa5c4 }
}
[data-md-color-scheme="default"] .diagram
{ --ink: #2a2540; --line: #7a70b8; --box: #f2f0fe; --strong: #5b45e0; --on-strong: #ffffff; --faint: #6b6780 }
[data-md-color-scheme="slate"] .diagram
{ --ink: #e8e5f7; --line: #9d92e8; --box: #2b2645; --strong: #7c68f0; --on-strong: #ffffff; --faint: #aaa5c4 }
.diagram text { fill: var(--ink) }
.diagram .node path, .diagram .node polygon, .diagram .node ellipse { fill: var(--box); stroke: var(--line) }
.diagram .node.strong path, .diagram .node.strong polygon { fill: var(--strong); stroke: var(--strong) }
.diagram .node.strong text { fill: var(--on-strong) }
.diagram .node.plain path, .diagram .node.plain polygon { fill: none; stroke: none }
.diagram .cluster path, .diagram .cluster polygon { fill: none; stroke: var(--line); stroke-dasharray: 4 3 }
.diagram .cluster text, .diagram .edge text { fill: var(--faint) }
.diagram .edge path { fill: none; stroke: var(--line) }
.diagram .edge polygon { fill: var(--line); stroke: var(--line) }
</style>"""


class DrawingError(Exception):
    """A diagram cannot be drawn. The message is one line for whoever wrote it."""


def sources() -> list[Path]:
    """The text of every diagram."""
    return sorted(SOURCES.glob("*.dot"))


def picture_of(source: Path) -> Path:
    """Where the picture of a diagram is."""
    return PICTURES / f"{source.stem}.svg"


def is_current(source: Path) -> bool:
    """Whether the picture was made from the text as it is now, in the style of now."""
    picture = picture_of(source)
    return picture.exists() and _fingerprint(source) in picture.read_text()


def renew() -> list[Path]:
    """Make the pictures that are not up to date, and say which. Raises DrawingError."""
    stale = [source for source in sources() if not is_current(source)]
    if not stale:
        return []
    program = shutil.which(PROGRAM)
    if program is None:
        raise DrawingError(f"{PROGRAM} is not there to draw {stale[0].name}; on Debian: apt install graphviz")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for source in stale:
        picture_of(source).write_text(_dressed(_drawn(program, source), _fingerprint(source)))
    return stale


def _drawn(program: str, source: Path) -> str:
    done = subprocess.run([program, *_OPTIONS, source.name], cwd=SOURCES, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise DrawingError(" ".join(done.stderr.split()))
    return done.stdout


def _dressed(drawn: str, fingerprint: str) -> str:
    """The picture with our style, and without what a page does not need: declarations, comments, sizes and titles."""
    svg = drawn[drawn.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<title>.*?</title>\n?", "", svg)
    svg = re.sub(r'<svg width="(\d+)pt" height="\d+pt"', r'<svg class="diagram" style="max-width:\1pt"', svg)
    svg = re.sub(r' (?:fill|stroke)="[^"]*"', "", svg)
    head, mark, rest = svg.partition(">\n")
    lines = f"{head}{mark}<!-- {fingerprint} -->\n{_STYLE}\n{rest}".splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _fingerprint(source: Path) -> str:
    text = "\n".join([source.read_text(), *_OPTIONS, _STYLE])
    return f"made from {source.name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
