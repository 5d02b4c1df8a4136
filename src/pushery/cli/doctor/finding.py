"""What a check has found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` is the exact command or setting; "" where nothing needs mending."""

    check: str
    state: State
    found: str
    mend: str = ""


Findings = Iterator[Finding]


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, mend: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, "warn", found, mend)


def fail(check: str, found: str, mend: str) -> Finding:
    """It keeps something from working."""
    return Finding(check, "fail", found, mend)


def skip(check: str, why: str, mend: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(check, "skip", why, mend)
