"""The units for systemd: it takes them as they are, and finds little that the service may do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pushery.config import Settings
from tests.conftest import program
from tests.shipping.install import ROOT, run

UNITS = ROOT / "deploy" / "systemd"
SERVICE = (UNITS / "pushery.service").read_text()
MOST_EXPOSED = 20
"""What `systemd-analyze security` may say of the service, in tenths; it was 15 with systemd 252."""


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """Both units, with the program where it is here: systemd looks whether it is there."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/pushery/bin/pushery", f"{sys.prefix}/bin/pushery")
        (tmp_path / unit.name).write_text(text)
    return [f"./{name}" for name in ("pushery.service", "pushery.socket")]


@pytest.mark.process
def test_systemd_takes_the_units(units: list[str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [program("systemd-analyze"), "verify", *units], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")  # of an unknown word it says so, and that is all


@pytest.mark.process
def test_systemd_finds_little_that_the_service_may_do(units: list[str], tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    run([analyze, "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}", units[0]], tmp_path)


def test_the_service_waits_longer_for_the_end_than_the_server_takes() -> None:
    assert int(setting("TimeoutStopSec")) > Settings().shutdown_timeout
    assert setting("RestartPreventExitStatus") == "2"
    assert setting("Type") == "notify"


def test_the_socket_is_the_services_own_and_where_it_listens_by_itself() -> None:
    socket = (UNITS / "pushery.socket").read_text()
    assert f"ListenStream={Settings().listen.rpartition(':')[2]}\n" in socket
    assert f"Backlog={Settings().backlog}\n" in socket


def setting(name: str) -> str:
    """What the service says under this name."""
    (found,) = re.findall(rf"^{name}=(.*)$", SERVICE, re.MULTILINE)
    return str(found)
