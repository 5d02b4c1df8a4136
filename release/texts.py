"""What a release changes in files, as functions of their text. Reads and writes nothing.

Invariant: whatever cannot be changed as meant is an error that says where to look, never a text half changed.
"""

import re
from typing import Final

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
_ASSIGNED: Final = re.compile(r'^__version__ = "([^"]*)"$', re.MULTILINE)
_UNRELEASED: Final = re.compile(r"^## Unreleased(?:: \S+)?$", re.MULTILINE)
_FINAL: Final = ("z", 0)
"""Sorts behind every stage of a pre-release."""


class ReleaseError(Exception):
    """Why there can be no release. The message is one line for whoever makes it."""


def order(version: str) -> tuple[int, int, int, str, int]:
    """What versions such as 1.2.3 and 1.2.3rc1 sort by. Raises ReleaseError for any other text."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ReleaseError(f"{version!r} is no version: write it as 1.2.3, or 1.2.3rc1 for one to try out")
    major, minor, patch, stage, number = found.groups()
    return int(major), int(minor), int(patch), *((stage, int(number)) if stage else _FINAL)


def version_in(source: str) -> str:
    """The version that a module says of itself."""
    found = _ASSIGNED.findall(source)
    if len(found) != 1:
        raise ReleaseError('src/pushery/__init__.py has to say __version__ = "..." once')
    return str(found[0])


def with_version(source: str, version: str) -> str:
    """The module, saying `version` from now on; one that is not behind it is an error."""
    current = version_in(source)
    if order(version) < order(current):
        raise ReleaseError(f"{version} is older than {current}, which the source says it is")
    return _ASSIGNED.sub(f'__version__ = "{version}"', source)


def with_heading(changelog: str, version: str, date: str) -> str:
    """The changelog, where what was unreleased now stands under `version` and its `date` (2026-12-31)."""
    headings = _UNRELEASED.findall(changelog)
    if len(headings) != 1:
        raise ReleaseError("CHANGELOG.md has to have one heading '## Unreleased', with what is new below it")
    heading = f"## {version} ({date})"
    changed = changelog.replace(f"{headings[0]}\n", f"{heading}\n", 1)
    if not notes(changed, version):
        raise ReleaseError(
            f"CHANGELOG.md says nothing below '{headings[0]}': who uses Pushery wants to know what is new"
        )
    return changed


def notes(changelog: str, version: str) -> str:
    """What the changelog says of a version; "" when nothing."""
    found = re.search(rf"^## {re.escape(version)} \([^)\n]*\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""
