"""The pages of docs/how-to/clients, run as they are written: what a page says a client prints, it prints.

A block marked `run` is a program of its own. It goes on running while those after it run, until the page ends. Only
what the pages call placeholders is replaced: the app's names, and the two addresses.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from pushery.cli.assignments import parse_assignments
from pushery.core.appchanges import change_settings
from pushery.core.appsettings import AppSettings
from tests.clients.site import FOLDER, Account, Stage, register
from tests.docs.pages import ROOT, Block, blocks, links
from tests.support.server import wait_until

pytestmark = pytest.mark.process

FOLDER_OF_PAGES = ROOT / "docs" / "how-to" / "clients"
PAGES = sorted(FOLDER_OF_PAGES.glob("*.md"))
INDEX = FOLDER_OF_PAGES / "index.md"
OUTPUT = "text output"
ENDINGS = {"js run": ".mjs", "python run": ".py"}
RUN = [page for page in PAGES if any(block.info in ENDINGS for block in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_page_runs_as_it_says(page: Path, node: str, set_stage: Stage, tmp_path: Path) -> None:
    account = register(set_stage.server, page.stem)
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    said = tmp_path / "output"
    said.touch()
    values = placeholders(account, set_stage.server.port)
    with ExitStack() as programs:
        for number, block in enumerate(blocks(page)):
            if block.info in ENDINGS:
                file = tmp_path / f"{number}{ENDINGS[block.info]}"
                file.write_text(filled(block, values))
                runner = node if file.suffix == ".mjs" else sys.executable
                programs.enter_context(running([runner, str(file)], said))
            elif block.info == OUTPUT:
                for line in block.text.splitlines():
                    wait_until(partial(has, said, line), f"{line!r} of {page.name}; it says:\n{said.read_text()}")


def test_every_setting_that_a_page_sets_can_be_set_so() -> None:
    found = [line for page in PAGES for line in re.findall(r"pushery app set APP_KEY ([^`\n]+)", page.read_text())]
    assert len(found) >= 3
    for assignments in map(shlex.split, found):
        assert change_settings(AppSettings(), parse_assignments(assignments)) != AppSettings()


def test_every_page_is_run_or_says_that_it_is_not() -> None:
    silent = [page.name for page in PAGES if page not in (INDEX, *RUN) and "Not run here" not in page.read_text()]
    assert silent == []
    assert {page.stem for page in RUN} >= {"pusher-js", "laravel-echo", "pusher-http-python", "pysher"}


def test_the_index_names_the_versions_that_are_run() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert [version for version in wanted.values() if version not in INDEX.read_text()] == []
    assert {link for link in links(INDEX) if "/" not in link} >= {page.name for page in PAGES if page != INDEX}


def placeholders(account: Account, port: int) -> dict[str, str]:
    """What the pages leave for the reader to fill in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        signing = free.getsockname()[1]
    return {
        "APP_ID": account.id,
        "APP_KEY": account.key,
        "APP_SECRET": account.secret,
        "localhost": "127.0.0.1",
        "8001": str(port),
        "3000": str(signing),
    }


def filled(block: Block, values: dict[str, str]) -> str:
    """The block with the reader's values in it."""
    return re.sub("|".join(values), lambda found: values[found[0]], block.text)


def has(said: Path, line: str) -> bool:
    """Whether the programs have printed this; a port in it is the reader's own."""
    pattern = re.escape(line).replace("3000", r"\d+")
    return re.search(pattern, said.read_text()) is not None


@contextmanager
def running(command: list[str], said: Path) -> Iterator[None]:
    """Run a program until the block ends, or it does; what it says is appended."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        said.open("a") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=said.parent, env=environment) as process,
    ):
        try:
            yield
        finally:
            process.kill()
