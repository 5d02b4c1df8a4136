"""The programs of the page about connect tokens make tokens that pass."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pushery.core.tokens import Grant, read_token
from pushery.node.system import SystemClock
from tests.conftest import program
from tests.core.test_tokens import SECRET, an_app
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "authenticate-connections.md"


def block(info: str) -> str:
    """The one program of the page in this language."""
    [found] = [block.text for block in blocks(PAGE) if block.info == info]
    return found


def allowed(token: str) -> Grant:
    return read_token(token, an_app(require_token=True), SystemClock().wall_ms())


def test_the_python_program_makes_tokens() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102  # the page's own
    assert allowed(names["connect_token"](SECRET, tag="A:1")).tag == "A:1"
    assert allowed(names["connect_token"](SECRET, channels=["news"])).channels == ("news",)


@pytest.mark.process
def test_the_node_program_makes_tokens(tmp_path: Path) -> None:
    node = program("node", "nodejs")
    assert shutil.which(node)
    file = tmp_path / "token.mjs"
    file.write_text(f"{block('js')}\nconsole.log(connectToken({json.dumps(SECRET)}, {{ tag: 'A:1' }}));\n")
    token = subprocess.run([node, str(file)], capture_output=True, text=True, check=True).stdout.strip()
    assert allowed(token).tag == "A:1"
