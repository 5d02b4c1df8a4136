"""The fixtures, in a pytest of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ENTRY = "pushery.testing.plugin"
"""The entry point is called as the module is: so pytest knows that it has it, when it is named once more."""

TESTS = """
def test_one(pushery_server, pushery_app, pushed):
    pushery_server.pusher_client(pushery_app).trigger("orders", "paid", {"id": 1})
    assert pushed.wait_for("paid", "orders").data == {"id": 1}
    keys.append(pushery_app.key)


def test_two(pushery_server, pushery_app, pushed):
    pushed.assert_not_pushed()
    assert pushery_app.key not in keys
    with pushery_server.connect("a", pushery_app) as client:
        pushery_server.push("hello", app=pushery_app)
        assert client.receive() == "hello"


keys = []
"""


def run(directory: Path, *arguments: str, paths: str = "") -> str:
    """What pytest says of the tests in a directory."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments]
    environment = {"PATH": "", "PYTHONPATH": paths}
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, env=environment)
    return ran.stdout + ran.stderr


def test_the_fixtures_are_there_by_pytest_plugins(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["pushery.testing.plugin"]\n')
    (tmp_path / "test_shop.py").write_text(TESTS)
    assert "2 passed" in run(tmp_path)


def test_the_fixtures_are_there_by_the_entry_point_and_named_a_second_time(tmp_path: Path) -> None:
    info = tmp_path / "site" / "plugin-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{ENTRY} = pushery.testing.plugin\n")
    (tmp_path / "test_shop.py").write_text(TESTS)
    assert "2 passed" in run(tmp_path, paths=str(tmp_path / "site"))
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["pushery.testing.plugin"]\n')
    assert "2 passed" in run(tmp_path, paths=str(tmp_path / "site"))


def test_settings_of_the_server_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        'import pytest\n\npytest_plugins = ["pushery.testing.plugin"]\n\n\n'
        '@pytest.fixture(scope="session")\ndef pushery_settings():\n    return {"max_body_bytes": "2 KiB"}\n'
    )
    (tmp_path / "test_limit.py").write_text(
        "def test_it(pushery_server):\n    assert pushery_server._server.settings.max_body_bytes == 2048\n"
    )
    assert "1 passed" in run(tmp_path)


def test_a_run_that_needs_no_server_loads_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        'import sys\n\n\ndef test_it():\n    assert "pushery.testing.plugin" in sys.modules\n'
        '    assert "pushery.app" not in sys.modules\n    assert "structlog" not in sys.modules\n'
    )
    assert "1 passed" in run(tmp_path, "-p", "pushery.testing.plugin")
