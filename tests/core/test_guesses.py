"""Who tries passwords."""

from pushery.core.guesses import Guesses


def test_a_source_that_guesses_wrong_too_often_is_not_listened_to_for_a_while() -> None:
    guesses = Guesses(3)
    assert [guesses.wrong("a", 0.0) for _ in range(3)] == [False, False, True]
    assert guesses.wait("a", "root:1", 0.0) == 20.0
    assert guesses.wait("a", "root:1", 15.0) == 5.0
    assert guesses.wait("a", "root:1", 20.0) == 0.0
    assert guesses.wrong("a", 20.0)
    assert guesses.wait("a", "root:1", 20.0) == 20.0


def test_others_are_not_concerned() -> None:
    guesses = Guesses(1)
    assert guesses.wrong("a", 0.0)
    assert guesses.wait("", "root:1", 0.0) == 0.0


def test_credentials_that_were_right_from_there_go_on_working() -> None:
    guesses = Guesses(1)
    guesses.right("proxy", "backend")
    guesses.wrong("proxy", 0.0)
    assert guesses.wait("proxy", "backend", 0.0) == 0.0
    assert guesses.wait("proxy", "other", 0.0) == 60.0
    assert guesses.wait("elsewhere", "backend", 0.0) == 0.0


def test_right_credentials_of_another_source_help_nobody() -> None:
    guesses = Guesses(1)
    guesses.right("proxy", "backend")
    guesses.wrong("attacker", 0.0)
    assert guesses.wait("attacker", "backend", 0.0) == 60.0


def test_without_a_limit_everybody_may_guess() -> None:
    guesses = Guesses(0)
    assert not any(guesses.wrong("a", 0.0) for _ in range(1000))
    assert guesses.wait("a", "x", 0.0) == 0.0


def test_what_is_wrong_while_it_is_not_listened_to_does_not_count() -> None:
    guesses = Guesses(2)
    assert [guesses.wrong("a", 0.0) for _ in range(10)] == [False, True, *[False] * 8]
    assert guesses.wait("a", "x", 0.0) == 30.0


def test_right_credentials_are_remembered_up_to_a_bound() -> None:
    guesses = Guesses(1)
    for number in range(10_001):
        guesses.right("proxy", str(number))
    guesses.wrong("proxy", 0.0)
    assert guesses.wait("proxy", "10000", 0.0) == 0.0
    assert guesses.wait("proxy", "0", 0.0) == 60.0
