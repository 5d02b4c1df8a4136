"""Signatures are what the standard library computes, whatever was signed with the key before."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from pushery.dialects.pusher.mac import signature


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "s" * 40, "s" * 64, "s" * 65, "ä" * 100]), st.binary()), max_size=9)
)
def test_signatures_are_those_of_the_standard_library(pairs: list[tuple[str, bytes]]) -> None:
    for secret, text in pairs:
        assert signature(secret, text) == hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
