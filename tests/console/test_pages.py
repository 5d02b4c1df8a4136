"""The console's files: all of them found, none from elsewhere."""

import re

import pytest

from pushery.console.pages import Pages
from pushery.core.exchange import Request


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages()


def asking(**headers: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("GET", "/", "", named, b"")


def test_a_file_comes_with_its_type_and_policy(pages: Pages) -> None:
    reply = pages.file(asking(), "app.js")
    assert reply is not None
    assert (reply.status, reply.content_type) == (200, "text/javascript; charset=utf-8")
    assert "default-src 'none'" in dict(reply.headers)["Content-Security-Policy"]


def test_what_the_browser_has_already_is_not_sent_again(pages: Pages) -> None:
    first = pages.file(asking(), "app.js")
    assert first is not None
    again = pages.file(asking(if_none_match=f'"other", {dict(first.headers)["ETag"]}'), "app.js")
    assert again is not None
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["../console.py", "/etc/passwd", "", "views", "views/../app.js", "app.js\0"])
def test_there_is_nothing_outside_of_the_directory(pages: Pages, path: str) -> None:
    assert pages.file(asking(), path) is None


def test_what_is_filled_into_a_page_is_text(pages: Pages) -> None:
    body = pages.page(
        "sign-in.html", csrf='"><script>', message="a < b", account='" onfocus=alert(1) x="'
    ).body.decode()
    assert "<script>" not in body
    assert '" onfocus' not in body
    assert "a &lt; b" in body
    assert "{{" not in body


def test_no_file_fetches_anything_from_another_host(pages: Pages) -> None:
    for path, file in pages._files.items():
        text = file.body.decode()
        fetched = re.findall(
            r"""(?:(?:src|href)\s*=\s*["']?|url\(["']?|(?:from|import)\s*["'])(?:https?:)?//[^"')]+""", text
        )
        assert not fetched, path


def test_every_module_and_style_that_is_named_is_there(pages: Pages) -> None:
    for path, file in pages._files.items():
        directory = path.rpartition("/")[0]
        if path.startswith("vendor/"):
            continue
        for named in re.findall(r"""(?:from|import\()\s*["'](\.{1,2}/[^"'$]+)["']""", file.body.decode()):
            parts: list[str] = directory.split("/") if directory else []
            for part in named.split("/"):
                parts = parts[:-1] if part == ".." else parts if part == "." else [*parts, part]
            assert "/".join(parts) in pages._files, f"{path} names {named}"
