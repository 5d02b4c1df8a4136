"""A Dockerfile as data: just as much of its language as ours uses."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, its flags (`--from=build`) and what stands behind them."""

    name: str
    flags: tuple[str, ...]
    rest: str


Stage = list[Instruction]


def stages(text: str) -> list[Stage]:
    """The instructions of each stage; FROM is the first of them."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", lines).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        flags, rest = _flags(rest)
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, flags, " ".join(rest.split())))
    return found


def _flags(rest: str) -> tuple[tuple[str, ...], str]:
    words, flags = rest.split(), []
    while words and words[0].startswith("--"):
        flags.append(words.pop(0))
    return tuple(flags), " ".join(words)


def every(stage: Stage, name: str) -> list[Instruction]:
    """The instructions of a stage with this name."""
    return [each for each in stage if each.name == name]


def variables(stage: Stage) -> dict[str, str]:
    """What ENV sets."""
    words = [word for each in every(stage, "ENV") for word in each.rest.split()]
    return dict(word.split("=", 1) for word in words)
