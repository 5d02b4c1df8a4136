"""The pages for Python programs: their code is that of the examples, which are run, and the reference lacks nothing."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pushery
import pushery.testing
from pushery.app.embedded import Server
from pushery.asgi import PusheryApp
from tests.docs.pages import ROOT, blocks
from tests.testing.shops import EXAMPLES

HOW_TO = ROOT / "docs" / "how-to"
REFERENCE = ROOT / "docs" / "reference" / "python-api.md"
_FROM = re.compile(r"python from (\S+)")
NAMES = ["test-with-pytest", "embed-in-asyncio", "mount-in-asgi", "django", "flask", "fastapi", "celery"]


def shown(page: Path) -> list[tuple[str, str]]:
    """The code that a page takes from files, with their names."""
    return [(found[1], block.text) for block in blocks(page) if (found := _FROM.fullmatch(block.info))]


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_page_is_that_of_the_example(name: str) -> None:
    found = shown(HOW_TO / f"{name}.md")
    assert found
    assert [file for file, text in found if text not in (ROOT / file).read_text()] == []


@pytest.mark.parametrize("name", NAMES)
def test_all_other_code_of_a_page_can_be_read_by_python(name: str) -> None:
    for block in blocks(HOW_TO / f"{name}.md"):
        if block.info.startswith("python"):
            compile(block.text, name, "exec")


@pytest.mark.process
def test_the_tests_that_the_page_shows_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-p", "pushery.testing.plugin", "--rootdir", ".", "-c", "/dev/null", "test_shop.py"],
        cwd=EXAMPLES / "pytest_shop",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.process
def test_the_program_without_pytest_runs() -> None:
    (program,) = [block.text for block in blocks(HOW_TO / "test-with-pytest.md") if "run_server()" in block.text]
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def members(kind: type) -> list[str]:
    """What a class offers, properties and slots included."""
    names = {name for name, _ in inspect.getmembers(kind)} | set(getattr(kind, "__annotations__", ()))
    return sorted(name for name in names if not name.startswith("_"))


CLASSES: list[type[Any]] = [
    Server,
    PusheryApp,
    *(getattr(pushery.testing, name) for name in pushery.testing.__all__ if name[0].isupper()),
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_member_is_in_the_reference(kind: type) -> None:
    told = REFERENCE.read_text()
    assert kind.__name__ in told
    assert [name for name in members(kind) if not re.search(rf"[`. ]{name}\b[(`]", told)] == []


def test_every_public_name_is_in_the_reference() -> None:
    told = REFERENCE.read_text()
    assert [name for name in pushery.__all__ if name[0].isupper() and f"`pushery.{name}`" not in told] == []
    assert [name for name in pushery.testing.__all__ if name not in told] == []
