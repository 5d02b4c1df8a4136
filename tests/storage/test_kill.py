"""kill -9 at any moment: what was acknowledged is there, what is there is whole, and the registry opens.

Bounded: each round ends with the kill, which ends every wait for the child; the timeout marks hold the rest.
"""

import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from msgspec.structs import asdict

from pushery.core.apps import App, AppDraft
from pushery.storage import open_app_store

pytestmark = pytest.mark.process

REGISTRAR = Path(__file__).with_name("registrar.py")
ROUNDS = 15
FIRST_STARTS = 6


def load_draft_of() -> Callable[[str], AppDraft]:
    spec = importlib.util.spec_from_file_location("registrar", REGISTRAR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    draft_of: Callable[[str], AppDraft] = module.draft_of
    return draft_of


draft_of = load_draft_of()


def register_until_killed(path: Path, prefix: str, *, acknowledged: int, then_s: float) -> list[str]:
    """Let a child register, kill it `then_s` after it has acknowledged that many; every key it acknowledged."""
    command = [sys.executable, str(REGISTRAR), str(path), prefix, "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("\n")
            process.stdin.flush()
            keys = [process.stdout.readline().rstrip("\n") for _ in range(acknowledged)]
            with suppress(subprocess.TimeoutExpired):  # it never ends by itself; this is the random moment
                process.wait(timeout=then_s)
            assert process.returncode is None, "the registrar ended by itself"
        finally:
            process.kill()
        # To the end of the pipe, which the kill has closed. (communicate() would leave out what readline has buffered.)
        rest = process.stdout.read()
    # A line without its end was cut off by the kill: its key may be cut short as well.
    return keys + [line.rstrip("\n") for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def check(path: Path, acknowledged: list[str]) -> None:
    with closing(open_app_store(str(path))) as store:
        apps = store.load()
        for app in apps:
            assert app == App(id=app.id, **asdict(draft_of(app.key)))
        stored = [app.key for app in apps]
        assert [key for key in stored if key in set(acknowledged)] == acknowledged
        # Killed after the commit and before its word: at most one per round is there without having been acknowledged.
        rounds = {key.partition("-")[0] for key in stored}
        assert len(stored) - len(acknowledged) <= len(rounds)


@pytest.mark.timeout(60)
def test_every_acknowledged_app_survives_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "apps.sqlite"
    moments = random.Random(20240229)
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        acknowledged += register_until_killed(
            path, f"round{number}", acknowledged=moments.randrange(25), then_s=moments.uniform(0, 0.02)
        )
        check(path, acknowledged)
    assert len(acknowledged) > ROUNDS


@pytest.mark.timeout(60)
def test_being_killed_in_the_very_first_start_leaves_a_place_that_opens(tmp_path: Path) -> None:
    moments = random.Random(7)
    for number in range(FIRST_STARTS):
        directory = tmp_path / str(number)
        directory.mkdir()
        path = directory / "apps.sqlite"
        # File, key, schema and key check are made within some 60 ms.
        acknowledged = register_until_killed(path, "first", acknowledged=0, then_s=moments.uniform(0, 0.06))
        check(path, acknowledged)
