"""A client's HTTP connection on a transport in memory: order, refusals, headers that concern the connection."""

import gc
import json
from collections.abc import Sequence
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pushery.server.exchanges import HttpExchanges
from pushery.server.http import HttpConnection
from pushery.server.replying import peer_address
from pushery.wire.websocket import payload_of, split_frames
from tests.node.fakes import in_loop, turns, until
from tests.server.unit.memory import KEY, SUPER_AUTH, Scene, handshake, push_request, request
from tests.server.unit.replies import APPS, NOTHING, UNREGISTER, answered, code_of, fixed, replies, statuses

# Order.


@in_loop
async def test_pipelined_requests_are_answered_in_order_and_in_one_piece() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(APPS + NOTHING + push_request("x") + APPS)
    assert statuses(client.received) == [200, 404, 200, 200]
    assert scene.stats.http_requests == 4
    assert not client.is_closing()
    scene.close()


@in_loop
async def test_a_request_that_takes_time_holds_those_behind_it_and_no_other_connection() -> None:
    scene = Scene()
    client, other = scene.connect(), scene.connect()
    await client.say(APPS + UNREGISTER + push_request("x") + APPS, 1)
    await client.say(NOTHING, 1)
    await other.say(NOTHING, 1)
    assert statuses(client.received) == [200]
    assert statuses(other.received) == [404]
    await answered(scene)
    assert statuses(client.received) == [200, 200, 404, 200, 404]
    assert replies(client.received)[1][1] == b'{"message":"Scuess"}'
    scene.close()


@in_loop
async def test_more_requests_than_one_turn_answers_are_all_answered_in_order() -> None:
    scene = Scene()
    client, other = scene.connect(), scene.connect()
    await client.say(b"".join(request("GET", f"/{number}") if number % 2 else APPS for number in range(301)))
    await other.say(NOTHING)
    assert 0 < len(statuses(client.received)) < 301
    assert statuses(other.received) == [404]
    await turns(20)
    assert statuses(client.received) == [200, *[404, 200] * 150]
    await client.say(NOTHING)
    assert statuses(client.received)[-1] == 404
    scene.close()


@in_loop
async def test_the_more_connections_queue_the_sooner_a_newcomer_is_answered() -> None:
    """Each queueing connection has a share of one turn, and not a turn of its own: 100 of them take a few ms."""
    scene = Scene()
    crowd = [scene.connect() for _ in range(100)]
    for client in crowd:
        await client.say(APPS * 200, 0)
    newcomer, turns_taken = scene.connect(), 0
    await newcomer.say(NOTHING, 0)
    before = sum(len(statuses(client.received)) for client in crowd)
    while not newcomer.received:
        await turns(1)
        turns_taken += 1
    answered_meanwhile = sum(len(statuses(client.received)) for client in crowd) - before
    assert answered_meanwhile < 40 * len(crowd) * turns_taken
    await until(lambda: all(len(statuses(client.received)) == 200 for client in crowd))
    assert scene.shared.queueing == 0
    scene.close()


@in_loop
async def test_pushes_of_one_connection_reach_a_client_in_their_order() -> None:
    scene = Scene(fanout_slice=3)
    clients = [scene.client(f"A:{number}") for number in range(8)]
    backend = scene.connect()
    await backend.say(b"".join(push_request(str(number), "" if number % 3 else "A:1") for number in range(100)))
    await until(lambda: len(statuses(backend.received)) == 100)
    await turns(5)
    frames = [bytes(payload_of(frame)) for frame in split_frames(clients[1].received)]
    assert frames == [b"%d" % number for number in range(100)]
    totals = [json.loads(body)["total"] for _, body in replies(backend.received)]
    assert totals == ["8" if number % 3 else "1" for number in range(100)]
    scene.close()


REQUESTS = st.sampled_from(
    [
        APPS,
        NOTHING,
        UNREGISTER,
        push_request("hello"),
        push_request("hello", "("),
        request("HEAD", "/api/app-list/10/1", SUPER_AUTH),
        request("OPTIONS", "*"),
        request("PUT", "/api/register", body=b"x" * 50),
        request("POST", f"/api/push/{KEY}", body=b"content=x"),
        request("GET", f"/ws/{KEY}/tag"),
        request("GET", "/nothing", "Connection: close"),
        b"GET /nothing HTTP/1.0\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        request("POST", f"/api/push/{KEY}", SUPER_AUTH, "Transfer-Encoding: chunked") + b"9\r\ncontent=x\r\n0\r\n\r\n",
        handshake(),
    ]
)


