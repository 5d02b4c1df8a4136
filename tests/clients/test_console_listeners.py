"""The console's snippets for clients, run in Node as they are copied."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.clients.site import FOLDER, Account, register
from tests.support.console import sign_in
from tests.support.server import ServerProcess, wait_until
from tests.support.snippets import copied

pytestmark = [pytest.mark.process, pytest.mark.browser]


@contextmanager
def _running(node: str, directory: Path, program: str) -> Iterator[Path]:
    """The program, until the block ends; the file is what it has said."""
    (directory / "node_modules").symlink_to(FOLDER / "node_modules")
    (directory / "snippet.mjs").write_text(program)
    said = directory / "said"
    with (
        said.open("w") as output,
        subprocess.Popen([node, "snippet.mjs"], cwd=directory, stdout=output, stderr=output) as process,
    ):
        try:
            yield said
        finally:
            process.kill()


def _occupied(server: ServerProcess, account: Account, channel: str) -> bool:
    return channel in account.backend(server.port).channels_info()["channels"]


def test_pusher_js_listens(page: Page, node: str, server: ServerProcess, tmp_path: Path) -> None:
    account = register(server, "js")
    sign_in(page, server, at=f"#/apps/{account.key}/snippets")
    with _running(node, tmp_path, copied(page, "pusher-js", "Listen to a channel")) as said:
        wait_until(lambda: "listening" in said.read_text(), "the client to listen")
        account.backend(server.port).trigger("news", "headline", {"text": "hello"})
        wait_until(lambda: said.read_text() == "listening\nheadline: hello\n", "the headline")


def test_laravel_echo_listens(page: Page, node: str, server: ServerProcess, tmp_path: Path) -> None:
    account = register(server, "echo")
    sign_in(page, server, at=f"#/apps/{account.key}/snippets")
    values = dict(re.findall(r"(\w+)=(.*)", copied(page, "Laravel Echo", ".env")))
    program = copied(page, "Laravel Echo", "resources/js/echo.js")
    # What Vite does when it builds, and what only browsers have.
    built = re.sub(r"import\.meta\.env\.(\w+)", lambda found: f'"{values[found[1]]}"', program)
    with _running(node, tmp_path, "globalThis.window = globalThis;\n" + built) as said:
        wait_until(lambda: _occupied(server, account, "orders"), said.read_text() or "the client to listen")
        account.backend(server.port).trigger("orders", r"App\Events\OrderShipped", {"id": 42})
        wait_until(lambda: said.read_text() == "shipped: 42\n", "the order")
