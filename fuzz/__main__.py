"""`python -m fuzz`: run looks for new inputs, replay runs the known ones, keep takes found ones into the corpus."""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from fuzz.corpus import LONGEST, keep, kept, known, mutated
from fuzz.targets import TARGETS

REPLAYED = 2000
"""Inputs that a replay makes of the known ones, for each target."""


def main() -> int:
    """0 when every invariant held."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("what", choices=("run", "replay", "keep"))
    parser.add_argument("targets", nargs="*", metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="how long to run each target (default: 60)")
    found = Path(tempfile.gettempdir()) / "pushery-fuzz"
    parser.add_argument("--found", type=Path, default=found, help=f"where found inputs go (default: {found})")
    options = parser.parse_intermixed_args()
    names = options.targets or list(TARGETS)
    for name in names:
        if name not in TARGETS:
            parser.error(f"there is no target {name!r}: choose from {', '.join(TARGETS)}")
    if options.what == "replay":
        for name in names:
            print(f"{name}: {replay(name)} inputs")
        return 0
    guided = importlib.util.find_spec("atheris") is not None
    if options.what == "keep":
        if not guided:
            parser.error("this needs atheris: pip install atheris")
        return max(_keep(name, options.found / name) for name in names)
    if not guided:
        print("atheris is not installed: inputs are made without coverage (pip install atheris)", file=sys.stderr)
    search = _run_guided if guided else _run_blind
    return max(search(name, options.found / name, options.seconds) for name in names)


def replay(name: str) -> int:
    """Run everything known and some of what can be made of it; returns the number of inputs."""
    inputs = known(name)
    inputs += list(mutated(name, inputs, REPLAYED))
    for data in inputs:
        _try(name, data)
    return len(inputs)


def _try(name: str, data: bytes) -> None:
    try:
        TARGETS[name].run(data)
    except BaseException as error:
        error.add_note(f"target {name}, input {data!r}")
        raise


def _run_blind(name: str, found: Path, seconds: float) -> int:
    end = time.monotonic() + seconds
    inputs = known(name)
    for seed in count(1):
        for data in mutated(name, inputs, 100, seed):
            try:
                TARGETS[name].run(data)
            except Exception as error:
                found.mkdir(parents=True, exist_ok=True)
                (found / f"crash-{seed}").write_bytes(data)
                print(f"{name}: {error!r} with {data!r}", file=sys.stderr)
                return 1
        if time.monotonic() >= end:
            break
    print(f"{name}: {100 * seed} inputs")
    return 0


def _run_guided(name: str, found: Path, seconds: float) -> int:
    found.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(known(name)):
        (found / f"known-{number:03}").write_bytes(data)
    limits = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=2048"]
    quiet = ["-verbosity=0", "-print_final_stats=1"]
    return _child(name, str(found), f"-artifact_prefix={found}/", *limits, *quiet)


def _keep(name: str, found: Path) -> int:
    """Of all inputs those that together cover what all of them cover."""
    with tempfile.TemporaryDirectory() as old, tempfile.TemporaryDirectory() as new:
        for number, data in enumerate(kept(name)):
            (Path(old) / f"kept-{number:03}").write_bytes(data)
        code = _child(name, "-merge=1", f"-max_len={LONGEST}", "-verbosity=0", new, old, str(found))
        if code == 0:
            keep(name, (file.read_bytes() for file in Path(new).iterdir()))
        return code


def _child(name: str, *arguments: str) -> int:
    print(f"{name}:", flush=True)
    return subprocess.run([sys.executable, "-m", "fuzz.guided", name, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
