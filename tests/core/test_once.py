"""Answers that are kept for who asks again."""

import pytest

from pushery.core import once
from pushery.core.once import KEPT_S, Remembered


def test_an_answer_is_found_with_what_was_asked_for() -> None:
    kept: Remembered[str] = Remembered()
    assert kept.get("app", "key", 0.0) is None
    kept.put("app", "key", b"print", "answer", 0.0)
    assert kept.get("app", "key", 1.0) == (b"print", "answer")
    assert kept.get("app", "other", 1.0) is None
    assert kept.get("other", "key", 1.0) is None


def test_an_answer_is_kept_for_its_time() -> None:
    kept: Remembered[str] = Remembered()
    kept.put("app", "key", b"", "answer", 10.0)
    assert kept.get("app", "key", 10.0 + KEPT_S - 0.1) is not None
    assert kept.get("app", "key", 10.0 + KEPT_S) is None
    kept.put("app", "key", b"", "later", 10.0 + KEPT_S)
    assert kept.get("app", "key", 10.0 + KEPT_S) == (b"", "later")


def test_what_is_forgotten_may_be_done_again() -> None:
    kept: Remembered[str] = Remembered()
    kept.put("app", "key", b"", "answer", 0.0)
    kept.forget("app", "key")
    kept.forget("app", "key")
    assert kept.get("app", "key", 0.0) is None


def test_what_is_too_old_is_let_go_when_something_new_comes() -> None:
    kept: Remembered[str] = Remembered()
    for number in range(10):
        kept.put("app", str(number), b"", "answer", float(number))
    kept.put("app", "new", b"", "answer", 5.0 + KEPT_S)
    assert list(kept._kept) == [("app", key) for key in ("6", "7", "8", "9", "new")]


def test_of_too_many_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MAX_KEPT", 3)
    kept: Remembered[int] = Remembered()
    for number in range(3):
        kept.put("app", str(number), b"", number, 0.0)
    kept.put("app", "0", b"", 100, 0.0)
    kept.put("app", "3", b"", 3, 0.0)
    assert kept.get("app", "1", 0.0) is None
    assert [kept.get("app", key, 0.0) for key in ("2", "0", "3")] == [(b"", 2), (b"", 100), (b"", 3)]
