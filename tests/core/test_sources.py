"""From where something comes."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.sources import source_of


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("203.0.113.9:0", "203.0.113.9"),
        ("[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:1", "2001:db8:1:2::/64"),
        ("[::1]:80", "::/64"),
        ("[fe80::1%eth0]:80", "fe80::/64"),
        ("[nonsense]:80", "nonsense"),
        ("unknown:0", "unknown"),
    ],
)
def test_a_source_is_an_address_or_a_subscribers_network(peer: str, source: str) -> None:
    assert source_of(peer) == source


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1), st.integers(0, 65535))
def test_all_addresses_of_a_network_are_one_source(address: IPv6Address, other: int, port: int) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | other)
    assert source_of(f"[{neighbour}]:{port}") == source_of(f"[{address}]:1")
