"""What MkDocs is told beside mkdocs.yml, so that pages are the same text on the site and on the git host.

Three things differ on a site. The navigation is read from `docs/index.md`. Files that stand outside of `docs` and are
linked from a page become pages themselves: those of the root as they are, source as a listing. And marks that our tests
read, but no renderer knows, go away. Invariant: a link that leads nowhere on the git host fails the build here.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = "docs/"

_PLACES: Final = {"README.md": "tutorial/tour.md"}
"""Where a page of the root goes that belongs to a part of the docs; all others go to `project/`."""

_FENCE: Final = re.compile(r"^( *)(`{3,})([^\n`]*)\n.*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(\]\(|\b(?:src|srcset|href)=\")([^)\s\"#]+)((?:#[^)\s\"]*)?)")
_BULLET: Final = re.compile(r"^- .*(?:\n  .*)*", re.MULTILINE)
_TITLED: Final = re.compile(r"\[([^\]]+)\]\(([^)#\s]+\.md)\)")
_OPENING: Final = re.compile(r"(?:- |\* |1\. |\| )")
"""How a list or a table begins, which the git host takes without an empty line before it."""
_PICTURE: Final = re.compile(r'<p><img alt="([^"]*)" src="[^"]*assets/diagrams/([\w-]+\.svg)" ?/?></p>')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index, and make anchors the way the git host does."""
    config.nav = navigation((ROOT / "docs" / "index.md").read_text())
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def navigation(index: str) -> list[dict[str, Any]]:
    """The sections of the index with their pages. A page `.../index.md` has those of its directory below it."""
    nav: list[dict[str, Any]] = [{"Home": "index.md"}]
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        nav.append({title: [_entry(bullet) for bullet in _BULLET.findall(body) if _TITLED.search(bullet)]})
    return nav


def _entry(bullet: str) -> dict[str, Any]:
    """A bullet's page; what else it links to stands below it when the page is the first of a directory."""
    linked = [
        (title, place(posixpath.normpath(DOCS + path))) for title, path in _TITLED.findall(" ".join(bullet.split()))
    ]
    (title, first), *others = linked
    if posixpath.basename(first) != "index.md":
        return {title: first}
    return {title: [first, *({name: path} for name, path in others)]}


def root_pages() -> list[str]:
    """The names of the pages in the root of the repository."""
    return sorted(path.name for path in ROOT.glob("*.md"))


def place(path: str) -> str:
    """Where a file of the repository is on the site, as a source of MkDocs. `path` is relative to the root."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    if path in root_pages():
        return _PLACES.get(path, f"project/{path.lower()}")
    return f"source/{path}.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, and a listing of every other file that a page links to."""
    names = [DOCS + file.src_uri for file in files.documentation_pages() if file.abs_src_path] + root_pages()
    linked = {target for name in names for target in _outside((ROOT / name).read_text(), name)}
    for name in root_pages():
        files.append(_page(config, name, (ROOT / name).read_text()))
    for target in sorted(linked - set(root_pages())):
        files.append(_page(config, target, _listing(target)))
    return files


def _page(config: MkDocsConfig, path: str, content: str) -> File:
    file = File.generated(config, place(path), content=content)
    file.repository_path = path  # type: ignore[attr-defined]  # ours, read again in on_page_markdown
    return file


def _outside(markdown: str, path: str) -> Iterator[str]:
    """The files outside of `docs` that a page of the repository links to."""
    for match in _LINK.finditer(_FENCE.sub("", markdown)):
        target = _target(match[2], path)
        if target and not target.startswith(DOCS) and (ROOT / target).is_file():
            yield target


def _target(link: str, path: str) -> str:
    """What a relative link of a page leads to, relative to the root; "" for every other link."""
    if re.match(r"[a-z][a-z+.-]*:|/", link):
        return ""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _listing(path: str) -> str:
    language = {".py": "python", ".html": "html", ".json": "json", ".c": "c"}.get(os.path.splitext(path)[1], "text")
    text = (ROOT / path).read_text().rstrip("\n")
    return f"---\nsearch:\n  exclude: true\n---\n# {path}\n\n~~~~~~{language}\n{text}\n~~~~~~\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where things are on the site, and take what only the git host and our tests understand."""
    path = getattr(page.file, "repository_path", DOCS + page.file.src_uri)
    if place(path).startswith("source/"):
        return markdown
    return _outside_fences(markdown, lambda text: _spaced(_relinked(text, path, page.file.src_uri)))


def _outside_fences(markdown: str, change: Any) -> str:
    """Change the text between fenced blocks, and leave of the word behind an opening fence its language alone."""
    parts, read_to = [], 0
    for fence in _FENCE.finditer(markdown):
        parts.append(change(markdown[read_to : fence.start()]))
        language = fence[3].split()[0] if fence[3].split() else ""
        parts.append(fence[0].replace(fence[2] + fence[3], fence[2] + language, 1))
        read_to = fence.end()
        parts.append("\n")
    return "".join([*parts, change(markdown[read_to:])])


def _spaced(text: str) -> str:
    """The text with an empty line wherever a list or a table begins right behind a paragraph."""
    lines: list[str] = []
    block = ""
    for line in text.split("\n"):
        if block == "paragraph" and _OPENING.match(line):
            lines.append("")
        lines.append(line)
        block = _block_of(line, block)
    return "\n".join(lines)


def _block_of(line: str, before: str) -> str:
    """What a line belongs to, where the line before belongs to `before`; "" between blocks."""
    if not line or line.startswith("#"):
        return ""
    return "list or table" if _OPENING.match(line) else before or "paragraph"


def _relinked(text: str, path: str, src_uri: str) -> str:
    def lead(match: re.Match[str]) -> str:
        target = _target(match[2], path)
        if not target or (path.startswith(DOCS) and target.startswith(DOCS)):
            return match[0]
        return f"{match[1]}{posixpath.relpath(place(target), posixpath.dirname(src_uri) or '.')}{match[3]}"

    return _LINK.sub(lead, text)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put diagrams into the page itself, where they know whether it is light or dark."""
    return _PICTURE.sub(_figure, html)


def _figure(match: re.Match[str]) -> str:
    svg = (ROOT / DOCS / "assets" / "diagrams" / match[2]).read_text()
    return f'<figure class="picture" role="img" aria-label="{match[1]}">{svg}</figure>'