def outcome(stream: bytes, cuts: Sequence[int], pauses: Sequence[int]) -> object:
    """What a client sees when it sends `stream` in pieces, and what is counted."""
    seen: list[object] = []

    @in_loop
    async def story() -> None:
        scene = Scene()
        client = scene.connect()
        bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        for number, (start, end) in enumerate(pairwise(bounds)):
            await client.say(stream[start:end])
            if pauses and pauses[number % len(pauses)]:
                await turns(2)
        client.send_eof()
        while scene.shared.exchanges or not client.is_lost():
            await answered(scene)
            if client.has_ended():  # all that is left is the client's end, or a deadline
                client.vanish()
        seen.extend((client.received, client.has_ended(), client.is_cut(), scene.errors))
        seen.append(scene.stats.http_requests)
        scene.close()

    story()
    return seen


@settings(max_examples=120)
@given(st.lists(REQUESTS, max_size=5), st.lists(st.integers(0)), st.lists(st.integers(0, 1), max_size=3))
def test_the_output_does_not_depend_on_how_the_input_is_split(
    requests: Sequence[bytes], cuts: Sequence[int], pauses: Sequence[int]
) -> None:
    stream = b"".join(requests)
    assert outcome(stream, cuts, pauses) == outcome(stream, [], [])


# Failures.


@in_loop
async def test_a_defect_is_logged_once_and_answered_without_detail() -> None:
    scene = fixed(RuntimeError("the secret"))
    client = scene.connect()
    with capture_logs() as logs:
        await client.say(request("GET", "/x") + NOTHING.replace(b"/nothing", b"/a/b"))
    (status, body), (other, _) = replies(client.received)
    assert (status, code_of(body), other) == (500, "internal_error", 404)
    assert b"secret" not in client.received
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("request_failed", "error")]
    assert not client.is_closing()
    scene.close()


