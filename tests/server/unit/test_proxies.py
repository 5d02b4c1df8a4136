"""Whose word about a client is believed."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.config.settings import ForwardedHeader
from pushery.core.exchange import Request
from pushery.server.proxies import asked_by, is_trusted

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("fd00::/8"))
PROXY = "10.0.0.1:40000"


def asked(
    header: ForwardedHeader, peer: str = PROXY, *, secure: bool = False, **headers: str | None
) -> tuple[str, bool]:
    """Who is asking, and whether by TLS, when these headers say this."""
    sent = {n.replace("_", "-").encode(): v.encode("latin-1") for n, v in headers.items() if v is not None}
    return asked_by(Request("GET", "/", "", sent, b"", peer=peer, secure=secure), TRUSTED, header)


def peer_of(forwarded: str | None, peer: str = PROXY) -> str:
    """Who is asking, when X-Forwarded-For says this."""
    return asked("x-forwarded-for", peer, x_forwarded_for=forwarded)[0]


def element_of(forwarded: str | None, peer: str = PROXY, *, secure: bool = False) -> tuple[str, bool]:
    """Who is asking, and whether by TLS, when Forwarded says this."""
    return asked("forwarded", peer, secure=secure, forwarded=forwarded)


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
    "garbage",
    [
        "unknown",
        "_hidden",
        "",
        " ",
        "300.1.1.1",
        "1.2.3",
        "999",
        "::g",
        "a:b",
        "\xff",
        "[",
        "[::1",
        "[::1]1",
        "::1]",
        "fe80::9%eth0",
        "[fe80::9%eth0]:1",
        "::1%<b>",
        "198.51.100.1:" + "1" * 60,
    ],
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


def test_the_proxy_says_whether_the_client_came_by_tls() -> None:
    for proto, secure in {"https": True, "WSS": True, "http": False, "http, https": True, "https, http": False}.items():
        told = asked("x-forwarded-for", x_forwarded_for="203.0.113.9", x_forwarded_proto=proto, secure=not secure)
        assert told == ("203.0.113.9:0", secure)
        assert asked("x-forwarded-for", x_forwarded_proto=proto) == (PROXY, secure)
        assert asked("x-forwarded-for", "203.0.113.9:1", x_forwarded_proto=proto) == ("203.0.113.9:1", False)


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_that_does_not_say_leaves_it_at_how_it_came_itself(secure: bool) -> None:
    assert asked("x-forwarded-for", x_forwarded_for="203.0.113.9", secure=secure) == ("203.0.113.9:0", secure)
    assert element_of("for=203.0.113.9", secure=secure) == ("203.0.113.9:0", secure)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=203.0.113.9", "203.0.113.9:0"),
        ("For=203.0.113.9", "203.0.113.9:0"),
        ('for="203.0.113.9"', "203.0.113.9:0"),
        ('for="203.0.113.9:5555"', "203.0.113.9:0"),
        ('for="203.0.113.9:_port"', "203.0.113.9:0"),
        ('for="[2001:db8::9]"', "[2001:db8::9]:0"),
        ('for="[2001:DB8:0::9]:443"', "[2001:db8::9]:0"),
        ('for="\\2\\03.0.113.9"', "203.0.113.9:0"),
        ('by="a,b;c";host=x.example;for=203.0.113.9;proto=http', "203.0.113.9:0"),
        (" for=203.0.113.9 ; proto=http ;; ", "203.0.113.9:0"),
        ("for=203.0.113.9, for=10.0.0.2", "203.0.113.9:0"),
        ('for=203.0.113.9,,\tfor=10.0.0.2;by="\\"",for="[fd00::2]:1", ', "203.0.113.9:0"),
        ('for=203.0.113.9,for=10.0.0.2;by="\\\\";ext="a,\\"b\\",c"', "203.0.113.9:0"),
    ],
)
def test_of_forwarded_too_the_last_that_is_no_trusted_proxy_counts(forwarded: str, client: str) -> None:
    assert element_of(forwarded) == (client, False)


@pytest.mark.parametrize(
    "spoofed",
    [
        "for=1.2.3.4", "for=10.0.0.9", 'for="', 'for="\\', '"', '""', 'x="for=1.2.3.4', "garbage", ";", ",", "=",
        'a="b" "c', 'for=1.2.3.4;by="\\"', "for=1.2.3.4;proto=https",
    ],
)  # fmt: skip
def test_of_forwarded_nothing_is_believed_that_the_client_wrote_itself(spoofed: str) -> None:
    for before in (f"{spoofed}, ", f"{spoofed},"):
        assert element_of(f"{before}for=203.0.113.9") == ("203.0.113.9:0", False)
        assert element_of(f'{before}for="[2001:db8::9]:1";proto=https') == ("[2001:db8::9]:0", True)
        assert element_of(f'{before}for=203.0.113.9;proto=https, for="10.0.0.2:1";proto=http') == (
            "203.0.113.9:0",
            True,
        )


@pytest.mark.parametrize(
    "hidden", ["for=unknown", "for=_secret", 'for="_secret:_port"', "proto=http", "for=", "for", "for=[::1]", "for=a b",
               'for="203.0.113.8', "for=203.0.113.8;for=203.0.113.8", "203.0.113.8", 'for="203.0.113.8"x',
               "for =203.0.113.8"],
)  # fmt: skip
def test_of_forwarded_nothing_is_believed_behind_what_is_hidden_or_malformed(hidden: str) -> None:
    assert element_of(hidden)[0] == PROXY
    assert element_of(f"for=203.0.113.9, {hidden}")[0] == PROXY
    assert element_of(f"for=203.0.113.9, {hidden}, for=10.0.0.2")[0] == "10.0.0.2:0"


def test_of_forwarded_the_outermost_trusted_proxy_says_whether_the_client_came_by_tls() -> None:
    assert element_of("for=203.0.113.9;proto=HTTPS") == ("203.0.113.9:0", True)
    assert element_of("for=203.0.113.9;proto=https, for=10.0.0.2;proto=http") == ("203.0.113.9:0", True)
    assert element_of("for=203.0.113.9;proto=http, for=10.0.0.2;proto=https", secure=True) == ("203.0.113.9:0", False)
    assert element_of("for=1.1.1.1;proto=https, for=203.0.113.9;proto=http") == ("203.0.113.9:0", False)
    assert element_of("for=1.1.1.1;proto=https, for=203.0.113.9") == ("203.0.113.9:0", False)
    assert element_of("for=unknown;proto=https") == (PROXY, True)
    assert element_of("proto=https") == (PROXY, True)
    assert element_of("for=203.0.113.9;proto=https", "203.0.113.8:1") == ("203.0.113.8:1", False)


def test_the_header_that_is_not_the_one_agreed_on_has_no_effect() -> None:
    told: list[tuple[ForwardedHeader, tuple[str, bool]]] = [
        ("forwarded", ("203.0.113.9:0", False)),
        ("x-forwarded-for", ("1.2.3.4:0", True)),
    ]
    for header, who in told:
        both = "for=203.0.113.9;proto=http"
        assert asked(header, x_forwarded_for="1.2.3.4", x_forwarded_proto="https", forwarded=both) == who
    assert asked("forwarded", x_forwarded_for="1.2.3.4", x_forwarded_proto="https") == (PROXY, False)
    assert asked("x-forwarded-for", forwarded="for=1.2.3.4;proto=https") == (PROXY, False)


def test_an_address_is_trusted_with_and_without_its_port() -> None:
    for peer in (PROXY, "10.0.0.1", "[fd00::1]:1", "[::ffff:10.0.0.1]:1"):
        assert is_trusted(peer, TRUSTED)
    for peer in ("203.0.113.9:1", "unknown:0", "", "[fd00::1%eth0]:1"):
        assert not is_trusted(peer, TRUSTED)
    assert not is_trusted(PROXY, ())


headers = st.text(st.characters(max_codepoint=255)) | st.lists(
    st.sampled_from(["for=", '"', ",", ";", "\\", "[::1]", "10.0.0.2", "203.0.113.9", "proto=https", " ", "unknown"])
).map("".join)
peers = st.sampled_from([PROXY, "[fd00::1]:1", "x", ""])


@given(headers, peers, st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_no_header_breaks_the_reading_of_it(said: str, peer: str, header: ForwardedHeader) -> None:
    told, secure = asked(header, peer, x_forwarded_for=said, forwarded=said)
    assert told == peer or told.endswith(":0")
    assert not secure or header == "forwarded"


@given(headers, st.ip_addresses().filter(lambda each: not is_trusted(f"[{each}]", TRUSTED)), st.booleans())
def test_whatever_a_client_sends_the_proxies_have_the_last_word(said: str, client: object, tls: bool) -> None:
    shown = peer_of(str(client))
    proto = "https" if tls else "http"
    assert peer_of(f"{said}, {client}, 10.0.0.2") == shown
    assert element_of(f'{said}, for="[{client}]";proto={proto}, for=10.0.0.2;proto=http') == (shown, tls)
