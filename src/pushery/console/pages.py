"""The console's files: pages, styles and modules, read once at the start and served as they are.

They come with the package and name no other host. Invariant: only what is in the directory is served, whatever a path
says.
"""

from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from pushery.core.exchange import Reply, Request

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What the pages may do (CSP 3): run and fetch what this server sends, and nothing else."""

PAGE_HEADERS: Final = (("Content-Security-Policy", _POLICY), ("Referrer-Policy", "same-origin"))
"""Without that policy a browser would not even tell us that the sign-in form is ours: its Origin would be "null"."""


class _File(msgspec.Struct, frozen=True):
    body: bytes
    content_type: str
    tag: str
    """Its entity tag (RFC 9110 8.8.3)."""


class Pages:
    """All files of the console, by path."""

    def __init__(self) -> None:
        self._files = {name: _load(file) for name, file in _walk(files("pushery.console") / "static", "")}

    def file(self, request: Request, path: str) -> Reply | None:
        """A file, or that the browser has it already; None when there is none at this path."""
        file = self._files.get(path)
        if file is None:
            return None
        headers = (*PAGE_HEADERS, ("ETag", file.tag), ("Cache-Control", "no-cache"))
        if file.tag.encode() in request.header(b"if-none-match").replace(b" ", b"").split(b","):
            return Reply(304, b"", headers, file.content_type)
        return Reply(200, file.body, headers, file.content_type)

    def page(self, path: str, status: int = 200, code: str = "", **values: str) -> Reply:
        """A page whose `{{name}}` are filled in with `values`, as text."""
        text = self._files[path].body.decode()
        for name, value in values.items():
            text = text.replace("{{" + name + "}}", escape(value))
        return Reply(status, text.encode(), PAGE_HEADERS, _TYPES["html"], code)


def _walk(directory: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in directory.iterdir():
        name = f"{prefix}{entry.name}"
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found


def _load(file: Traversable) -> _File:
    body = file.read_bytes()
    content_type = _TYPES.get(file.name.rpartition(".")[2], _TYPES["txt"])
    return _File(body, content_type, f'"{sha256(body).hexdigest()[:32]}"')
