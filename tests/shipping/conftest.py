"""What we ship, built and installed once for all tests and all processes of a run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shipping.install import ROOT, copy_source, environment, make_wheel, once, run


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The same for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if hasattr(request.config, "workerinput") else base) / "shipping"


@pytest.fixture(scope="session")
def dist(shared_directory: Path) -> Iterator[Path]:
    """The directory with wheel and sdist."""

    def build(directory: Path) -> None:
        made = make_wheel(copy_source(directory / "source"))
        for path in list(made.iterdir()):
            path.rename(directory / path.name)

    with once(shared_directory / "dist", build) as made:
        yield made


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """The wheel."""
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(shared_directory: Path, wheel: Path) -> Iterator[Path]:
    """The `bin` of a venv in which the wheel was installed as docs/how-to/install-from-a-wheel.md says."""

    def install(directory: Path) -> None:
        run([sys.executable, "-m", "venv", "."], directory, environment())
        pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "--requirement", str(ROOT / "requirements.lock")], directory)
        run([*pip, "--no-deps", str(wheel)], directory)

    with once(shared_directory / "installed", install) as made:
        yield made / "bin"
