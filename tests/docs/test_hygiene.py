"""Nothing in the repository tells of the place or the hour it was written in."""

import re
from pathlib import Path

from tests.docs.pages import ROOT, tracked_files

# Put together from pieces, so that this file does not find itself.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:" + "wo" + "rk|ro" + r"ot|home/\w+|Users/\w+)/"),
    "a note to oneself": re.compile(r"\b(?:TO" + "DO|FIX" + "ME|X" + r"XX)\b"),
    "a merge that was not finished": re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE),
    "a trailer of a commit": re.compile(r"^(?:Co-author" + "ed-by|Signed-o" + "ff-by):", re.MULTILINE | re.IGNORECASE),
    "a private package index": re.compile(r"--(?:extra-)?index-" + "url|--find-" + "links|--trusted-" + "host"),
}
TEMPORARY = re.compile(r"(?<![\w.])/tm" + "p/")


def texts() -> list[tuple[Path, str]]:
    """All text files of ours. What others wrote stays as they wrote it."""
    found = []
    for path in tracked_files():
        if "vendor" in path.parts:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path.relative_to(ROOT), content.decode()))
    return found


def test_no_file_holds_what_does_not_belong_there() -> None:
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}: {match[0]!r}"
        for path, text in texts()
        for what, pattern in FORBIDDEN.items()
        if (match := pattern.search(text))
    ]
    assert found == []


def test_only_tests_know_a_temporary_directory_by_name() -> None:
    found = [str(path) for path, text in texts() if path.parts[0] != "tests" and TEMPORARY.search(text)]
    assert found == []


def test_every_text_file_ends_with_one_newline_and_no_line_with_a_space() -> None:
    bad = [
        str(path)
        for path, text in texts()
        if text and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]$", text, re.MULTILINE))
    ]
    assert bad == []
