"""One target under atheris, in a process of its own: libFuzzer never returns.

`python -m fuzz.guided NAME ARGUMENT...` hands the arguments on to libFuzzer; `python -m fuzz run` starts it.
"""

import importlib
import shlex
import sys


def main(name: str, arguments: list[str]) -> None:
    """Instrument what is fuzzed, and begin."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["pushery", "fuzz.targets"]):
        targets = importlib.import_module("fuzz.targets")
    itself = shlex.join((sys.executable, "-m", "fuzz.guided", name))  # what libFuzzer has a shell run to merge
    atheris.Setup([itself, *arguments], targets.TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
