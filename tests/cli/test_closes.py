"""What a close code is said to mean."""

from pushery.cli.closes import closed_text, meaning
from pushery.core.codes import CLOSES, TERMINATED


def test_every_close_of_ours_is_told_with_what_to_do() -> None:
    assert [close for close in CLOSES if meaning(close.code, close.reason) != close.then] == []


def test_a_code_that_is_not_ours_is_told_by_its_range() -> None:
    assert closed_text(4299, "bye") == "closed by the server: 4299 bye. Come back at once."
    assert closed_text(4001, "another reason").endswith("Do not come back unchanged.")


def test_a_reason_that_is_a_sentence_keeps_one_full_stop() -> None:
    text = closed_text(TERMINATED.code, TERMINATED.reason)
    assert text == f"closed by the server: 4009 You got disconnected by the app. {TERMINATED.then}"


def test_a_code_that_nobody_knows_is_told_as_it_is() -> None:
    assert closed_text(4999, "") == "closed by the server: 4999"
