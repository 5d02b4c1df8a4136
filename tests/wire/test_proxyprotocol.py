"""The PROXY protocol: what a header says, and that nothing else passes for one."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushery.wire.proxyprotocol import UNKNOWN_PEER, ProxyHeader, ProxyHeaderError, ProxyHeaderReader

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
"""As section 2.2 of the specification has it."""

V4 = bytes((203, 0, 113, 9, 192, 0, 2, 1)) + struct.pack("!HH", 4711, 443)
V6 = IPv6Address("2001:db8::9").packed + IPv6Address("2001:db8::1").packed + struct.pack("!HH", 4711, 443)
UNIX = b"\0" * 216


def v2(block: bytes = V4, *, command: int = 0x21, family: int = 0x11) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def ssl(client: int) -> bytes:
    """PP2_TYPE_SSL with the version of TLS in it, as HAProxy sends it."""
    return tlv(0x20, struct.pack("!BI", client, 0) + tlv(0x21, b"TLSv1.3"))


def read(data: bytes) -> ProxyHeader | None:
    return ProxyHeaderReader().feed(data)


def outcome(pieces: list[bytes]) -> tuple[str | None, bool, bytes] | str | None:
    """What is read, with whatever comes after the header; or why it is refused; or None when it is not complete."""
    reader, found = ProxyHeaderReader(), None
    for piece in pieces:
        if found is not None:
            found = found._replace(rest=found.rest + piece)
            continue
        try:
            found = reader.feed(piece)
        except ProxyHeaderError as error:
            return str(error)
    return found


@pytest.mark.parametrize(
    ("line", "peer"),
    [
        (b"TCP4 203.0.113.9 192.0.2.1 4711 443", "203.0.113.9:4711"),
        (b"TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255:65535"),
        (b"TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0:0"),
        (b"TCP6 2001:db8::9 2001:db8::1 4711 443", "[2001:db8::9]:4711"),
        (b"TCP6 2001:DB8:0:0::9 ::1 4711 443", "[2001:db8::9]:4711"),
        (b"TCP6 ::ffff:203.0.113.9 ::1 4711 443", "203.0.113.9:4711"),
        (b"UNKNOWN", UNKNOWN_PEER),
        (b"UNKNOWN " + b"f" * 91, UNKNOWN_PEER),
        (b"UNKNOWN ffff::1 ffff::2 65535 65535", UNKNOWN_PEER),
    ],
)
def test_a_line_of_version_1_tells_the_client(line: bytes, peer: str) -> None:
    assert read(b"PROXY " + line + b"\r\nGET / \r\n") == (peer, False, b"GET / \r\n")


def test_the_longest_line_has_107_bytes_and_one_more_is_refused() -> None:
    longest = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert len(longest) == 107
    assert read(longest) == (UNKNOWN_PEER, False, b"")
    with pytest.raises(ProxyHeaderError, match="within 107 bytes"):
        read(longest.replace(b"x", b"xx", 1))
    with pytest.raises(ProxyHeaderError, match="within 107 bytes"):
        read(b"PROXY " + b"x" * 101)
    assert read(b"PROXY " + b"x" * 100) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"UNKNOWNX",
        b"unknown",
        b"TCP4",
        b"TCP5 203.0.113.9 192.0.2.1 4711 443",
        b"tcp4 203.0.113.9 192.0.2.1 4711 443",
        b"TCP4 203.0.113.9 192.0.2.1 4711",
        b"TCP4 203.0.113.9 192.0.2.1 4711 443 ",
        b"TCP4 203.0.113.9 192.0.2.1 4711 443 1",
        b"TCP4  203.0.113.9 192.0.2.1 4711 443",
        b"TCP4 203.0.113.9\t192.0.2.1 4711 443",
        b"TCP4 203.0.113.9 192.0.2.1 04711 443",
        b"TCP4 203.0.113.9 192.0.2.1 65536 443",
        b"TCP4 203.0.113.9 192.0.2.1 4711 65536",
        b"TCP4 203.0.113.9 192.0.2.1 -1 443",
        b"TCP4 203.0.113.9 192.0.2.1 +1 443",
        b"TCP4 203.0.113.9 192.0.2.1 4711 443\n",
        b"TCP4 203.0.113.09 192.0.2.1 4711 443",
        b"TCP4 203.0.113 192.0.2.1 4711 443",
        b"TCP4 203.0.113.9 nowhere 4711 443",
        b"TCP4 2001:db8::9 2001:db8::1 4711 443",
        b"TCP4 \xb2.0.113.9 192.0.2.1 4711 443",
        b"TCP6 203.0.113.9 192.0.2.1 4711 443",
        b"TCP6 fe80::9%eth0 ::1 4711 443",
        b"TCP6 [2001:db8::9] ::1 4711 443",
    ],
)
def test_a_line_that_is_not_exactly_of_version_1_is_refused(line: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(b"PROXY " + line + b"\r\n")


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\n", b"proxy TCP4", b"PROXYTCP4", b"\r\n\r\n\r", b"\x16\x03\x01", b"P "]
)
def test_what_begins_otherwise_is_refused_at_once(start: bytes) -> None:
    with pytest.raises(ProxyHeaderError, match="neither version"):
        read(start)


@pytest.mark.parametrize("start", [b"", b"P", b"PROXY", b"\r", SIGNATURE[:11], SIGNATURE, v2()[:-1]])
def test_the_beginning_of_a_header_waits_for_the_rest(start: bytes) -> None:
    assert read(start) is None


@pytest.mark.parametrize(
    ("header", "peer", "secure"),
    [
        (v2(), "203.0.113.9:4711", False),
        (v2(V6, family=0x21), "[2001:db8::9]:4711", False),
        (v2(IPv6Address("::ffff:203.0.113.9").packed + V6[16:], family=0x21), "203.0.113.9:4711", False),
        (v2(family=0x12), "203.0.113.9:4711", False),
        (v2(V6, family=0x22), "[2001:db8::9]:4711", False),
        (v2(UNIX, family=0x31), UNKNOWN_PEER, False),
        (v2(UNIX + ssl(1), family=0x31), UNKNOWN_PEER, True),
        (v2(b"", family=0x00), UNKNOWN_PEER, False),
        (v2(b"whatever this is", family=0x00), UNKNOWN_PEER, False),
        (v2(b"", command=0x20, family=0x00), None, False),
        (v2(b"\x20\xff", command=0x20, family=0xFF), None, False),
        (v2(V4 + ssl(1), command=0x20), None, False),
        (v2(V4 + ssl(0x01)), "203.0.113.9:4711", True),
        (v2(V4 + ssl(0x07)), "203.0.113.9:4711", True),
        (v2(V4 + ssl(0x00)), "203.0.113.9:4711", False),
        (v2(V4 + ssl(0x06)), "203.0.113.9:4711", False),
        (v2(V4 + tlv(0x02, b"example.org") + tlv(0xEA, b"") + ssl(1) + tlv(0x04, b"\0" * 9)), "203.0.113.9:4711", True),
        (v2(V4 + tlv(0x02, ssl(1))), "203.0.113.9:4711", False),
    ],
)
def test_a_header_of_version_2_tells_the_client_and_whether_it_came_by_tls(
    header: bytes, peer: str | None, secure: bool
) -> None:
    assert read(header) == (peer, secure, b"")
    assert read(header + header) == (peer, secure, header)


@pytest.mark.parametrize(
    "header",
    [
        v2(command=0x11),
        v2(command=0x31),
        v2(command=0x22),
        v2(command=0x2F),
        v2(family=0x13),
        v2(family=0x10),
        v2(family=0x01),
        v2(UNIX, family=0x41),
        v2(V4[:-1]),
        v2(V4, family=0x21),
        v2(V6, family=0x31),
        v2(V4 + b"\x20"),
        v2(V4 + b"\x20\x00"),
        v2(V4 + tlv(0x04, b"12")[:-1]),
        v2(V4 + tlv(0x20, b"\x01\0\0\0")),
        v2(V4 + tlv(0x20, b"")),
    ],
)
def test_a_header_that_is_not_exactly_of_version_2_is_refused(header: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(header + b"\0" * 300)


def test_a_header_of_version_2_may_be_long_but_not_for_ever() -> None:
    assert read(v2(V4 + tlv(0x04, b"\0" * (2048 - len(V4) - 3)))) == ("203.0.113.9:4711", False, b"")
    with pytest.raises(ProxyHeaderError, match="at most 2048 bytes"):
        read(SIGNATURE + b"\x21\x11" + struct.pack("!H", 2049))


ports = st.integers(0, 65535)
tlvs = st.lists(st.tuples(st.integers(0, 255).filter(lambda kind: kind != 0x20), st.binary(max_size=40)), max_size=3)


@given(st.ip_addresses(), ports, ports, tlvs, st.sampled_from([None, 0, 1]), st.binary(max_size=40))
def test_whatever_a_proxy_tells_is_read(
    address: IPv4Address | IPv6Address,
    source: int,
    destination: int,
    more: list[tuple[int, bytes]],
    tls: int | None,
    rest: bytes,
) -> None:
    peer = f"{address}:{source}" if address.version == 4 else f"[{address}]:{source}"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        peer = f"{address.ipv4_mapped}:{source}"
    line = f"PROXY TCP{address.version} {address} {address} {source} {destination}\r\n".encode()
    assert read(line + rest) == (peer, False, rest)
    block = address.packed * 2 + struct.pack("!HH", source, destination) + b"".join(tlv(*each) for each in more)
    block += b"" if tls is None else ssl(tls)
    assert read(v2(block, family=0x11 if address.version == 4 else 0x21) + rest) == (peer, tls == 1, rest)


starts = st.sampled_from([
    b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", b"PROXY UNKNOWN\r\n", v2(), v2(V4 + ssl(1)), v2(command=0x20),
    v2(UNIX, family=0x31), v2(command=0x11), v2(V4[:-1]), b"PROXY ", SIGNATURE, b"",
])  # fmt: skip


@given(starts, st.binary(max_size=300), st.lists(st.integers(0, 600), max_size=6))
def test_arbitrary_pieces_are_read_as_the_whole(start: bytes, rest: bytes, cuts: list[int]) -> None:
    data = start + rest
    at = sorted(cut % (len(data) + 1) for cut in cuts)
    pieces = [data[begin:end] for begin, end in zip([0, *at], [*at, len(data)], strict=True)]
    assert outcome(pieces) == outcome([data])


@given(starts, st.binary())
def test_no_bytes_break_the_reading_of_them(start: bytes, rest: bytes) -> None:
    said = outcome([start + rest])
    assert said is None or isinstance(said, str | ProxyHeader)
