"""What stands before HTTP where proxies speak the PROXY protocol, on a transport in memory."""

import json
import struct
from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pushery.core.effects import Outcome, Route
from pushery.core.exchange import Reply, Request
from pushery.server.proxied import ProxiedConnection
from pushery.server.router import Router
from tests.node.fakes import in_loop, turns
from tests.server.unit.memory import TIMEOUTS, MemoryTransport, Scene, request

PROXY = ("10.0.0.1", 40000)
WHO = request("GET", "/who")
SPOOFING = request("GET", "/who", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")

V1 = b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n"
V2_START = b"\r\n\r\n\0\r\nQUIT\n"
V2_TLS = (
    V2_START
    + struct.pack("!BBH", 0x21, 0x11, 20)
    + bytes((203, 0, 113, 9, 10, 0, 0, 1))
    + struct.pack("!HHBHBI", 4711, 443, 0x20, 5, 1, 0)
)
LOCAL = V2_START + b"\x20\x00\x00\x00"


class Stage(Scene):
    """A server behind proxies of 10.0.0.0/8, with one route that answers who asks, and whether by TLS."""

    def __init__(self) -> None:
        def who(asking: Request, params: Mapping[str, str]) -> Outcome:
            return Reply(200, json.dumps([asking.peer, asking.secure]).encode())

        super().__init__(
            trusted_proxies=(ip_network("10.0.0.0/8"),), router=lambda node: Router([Route("GET", "/who", who, "Who?")])
        )

    def enter(self, peername: object = PROXY) -> MemoryTransport:
        """Somebody connects."""
        return MemoryTransport(ProxiedConnection(self.door), peername=peername)


def said(client: MemoryTransport) -> list[object]:
    """Whom the server has taken the client for, request by request."""
    return [json.loads(part.partition(b"\r\n\r\n")[2]) for part in client.received.split(b"HTTP/1.1 200 ")[1:]]


@pytest.mark.parametrize(
    ("header", "who"),
    [
        (V1, ["203.0.113.9:4711", False]),
        (V2_TLS, ["203.0.113.9:4711", True]),
        (b"PROXY UNKNOWN\r\n", ["unknown:0", False]),
    ],
)
@in_loop
async def test_the_header_says_who_is_asking_and_then_nothing_else_does(header: bytes, who: list[object]) -> None:
    stage = Stage()
    client = stage.enter()
    await client.say(header + WHO)
    await client.say(SPOOFING + SPOOFING)
    assert said(client) == [who, who, who]
    stage.close()


@in_loop
async def test_a_proxy_that_is_itself_the_client_speaks_for_itself() -> None:
    stage = Stage()
    client = stage.enter()
    await client.say(LOCAL + WHO + SPOOFING)
    assert said(client) == [["10.0.0.1:40000", False], ["192.0.2.1:0", True]]
    stage.close()


@in_loop
async def test_a_client_that_is_itself_a_trusted_proxy_is_believed_in_turn() -> None:
    stage = Stage()
    client = stage.enter()
    await client.say(V1.replace(b"203.0.113.9", b"10.0.0.2") + SPOOFING)
    assert said(client) == [["192.0.2.1:0", True]]
    stage.close()


@in_loop
async def test_whoever_is_no_trusted_proxy_speaks_http_at_once_and_a_header_of_his_is_refused() -> None:
    stage = Stage()
    client, liar = stage.enter(("203.0.113.8", 1)), stage.enter(("203.0.113.8", 2))
    await client.say(WHO)
    await liar.say(V1 + WHO)
    assert said(client) == [["203.0.113.8:1", False]]
    assert liar.received.startswith(b"HTTP/1.1 400 ")
    assert b"203.0.113.9" not in liar.received
    assert stage.errors["bad_proxy_header"] == 0
    stage.close()


@pytest.mark.parametrize("data", [WHO, b"PROXY TCP4 nobody\r\n" + WHO, V2_START + b"\x31\x11\x00\x0c", b"\x16\x03\x01"])
@in_loop
async def test_a_trusted_proxy_without_a_good_header_is_dropped_and_noted(data: bytes) -> None:
    stage = Stage()
    client = stage.enter()
    with capture_logs() as logs:
        await client.say(data)
        await client.say(WHO)
    assert client.is_cut()
    assert client.received == b""
    assert stage.errors == {"bad_proxy_header": 1}
    assert stage.stats.http_requests == 0
    assert [(line["event"], line["log_level"], line["proxy"]) for line in logs] == [
        ("bad_proxy_header", "info", "10.0.0.1:40000")
    ]
    assert len(stage.shared.wheel) == 0
    stage.close()


@in_loop
async def test_a_header_has_its_time_and_the_request_behind_it_its_own() -> None:
    stage = Stage()
    late, slow = stage.enter(), stage.enter()
    slow.send(V1[:5])
    late.send(V1[:5])
    stage.pass_time(TIMEOUTS.header)
    assert not late.is_cut()
    slow.send(V1[5:] + WHO[:5])
    stage.pass_time(TIMEOUTS.header + 2)
    await turns()
    assert late.is_cut()
    assert stage.errors == {"bad_proxy_header": 1}
    await slow.say(WHO[5:])
    assert said(slow) == [["203.0.113.9:4711", False]]
    assert not slow.is_closing()
    stage.close()


@in_loop
async def test_a_health_check_that_only_connects_leaves_nothing_behind() -> None:
    stage = Stage()
    client = stage.enter()
    assert len(stage.shared.wheel) == 1
    client.send_eof()
    await turns()
    assert client.is_lost()
    assert len(stage.shared.wheel) == 0
    assert stage.errors == {}
    stage.close()


@in_loop
async def test_a_stop_does_not_wait_for_a_header() -> None:
    stage = Stage()
    first, second = stage.enter(), stage.enter()
    drained, aborted = list(stage.shared.wheel)
    drained.drain()
    aborted.abort()
    await turns()
    assert first.is_lost()
    assert second.is_lost()
    assert len(stage.shared.wheel) == 0
    stage.close()


@given(st.sampled_from([V1, V2_TLS, LOCAL]), st.lists(st.integers(0, 300), max_size=8))
@in_loop
async def test_header_and_requests_may_come_in_any_pieces(header: bytes, cuts: list[int]) -> None:
    stage = Stage()
    whole, client = stage.enter(), stage.enter()
    data = header + WHO + WHO
    at = sorted(cut % (len(data) + 1) for cut in cuts)
    for begin, end in zip([0, *at], [*at, len(data)], strict=True):
        if begin < end:
            await client.say(data[begin:end])
    await whole.say(data)
    assert said(client) == said(whole)
    assert len(said(client)) == 2
    stage.close()
