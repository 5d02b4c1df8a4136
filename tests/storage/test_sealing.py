"""Sealed values open to what they were, in their own place, and to nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.ports import StorageError
from pushery.storage.sealing import Sealer, decode_key

KEY = bytes(range(32))
SEALER = Sealer(KEY)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(plain=texts, context=texts)
def test_what_was_sealed_opens(plain: str, context: str) -> None:
    assert SEALER.unseal(SEALER.seal(plain, context), context) == plain


@given(plain=texts, context=texts, data=st.data())
def test_one_flipped_bit_anywhere_is_noticed(plain: str, context: str, data: st.DataObject) -> None:
    sealed = bytearray(SEALER.seal(plain, context))
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(StorageError):
        SEALER.unseal(bytes(sealed), context)


@given(plain=texts, data=st.data())
def test_a_value_cut_short_or_extended_is_noticed(plain: str, data: st.DataObject) -> None:
    sealed = SEALER.seal(plain, "a:secret")
    length = data.draw(st.integers(0, len(sealed) - 1))
    for altered in (sealed[:length], sealed + sealed[:1]):
        with pytest.raises(StorageError):
            SEALER.unseal(altered, "a:secret")


@given(plain=texts, here=texts, there=texts)
def test_a_value_moved_to_another_place_does_not_open(plain: str, here: str, there: str) -> None:
    if here != there:
        with pytest.raises(StorageError):
            SEALER.unseal(SEALER.seal(plain, here), there)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(StorageError, match="another key"):
        Sealer(bytes(32)).unseal(SEALER.seal("plain", "a:secret"), "a:secret")


def test_the_same_text_is_never_sealed_alike_twice() -> None:
    assert len({SEALER.seal("plain", "a:secret") for _ in range(100)}) == 100


@pytest.mark.parametrize("value", [None, "text", 7, b"", b"\x02" + bytes(40)])
def test_what_was_never_sealed_is_refused(value: object) -> None:
    with pytest.raises(StorageError, match="unknown format"):
        SEALER.unseal(value, "a:secret")


def test_a_sealer_wants_256_bits() -> None:
    with pytest.raises(ValueError, match="32"):
        Sealer(bytes(16))


@given(key=st.binary(min_size=32, max_size=32))
def test_a_key_is_read_in_both_alphabets_with_and_without_padding(key: bytes) -> None:
    for text in (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert decode_key(text) == decode_key(text.rstrip("=")) == decode_key(f" {text}\n") == key


@pytest.mark.parametrize(
    "text",
    ["", "=", "hunter2", "ü" * 43, "A" * 42, "A" * 45, base64.b64encode(bytes(31)).decode(), "A" * 20 + "!" + "A" * 23],
)
def test_anything_else_is_no_key(text: str) -> None:
    assert decode_key(text) is None
