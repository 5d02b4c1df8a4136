"""The inputs that every target has to stand: seeds, the kept corpus, and what is made of both by a fixed rule."""

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from fuzz.targets import TARGETS

KEPT: Final = Path(__file__).parent / "corpus"
"""What runs with coverage have found worth keeping: a file for each target, with an input in base64 on each line."""

LONGEST: Final = 4096
"""Bytes of an input: longer ones find nothing that these do not."""

_BYTES: Final = (b"\0", b"\xff", b"\r\n", b"\r\n\r\n", b"0", b"%", b'"', b"{", b"[", b"\\", b":", b" ", b";", b",")


def known(name: str) -> list[bytes]:
    """The seeds of a target and its corpus, always in the same order."""
    return [*TARGETS[name].seeds, *kept(name)]


def kept(name: str) -> list[bytes]:
    """The corpus of a target; empty before there is one."""
    file = KEPT / f"{name}.txt"
    return list(map(urlsafe_b64decode, file.read_text().split())) if file.exists() else []


def keep(name: str, inputs: Iterable[bytes]) -> None:
    """Make these the corpus of a target, the short ones first. The empty input, which all targets know, is left out."""
    lines = sorted((urlsafe_b64encode(data).decode() for data in inputs if data), key=lambda line: (len(line), line))
    (KEPT / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def mutated(name: str, inputs: list[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """So many more inputs, made of these; the same ones for the same seed."""
    dice = random.Random(f"{name} {seed}")
    for _ in range(count):
        data = dice.choice(inputs)
        for _ in range(dice.randint(1, 4)):
            data = _changed(data, dice.choice(inputs), dice)
        yield data[:LONGEST]


def _changed(data: bytes, other: bytes, dice: random.Random) -> bytes:
    at, to = sorted((dice.randint(0, len(data)), dice.randint(0, len(data))))
    match dice.randrange(7):
        case 0:
            return data[:at] + bytes((dice.randrange(256),)) + data[at + 1 :]
        case 1:
            return data[:at] + data[to:]
        case 2:
            return data[:to] + data[at:to] * dice.choice((1, 1, 3, 40)) + data[to:]
        case 3:
            return data[:at] + dice.choice(_BYTES) + data[at:]
        case 4:
            return data[:at] + dice.choice(_BYTES) + data[to:]
        case 5:
            return data[:at] + other[dice.randint(0, len(other)) :]
        case _:
            begin, end = sorted((dice.randint(0, len(other)), dice.randint(0, len(other))))
            return data[:at] + other[begin:end] + data[at:]
