"""The key file is whole, private, and made once."""

import base64
import os
import stat
from pathlib import Path

import pytest

from pushery.core.ports import StorageError
from pushery.storage.keyfile import read_key, read_or_create_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps.sqlite.key"


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_a_new_key_is_for_its_owner_only_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        key = read_or_create_key(str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == base64.b64encode(key) + b"\n"
    assert len(key) == 32
    assert os.listdir(path.parent) == [path.name]


def test_the_key_stays(path: Path) -> None:
    assert read_or_create_key(str(path)) == read_or_create_key(str(path)) == read_key(str(path))


def test_who_loses_the_race_takes_the_winners_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def lose(source: str, target: str) -> None:
        monkeypatch.undo()
        link(source, target)  # stands for the other process: its file is there first
        path.write_bytes(base64.b64encode(bytes(32)) + b"\n")
        link(source, target)

    monkeypatch.setattr(os, "link", lose)
    assert read_or_create_key(str(path)) == bytes(32)
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_key_is_not_made_up(path: Path) -> None:
    with pytest.raises(StorageError, match=r"key file .*apps.sqlite.key is missing; restore it"):
        read_key(str(path))
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_key_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    read_or_create_key(str(path))
    path.chmod(mode)
    with pytest.raises(StorageError, match=f"run chmod 600 {path}"):
        read_or_create_key(str(path))


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hunter2", base64.b64encode(bytes(31)), base64.b64encode(bytes(33)), bytes(32), b"\xff" * 5000],
)
def test_a_garbled_key_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StorageError, match="does not hold 32 bytes in base64"):
        read_or_create_key(str(path))
    assert path.read_bytes() == content


def test_a_directory_in_its_place_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read: Is a directory"):
        read_or_create_key(str(path))


def test_a_missing_directory_is_told(path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written: No such file or directory"):
        read_or_create_key(str(path.parent / "gone" / "key"))