@in_loop
@pytest.mark.parametrize("what", ["_read_on", "_serve_on", "_finish", "_send"])
async def test_a_defect_that_no_caller_sees_ends_the_connection_and_no_other(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    client, other = scene.connect(), scene.connect()

    def fail(self: HttpExchanges, *_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(HttpExchanges, what, fail)
        client.send(UNREGISTER if what == "_finish" else NOTHING * 2000)
        await until(client.is_closing)
    assert [entry["event"] for entry in logs][-1:] == ["connection_failed"]
    await other.say(NOTHING)
    assert statuses(other.received) == [404]
    scene.close()


@in_loop
async def test_a_defect_that_cannot_be_logged_keeps_no_other_from_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullLog:
        def error(self, event: str, **_: object) -> None:
            raise MemoryError

    scene = Scene()
    client, other = scene.connect(), scene.connect()
    send = HttpExchanges._send

    def fail(self: HttpExchanges) -> None:
        if self is client.protocol:
            raise MemoryError
        send(self)

    with monkeypatch.context() as patch:
        patch.setattr(HttpExchanges, "_send", fail)
        patch.setattr("pushery.server.shared.log", FullLog())
        client.send(NOTHING)
        other.send(NOTHING)
        await turns(2)
    assert client.is_cut()
    assert statuses(other.received) == [404]
    scene.close()


@in_loop
async def test_a_registry_that_fails_is_answered_with_when_to_come_again() -> None:
    scene = Scene()
    client = scene.connect()
    scene.world.stores[0].broken = True
    with capture_logs() as logs:
        await client.say(UNREGISTER + APPS)
        await answered(scene)
    (status, body), (other, _) = replies(client.received)
    assert (status, code_of(body), other) == (503, "registry_unavailable", 200)
    assert b"Retry-After: " in client.received
    assert [entry["event"] for entry in logs] == ["registry_failed"]
    scene.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (NOTHING, 404),
        (request("PUT", "/api/register"), 405),
        (request("GET", "/api/app-list/1/1"), 401),
        (request("GET", "/api/app-list/x/1", SUPER_AUTH), 400),
        (request("GET", f"/ws/{KEY}/tag"), 400),
        (request("GET", f"/ws/{'0' * 32}/tag"), 404),
        (handshake().replace(b"Version: 13", b"Version: 8"), 400),
        (handshake("%ff"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (request("GET", "/" + "x" * 20_000), 431),
        (request("POST", "/", "Content-Length: 99999999"), 413),
        (request("POST", "/", "Expect: magic", body=b"x"), 417),
        (request("POST", "/", "Transfer-Encoding: gzip, chunked"), 501),
    ],
)
@in_loop
async def test_every_refusal_has_the_same_shape_and_is_counted(data: bytes, status: int) -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(data)
    [(answered_status, body)] = replies(client.received)
    assert answered_status == status
    error = json.loads(body)["error"]
    assert list(error)[:2] == ["code", "message"]
    assert error["message"].endswith(".")
    assert scene.errors == {error["code"]: 1}
    assert b"\r\nContent-Type: application/json\r\n" in client.received
    assert (b"\r\nAllow: " in client.received) == (status == 405)
    assert (b"\r\nWWW-Authenticate: Basic" in client.received) == (status == 401)
    assert (b"\r\nSec-WebSocket-Version: 13\r\n" in client.received) == (error["code"] == "bad_handshake")
    scene.close()


@in_loop
async def test_a_refusal_holds_on_to_no_connection() -> None:
    """An exception that is kept and raised again gathers the frames of everybody it was raised for."""
    scene = Scene()
    with_body = handshake().replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx")
    for data in (with_body, NOTHING, request("GET", f"/ws/{KEY}/tag"), b"nonsense\r\n\r\n"):
        client = scene.connect()
        await client.say(data)
        assert statuses(client.received)[0] in (400, 404)
        client.vanish()
        await turns(2)
        del client
    scene.pass_time(1000)
    gc.collect()
    assert [kept for kept in gc.get_objects() if type(kept) is HttpConnection and kept._shared is scene.shared] == []
    scene.close()


# Headers that concern the connection.


@in_loop
async def test_the_body_is_asked_for_when_the_client_waits_for_that() -> None:
    scene = Scene()
    client = scene.connect()
    push = push_request("x").replace(b"Host: test", b"Host: test\r\nExpect: 100-continue")
    head, _, body = push.partition(b"\r\n\r\n")
    await client.say(head + b"\r\n\r\n")
    assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.say(body)
    assert statuses(client.received) == [100, 200]
    scene.close()


@in_loop
async def test_pages_of_allowed_origins_may_read_all_replies_and_are_told_what_they_may_send() -> None:
    scene = Scene(cors_origins=frozenset({"https://example.org"}))
    client = scene.connect()
    origin = "Origin: https://example.org"
    await client.say(request("GET", "/api/app-list/1/1", origin))
    assert b"\r\nAccess-Control-Allow-Origin: https://example.org\r\nVary: Origin\r\n" in client.received
    client.received = b""
    await client.say(request("OPTIONS", "/api/register", origin, "Access-Control-Request-Method: POST"))
    assert client.received.startswith(b"HTTP/1.1 204 ")
    for line in (b"Allow: OPTIONS, POST", b"Access-Control-Allow-Origin: https://example.org"):
        assert b"\r\n" + line + b"\r\n" in client.received
    scene.close()


@in_loop
async def test_without_the_setting_there_are_no_cors_headers() -> None:
    scene = Scene()
    client = scene.connect()
    await client.say(request("GET", "/api/app-list/1/1", "Origin: https://example.org"))
    assert b"Access-Control" not in client.received
    assert b"Vary" not in client.received
    scene.close()


@in_loop
async def test_the_address_of_who_registers_is_that_of_the_peer_or_what_a_trusted_proxy_says() -> None:
    scene = Scene(trusted_proxies=(ip_network("10.0.0.0/8"),))
    form = "Content-Type: application/x-www-form-urlencoded"
    body = b"app_name=n&auth_account=a&auth_password=p"
    register = request("POST", "/api/register", SUPER_AUTH, form, "X-Forwarded-For: 198.51.100.1", body=body)
    seen = []
    for peername in [("203.0.113.9", 4711), ("10.1.2.3", 4711), ("2001:db8::9", 4711, 0, 0), ("::ffff:10.0.0.9", 1)]:
        client = scene.connect(peername=peername)
        await client.say(register)
        await answered(scene)
        seen.append(json.loads(replies(client.received)[0][1])["request_ip"])
    assert seen == ["203.0.113.9:4711", "198.51.100.1:0", "[2001:db8::9]:4711", "198.51.100.1:0"]
    scene.close()


@in_loop
async def test_a_peer_without_address_is_unknown() -> None:
    scene = Scene()
    assert peer_address(scene.connect(peername=None)) == "unknown:0"
    assert peer_address(scene.connect(peername="/tmp/socket")) == "unknown:0"  # noqa: S108
    scene.close()
