"""The wheel that `make wheel` builds: what is in it, and that it serves where nothing of ours is but itself."""

import contextlib
import json
import re
import sys
import tarfile
import urllib.request
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pushery import __version__
from tests.shipping.install import EPOCH, PROJECT, ROOT, copy_source, environment, make_wheel, run, serving
from tests.support.server import DEADLINE_S, wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def text(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"pushery-{__version__}.dist-info/{name}").decode()


def test_all_of_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    source = ROOT / "src"
    files = [path for path in (source / "pushery").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    packed = {name for name in names(wheel) if ".dist-info/" not in name}
    assert packed == {str(path.relative_to(source)) for path in files}
    assert packed >= {
        "pushery/py.typed",
        "pushery/console/static/app.js",
        "pushery/console/static/vendor/uplot/LICENSE",
    }


def test_the_wheel_says_who_may_do_what_with_it_and_what_it_needs(wheel: Path) -> None:
    assert text(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    metadata = HeaderParser().parsestr(text(wheel, "METADATA"))
    assert (metadata["Name"], metadata["Version"], metadata["License-Expression"]) == ("pushery", __version__, "MIT")
    needed = metadata.get_all("Requires-Dist") or []
    for extra, wanted in PROJECT["project"]["optional-dependencies"].items():
        assert extra in (metadata.get_all("Provides-Extra") or [])
        of_extra = {re.split(r"[<>= ]", line)[0].lower() for line in needed if f"extra == '{extra}'" in line}
        assert of_extra == {re.split(r"[<>= ]", line)[0].lower() for line in wanted}
    entries = text(wheel, "entry_points.txt")
    assert "pushery = pushery.cli:main" in entries
    assert "[pytest11]" in entries


def test_the_same_source_gives_the_same_bytes_and_so_does_the_sdist(dist: Path, wheel: Path, tmp_path: Path) -> None:
    again = make_wheel(copy_source(tmp_path / "again"))
    for path in again.iterdir():
        assert path.read_bytes() == (dist / path.name).read_bytes()
    with tarfile.open(dist / f"pushery-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / f"pushery-{__version__}"
    assert not (unpacked / "tests").exists()
    assert (unpacked / "deploy" / "Dockerfile").is_file()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "made")]
    run(build, unpacked, environment(SOURCE_DATE_EPOCH=EPOCH))
    assert (tmp_path / "made" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_installed_wheel_serves_clients_backends_and_the_console(installed: Path, tmp_path: Path) -> None:
    pushery = str(installed / "pushery")
    assert run([pushery, "version"], tmp_path).strip() == __version__
    run([pushery, "init"], tmp_path)
    config = tmp_path / "default.json"
    config.write_text(config.read_text().replace('":8001"', '"127.0.0.1:0"'))
    directory = tmp_path / "run"
    directory.mkdir()
    with serving([pushery, "start", "--config", str(config)], directory, environment()) as port:
        for path, kind in (("sign-in", "text/html"), ("static/app.js", "text/javascript")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/console/{path}", timeout=DEADLINE_S) as reply:
                assert (reply.status, reply.headers.get_content_type()) == (200, kind)
        app = json.loads(run([pushery, "app", "add", "test", "--config", str(config), "--json"], directory))
        url = f"http://127.0.0.1:{port}"
        push = [pushery, "push", app["app_key"], "hello", "--config", str(config), "--url", url, "--json"]
        with client(f"ws://127.0.0.1:{port}/ws/{app['app_key']}/A:1") as socket:
            assert json.loads(run(push, directory)) == {"total": 1}
            assert socket.recv(DEADLINE_S) == "hello"


def client(address: str) -> ClientConnection:
    """A client, as soon as the server has heard of the app, which another process has added."""

    def connected() -> ClientConnection | None:
        with contextlib.suppress(InvalidStatus):
            return connect(address, open_timeout=DEADLINE_S)
        return None

    socket = wait_until(connected, "the app")
    assert socket is not None
    return socket


def test_what_is_installed_fits_together(installed: Path, tmp_path: Path) -> None:
    run([str(installed / "python"), "-m", "pip", "check"], tmp_path)
    where = run([str(installed / "python"), "-c", "import pushery; print(pushery.__file__)"], tmp_path)
    assert where.startswith(str(installed.parent))
