from pushery.core.audience import Audience, Write, size, write_all


def test_the_size_of_several_audiences_is_the_sum_of_theirs() -> None:
    assert size([]) == 0
    assert size([{}, {1: bytes}, {2: bytes, 3: bytes}]) == 3


def test_a_frame_is_handed_to_everybody_in_order_of_joining() -> None:
    taken: list[tuple[int, bytes]] = []

    def taker(number: int) -> Write:
        return lambda frame: taken.append((number, frame))

    audience: Audience = {number: taker(number) for number in (3, 1, 2)}
    assert write_all(audience, b"hello") == []
    assert taken == [(3, b"hello"), (1, b"hello"), (2, b"hello")]


def test_those_whose_write_raises_are_told_and_cost_nobody_else_the_frame() -> None:
    taken: list[bytes] = []

    def broken(_: bytes) -> None:
        raise RuntimeError("the transport is gone")

    audience: Audience = {1: broken, 2: taken.append, 3: broken, 4: broken, 5: taken.append, 6: broken}
    assert write_all(audience, b"hello") == [1, 3, 4, 6]
    assert taken == [b"hello", b"hello"]


def test_a_write_may_swap_its_own_entry() -> None:
    taken: list[bytes] = []
    outbox: list[bytes] = []

    def fill_up(frame: bytes) -> None:
        taken.append(frame)
        audience[1] = outbox.append

    audience: Audience = {1: fill_up, 2: taken.append}
    assert write_all(audience, b"1") == []
    assert write_all(audience, b"2") == []
    assert (taken, outbox) == ([b"1", b"1", b"2"], [b"2"])


def test_who_has_swapped_its_entry_and_raises_is_told_by_who_it_is() -> None:
    def swap_and_fail(_: bytes) -> None:
        audience[2] = bytes
        raise MemoryError

    audience: Audience = {1: bytes, 2: swap_and_fail, 3: bytes, 4: bytes}
    del audience[1]
    assert write_all(audience, b"1") == [2]
