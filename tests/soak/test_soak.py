"""The whole of it for a short while: it finds nothing wrong with the server, and something with a broken one."""

import subprocess
import sys
from pathlib import Path

import pytest

from soak.mutants import MUTANTS, Mutant, seed

ROOT = Path(__file__).parents[2]


def soak(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "soak", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.mark.process
@pytest.mark.timeout(240)
def test_every_promise_is_kept_for_a_minute() -> None:
    done = soak("--seconds", "60", "--seed", "1", "--clients", "150", "--rate", "100")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.process
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["a frame is dropped", "who is left out by socket_id"])
def test_a_defect_is_found(name: str, tmp_path: Path) -> None:
    seed(next(mutant for mutant in MUTANTS if mutant.name.startswith(name)), tmp_path)
    done = soak("--seconds", "60", "--seed", "1", "--source", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN: " in done.stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_has_its_place(mutant: Mutant, tmp_path: Path) -> None:
    seed(mutant, tmp_path)
    path = tmp_path / "pushery" / mutant.path
    compile(path.read_text(), path, "exec")
