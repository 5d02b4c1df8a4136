"""The container image, as far as it can be tested without an engine: the Dockerfile's own steps are run, in a directory
that stands for the image's root, and what comes of them serves.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from pushery.config.settings import SETTINGS
from tests.shipping.dockerfile import every, stages, variables
from tests.shipping.install import ROOT, environment, once, run, serving

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

BUILD, FINAL = stages((ROOT / "deploy" / "Dockerfile").read_text())
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICE = COMPOSE["services"]["pushery"]
WITHIN = re.compile(r"(?<![\w.])/(?=opt/|wheels|data|etc/pushery)")
"""Where a path of the image's begins."""


def at(root: Path, text: str) -> str:
    """An instruction's text, with the image's root in `root`."""
    return WITHIN.sub(f"{root}/", text)


@pytest.fixture(scope="module")
def image(shared_directory: Path) -> Iterator[Path]:
    """What stands for the image's root once the first stage has been built."""

    def build(root: Path) -> None:
        context, tools = root / "build", root / "tools"
        context.mkdir()
        run([sys.executable, "-m", "venv", str(tools)], root)
        environ = environment(PIP_DISABLE_PIP_VERSION_CHECK="1")
        environ["PATH"] = f"{tools / 'bin'}:{environ['PATH']}"
        for step in BUILD:
            if step.name == "COPY":
                *sources, _ = step.rest.split()
                for source in sources:
                    _copy(ROOT / source, context)
            if step.name == "RUN":
                run(at(root, step.rest), context, environ)

    with once(shared_directory / "image", build) as root:
        yield root


def _copy(source: Path, context: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, context / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, context)


def environ_of(image: Path, aside: Path) -> dict[str, str]:
    """What the image's programs find set; a home and a temporary directory beside it, to see whether they are used."""
    return {
        **{name: at(image, value) for name, value in variables(FINAL).items()},
        "PUSHERY_LISTEN": "127.0.0.1:0",
        "PUSHERY_AUTH_ACCOUNT": "admin",
        "PUSHERY_AUTH_PASSWORD": "correct horse",
        "HOME": str(aside),
        "TMPDIR": str(aside),
    }


def files(directory: Path) -> set[tuple[str, float]]:
    return {(str(path), path.stat().st_mtime) for path in directory.rglob("*") if path.is_file()}


def test_the_image_serves_by_variables_alone_and_writes_to_data_alone(image: Path, tmp_path: Path) -> None:
    data, aside = image / "data", tmp_path / "aside"
    aside.mkdir()
    before = files(image)
    environ = environ_of(image, aside)
    (healthy,) = every(FINAL, "HEALTHCHECK")
    words = json.loads(healthy.rest.partition("CMD ")[2])
    words[0] = str(image / "opt" / "pushery" / "bin" / words[0])
    command = [word for name in ("ENTRYPOINT", "CMD") for word in json.loads(every(FINAL, name)[0].rest)]
    command[0] = str(image / "opt" / "pushery" / "bin" / command[0])
    with serving(command, data, environ) as port:
        probe = [word.replace(":8001", f":{port}") for word in words]
        run(probe, data, environ)
    run(probe, data, environ, code=1)
    new = {str(Path(path).relative_to(image)) for path, _ in files(image) - before}
    assert {"data/appdata.sqlite", "data/appdata.sqlite.key"} <= new
    assert {path for path in new if not path.startswith("data/")} == {"data.said"}
    assert files(aside) == set()


def test_only_what_runs_is_in_the_image(image: Path) -> None:
    packages = {path.name.partition("-")[0] for path in (image / "opt").rglob("*.dist-info")}
    assert "pushery" in packages
    assert packages.isdisjoint({"pip", "hatchling", "editables", "setuptools", "pytest"})


def test_all_that_is_copied_is_there_and_gets_past_the_ignored() -> None:
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for each in every(BUILD, "COPY") for source in each.rest.split()[:-1]]
    assert sorted(copied) == sorted(let_through)
    assert all((ROOT / source).exists() for source in copied)
    assert all(each.flags[0] == "--from=build" for each in every(FINAL, "COPY"))


def test_the_image_runs_as_nobody_in_particular_and_stops_in_order() -> None:
    (user,), (stop,) = every(FINAL, "USER"), every(FINAL, "STOPSIGNAL")
    assert all(int(part) >= 10_000 for part in user.rest.split(":"))
    assert f"--chown={user.rest}" in every(FINAL, "COPY")[-1].flags
    assert stop.rest == "SIGTERM"
    assert every(FINAL, "RUN") == []
    assert [each.rest.partition(" ")[0] for each in (BUILD[0], FINAL[0])] == ["python:3.13-slim"] * 2
    assert json.loads(every(FINAL, "VOLUME")[0].rest) == ["/data"]


def test_every_variable_is_that_of_a_setting() -> None:
    known = {setting.environment for setting in SETTINGS}
    page = (ROOT / "docs" / "how-to" / "run-in-docker.md").read_text()
    named = {name for name in variables(FINAL) if name.startswith("PUSHERY_")} | set(SERVICE["environment"])
    named |= set(re.findall(r"PUSHERY_\w+", page + (ROOT / "deploy" / "compose.yaml").read_text()))
    assert named - known <= {"PUSHERY_CONFIG"}


def test_compose_gives_the_container_no_more_than_it_needs() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert SERVICE["ulimits"]["nofile"] == {"soft": 1048576, "hard": 1048576}
    assert "privileged" not in SERVICE
    assert "user" not in SERVICE, "the image says who"
    assert SERVICE["volumes"] == ["data:/data"]
    assert list(COMPOSE["volumes"]) == ["data"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])


def test_compose_finds_what_it_builds_from() -> None:
    context = (ROOT / "deploy" / SERVICE["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / SERVICE["build"]["dockerfile"]).is_file()
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"deploy/{SERVICE['env_file']}" in ignored, "secrets are not to be committed"


def test_compose_has_only_words_that_compose_knows() -> None:
    assert set(COMPOSE) == {"services", "volumes"}
    assert set(SERVICE) <= {
        "build", "cap_drop", "env_file", "environment", "image", "init", "logging", "ports", "read_only", "restart",
        "security_opt", "stop_grace_period", "tmpfs", "ulimits", "volumes",
    }  # fmt: skip
    assert all(isinstance(value, str) for value in SERVICE["logging"]["options"].values())
    assert all(":" in mount for mount in SERVICE["tmpfs"])
    assert SERVICE["stop_grace_period"] == "20s"
