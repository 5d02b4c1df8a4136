"""Answers that are kept for who asks again."""

import pytest

from pushery.core import once
from pushery.core.once import KEPT_S, Remembered


def test_an_answer_is_found_with_what_was_asked_for() -> None:
    kept: Remembered[str] = Remembered()
    assert kept.get("key", 0.0) is None
    kept.put("key", b"print", "answer", 1, 0.0)
    assert kept.get("key", 1.0) == (b"print", "answer")
    assert kept.get("other", 1.0) is None


def test_an_answer_is_kept_for_its_time() -> None:
    kept: Remembered[str] = Remembered()
    kept.put("key", b"", "answer", 1, 10.0)
    assert kept.get("key", 10.0 + KEPT_S - 0.1) is not None
    assert kept.get("key", 10.0 + KEPT_S) is None
    kept.put("key", b"", "later", 1, 10.0 + KEPT_S)
    assert kept.get("key", 10.0 + KEPT_S) == (b"", "later")


def test_what_is_forgotten_may_be_done_again() -> None:
    kept: Remembered[str] = Remembered()
    kept.put("key", b"", "answer", 1, 0.0)
    kept.forget("key")
    kept.forget("key")
    assert kept.get("key", 0.0) is None


def test_what_is_too_old_is_let_go_when_something_new_comes() -> None:
    kept: Remembered[str] = Remembered()
    for number in range(10):
        kept.put(str(number), b"", "answer", 1, float(number))
    kept.put("new", b"", "answer", 1, 5.0 + KEPT_S)
    assert list(kept._kept) == ["6", "7", "8", "9", "new"]


def test_of_too_many_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MAX_KEPT", 3)
    kept: Remembered[int] = Remembered()
    for number in range(3):
        kept.put(str(number), b"", number, 1, 0.0)
    kept.put("0", b"", 100, 1, 0.0)
    kept.put("3", b"", 3, 1, 0.0)
    assert kept.get("1", 0.0) is None
    assert [kept.get(key, 0.0) for key in ("2", "0", "3")] == [(b"", 2), (b"", 100), (b"", 3)]


def test_answers_of_too_many_bytes_go_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MAX_KEPT_BYTES", 10)
    kept: Remembered[int] = Remembered()
    kept.put("a", b"", 1, 4, 0.0)
    kept.put("b", b"", 2, 4, 0.0)
    kept.put("b", b"", 3, 6, 0.0)
    assert [kept.get(key, 0.0) for key in "ab"] == [(b"", 1), (b"", 3)]
    kept.put("c", b"", 4, 4, 0.0)
    assert [kept.get(key, 0.0) for key in "abc"] == [None, (b"", 3), (b"", 4)]
    kept.put("d", b"", 5, 11, 0.0)
    assert [kept.get(key, 0.0) for key in "abcd"] == [None] * 4
