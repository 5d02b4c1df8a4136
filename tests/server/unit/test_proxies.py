"""Whose word about a client's address is believed."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.core.exchange import Request
from pushery.server.proxies import forwarded_peer

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("fd00::/8"))
PROXY = "10.0.0.1:40000"


def peer_of(forwarded: str | None, peer: str = PROXY) -> str:
    """Who is asking, when X-Forwarded-For says this."""
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded.encode("latin-1")}
    return forwarded_peer(Request("GET", "/", "", headers, b"", peer=peer), TRUSTED)


@pytest.mark.parametrize("peer", ["203.0.113.9:1", "[2001:db8::1]:1", "11.0.0.1:1", "192.0.2.8:1", "unknown:0", ""])
def test_nobody_is_believed_who_is_no_trusted_proxy(peer: str) -> None:
    assert peer_of("198.51.100.1", peer) == peer


@pytest.mark.parametrize("peer", ["10.0.0.1:40000", "192.0.2.7:1", "[fd00::1]:443"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    assert peer_of("203.0.113.9", peer) == "203.0.113.9:0"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.9", "203.0.113.9:0"),
        ("  203.0.113.9  ", "203.0.113.9:0"),
        ("203.0.113.9:5555", "203.0.113.9:0"),
        ("2001:db8::9", "[2001:db8::9]:0"),
        ("2001:DB8:0::9", "[2001:db8::9]:0"),
        ("[2001:db8::9]", "[2001:db8::9]:0"),
        ("[2001:db8::9]:443", "[2001:db8::9]:0"),
        ("203.0.113.9, 10.0.0.2", "203.0.113.9:0"),
        ("203.0.113.9,10.0.0.2,192.0.2.7,fd00::2", "203.0.113.9:0"),
    ],
)
def test_the_client_is_the_last_that_is_no_trusted_proxy(forwarded: str, client: str) -> None:
    assert peer_of(forwarded) == client


@pytest.mark.parametrize(
    "spoofed", ["1.2.3.4", "10.0.0.9", "1.2.3.4, 5.6.7.8", "garbage", "", ",", "127.0.0.1, 10.0.0.9", "[::1]"]
)
def test_what_the_client_wrote_itself_is_not_believed(spoofed: str) -> None:
    assert peer_of(f"{spoofed}, 203.0.113.9") == "203.0.113.9:0"
    assert peer_of(f"{spoofed}, 203.0.113.9, 10.0.0.2") == "203.0.113.9:0"


@pytest.mark.parametrize(
    "garbage", ["unknown", "_hidden", "", " ", "300.1.1.1", "1.2.3", "999", "::g", "a:b", "\xff", "["]
)
def test_behind_garbage_nothing_is_believed(garbage: str) -> None:
    assert peer_of(garbage) == PROXY
    assert peer_of(f"203.0.113.9, {garbage}") == PROXY
    assert peer_of(f"203.0.113.9, {garbage}, 10.0.0.2") == "10.0.0.2:0"


def test_a_chain_of_trusted_proxies_alone_gives_its_first() -> None:
    assert peer_of("10.0.0.3, 10.0.0.2") == "10.0.0.3:0"


def test_a_proxy_that_says_nothing_is_itself_the_peer() -> None:
    assert peer_of(None) == PROXY


def test_ipv4_that_came_in_as_ipv6_is_the_same_address() -> None:
    assert peer_of("203.0.113.9, ::ffff:10.0.0.2") == "203.0.113.9:0"
    assert peer_of("::ffff:203.0.113.9") == "203.0.113.9:0"
    assert peer_of("203.0.113.9", "[::ffff:10.0.0.1]:40000") == "203.0.113.9:0"


@given(st.text(st.characters(max_codepoint=255)), st.sampled_from([PROXY, "[fd00::1]:1", "x", ""]))
def test_no_header_breaks_the_reading_of_it(forwarded: str, peer: str) -> None:
    said = peer_of(forwarded, peer)
    assert said == peer or said.endswith(":0")
