from pushery.core import codes
from pushery.core.codes import CLOSES, Close


def test_every_close_is_in_the_table_once() -> None:
    named = [value for value in vars(codes).values() if isinstance(value, Close)]
    assert list(CLOSES) == named
    assert len(set(CLOSES)) == len(CLOSES)
    shared = {code for code in (close.code for close in CLOSES) if sum(close.code == code for close in CLOSES) > 1}
    assert shared == {1012, 4001, 4009, 4100}, "the protocol has one code for several reasons"


def test_every_reason_fits_a_close_frame() -> None:
    for close in CLOSES:
        assert len(close.reason.encode()) <= 123


def test_every_code_may_be_sent_and_says_what_the_client_does_next() -> None:
    for close in CLOSES:
        assert close.code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 4000 <= close.code < 4300
        assert close.then.endswith(".")
