import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core import grams
from pushery.core.grams import GRAM, MASKS, GramIndex

LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")) | st.just(b"x" * 50), max_size=60)
LITERALS = st.binary(min_size=1, max_size=8).filter(lambda literal: b"\n" not in literal)


def laid(lines: list[bytes]) -> tuple[GramIndex, bytearray]:
    """An index and the buffer it was fed with."""
    index, buffer = GramIndex(), bytearray()
    for line in lines:
        index.add(line, len(buffer))
        buffer += line + b"\n"
    return index, buffer


def lay_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that a few lines fill more of them than a mask has bits."""
    monkeypatch.setattr(grams, "BLOCK", 8)
    monkeypatch.setattr(grams, "_LAY_AT", 24)
    monkeypatch.setattr(grams, "MASKS", 8)


@given(LINES, st.data())
def test_no_line_that_holds_the_literal_is_left_out(lines: list[bytes], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        lay_early(monkeypatch)
        index, buffer = laid(lines)
        line = data.draw(st.sampled_from(lines)) if lines else b""
        begin = data.draw(st.integers(0, len(line)))
        literal = line[begin : begin + 8] or data.draw(LITERALS)
        first = data.draw(st.integers(0, len(lines)))
        start = sum(len(line) + 1 for line in lines[:first])
        if start == len(buffer):
            return
        spans = index.spans(literal, start, len(buffer))
        seen = [line for begin, end in spans for line in buffer[begin:end].split(b"\n")[:-1]]
        assert [line for line in seen if literal in line] == [line for line in lines[first:] if literal in line]
        reached = start
        for begin, end in spans:
            assert reached <= begin < end <= len(buffer)
            assert begin == 0 or buffer[begin - 1 : begin] == b"\n"
            assert buffer[end - 1 : end] == b"\n"
            reached = end


def test_most_of_a_large_buffer_is_left_out() -> None:
    lines = [b"user:%06d" % number for number in range(20_000)]
    index, buffer = laid(lines)
    spans = index.spans(b"r:011234", 0, len(buffer))
    assert sum(end - begin for begin, end in spans) < len(buffer) / 4
    assert any(b"user:011234\n" in buffer[begin:end] for begin, end in spans)


def test_a_literal_that_is_nowhere_leaves_nothing_to_read() -> None:
    index, buffer = laid([b"user:%06d" % number for number in range(20_000)])
    assert index.spans(b"\xff\xfe\xfd\xfc\xfb\xfa", 0, len(buffer)) == []


def test_blocks_beyond_the_bits_of_a_mask_are_found_too() -> None:
    lines = [b"user:%06d" % number for number in range(46_000)]
    index, buffer = laid(lines)
    assert len(buffer) > (MASKS + 1) * grams.BLOCK
    spans = index.spans(b"user:045999", 0, len(buffer))
    assert any(b"user:045999\n" in buffer[begin:end] for begin, end in spans)


def test_a_literal_shorter_than_a_gram_can_be_anywhere() -> None:
    index, buffer = laid([b"user:%06d" % number for number in range(20_000)])
    assert index.spans(b"x" * (GRAM - 1), 12, len(buffer)) == [(12, len(buffer))]


def test_a_small_buffer_is_read_as_a_whole() -> None:
    index, buffer = laid([b"user:1", b"user:2"])
    assert index.spans(b"nowhere", 0, len(buffer)) == [(0, len(buffer))]
