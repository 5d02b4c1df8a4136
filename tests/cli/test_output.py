"""How things are shown: plain in a pipe, painted on a terminal, and never cut."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pushery.cli.output import Assignment, Assignments, Column, Done, Record, Table, complaint, printable
from tests.cli.test_cli import clean_environment, fields_of, pushery_command, write_config
from tests.support.server import DEADLINE_S

WIDE = "wide " * 40


def on_terminal(directory: Path, *arguments: str, **environ: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pushery", *arguments],
        cwd=directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"TERM": "xterm-256color", "COLUMNS": "80", **clean_environment(**environ)} | environ,
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:
        pass  # so a terminal tells that its other end is closed
    finally:
        os.close(ours)
    assert process.wait(DEADLINE_S) in (0, 1)
    return said.decode().replace("\r\n", "\n")


def test_a_table_in_a_pipe_is_aligned_and_not_cut() -> None:
    table = Table((Column("n", right=True), Column("name"), Column("more")), [("1", "a", WIDE), ("20", "bcdef", "x")])
    assert list(table.lines()) == [" n  name   more", f" 1  a      {WIDE.rstrip()}", "20  bcdef  x"]


def test_a_record_has_a_line_for_each_field() -> None:
    assert list(Record((("a", "1"), ("long", WIDE))).lines()) == ["a    1", f"long {WIDE}"]


def test_settings_are_told_as_they_are_typed() -> None:
    told = Assignments([Assignment("a", "1", True), Assignment("b", "", False)])
    assert list(told.lines()) == ["a=1  (default)", "b="]


def test_what_a_terminal_would_obey_is_written_as_an_escape() -> None:
    assert printable("a\x1b[2J\né\udcff") == "a\\x1b[2J\\né\\udcff"
    assert list(Done("\x07").lines()) == ["\\x07"]
    assert complaint(["\x1b"]) == ["pushery: \\x1b"]


@pytest.mark.process
def test_a_terminal_gets_colour_and_a_table_and_a_pipe_gets_neither(tmp_path: Path) -> None:
    write_config(tmp_path)
    key = fields_of(pushery_command(tmp_path, "app", "add", WIDE.strip()))["app_key"]
    painted = on_terminal(tmp_path, "app", "list")
    assert "\x1b[" in painted
    assert key in painted, "a key is not folded"
    assert painted.count("wide") == 40
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in painted.splitlines()) <= 80
    plain = pushery_command(tmp_path, "app", "list").stdout
    assert "\x1b" not in plain
    assert WIDE.strip() in plain
    assert on_terminal(tmp_path, "app", "list", NO_COLOR="1") == plain


@pytest.mark.process
def test_a_terminal_shows_every_setting_and_errors_in_colour(tmp_path: Path) -> None:
    write_config(tmp_path)
    key = fields_of(pushery_command(tmp_path, "app", "add", "shop"))["app_key"]
    painted = on_terminal(tmp_path, "app", "show", key)
    assert "max_batch=10" in painted
    assert "\x1b[" in painted
    assert re.match(r"\x1b\[.*pushery:\x1b\[0m there is no app", on_terminal(tmp_path, "app", "show", "x"))
    assert on_terminal(tmp_path, "app", "show", "x", NO_COLOR="1").startswith("pushery: there is no app")
