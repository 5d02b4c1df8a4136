"""WebSocket as it comes over the wire: handshakes good and bad, frames good and bad, pings, closes, compression."""

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.support.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawConnection,
    client_frame,
    close_payload,
    handshake,
    request,
)
from tests.support.server import ServerProcess, TestApp, wait_until

pytestmark = pytest.mark.process

DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests here; each registers its own app."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def pinging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that pings early and does not wait long."""
    with ServerProcess(tmp_path_factory.mktemp("pinging"), ping_idle=0.5, ping_timeout=0.5, close_timeout=1) as running:
        yield running


@pytest.fixture
def raw(server: ServerProcess) -> Iterator[RawConnection]:
    """A connection to `server`."""
    with RawConnection(server.port) as connection:
        yield connection


@pytest.fixture
def joined(raw: RawConnection, app: TestApp) -> RawConnection:
    """One that has become the socket with the tag A."""
    raw.open_socket(app.key, "A")
    return raw


def assert_closed_with(raw: RawConnection, code: int) -> None:
    """A close frame with this code is the last that comes."""
    assert raw.frame().code == code
    assert raw.rest() == b""


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Upgrade": None, "Connection": None}, "Upgrade: websocket"),
        ({"Upgrade": "h2c"}, "Upgrade: websocket"),
        ({"Connection": "keep-alive"}, "Connection: Upgrade"),
        ({"Sec-WebSocket-Version": "8"}, "version 13"),
        ({"Sec-WebSocket-Version": None}, "version 13"),
        ({"Sec-WebSocket-Key": None}, "Sec-WebSocket-Key"),
        ({"Sec-WebSocket-Key": "dG9vIHNob3J0"}, "Sec-WebSocket-Key"),
        ({"Sec-WebSocket-Key": "!" * 24}, "Sec-WebSocket-Key"),
    ],
)
def test_a_bad_handshake_is_told_what_is_wrong(
    server: ServerProcess, raw: RawConnection, app: TestApp, headers: dict[str, str | None], says: str
) -> None:
    raw.send(handshake(app.key, "A", headers))
    answer = raw.answer()
    assert (answer.status, answer.headers["Sec-WebSocket-Version"]) == (400, "13")
    assert answer.json["error"]["code"] == "bad_handshake"
    assert says in answer.json["error"]["message"]
    assert server.online(app) == []


@pytest.mark.parametrize(("method", "status"), [("POST", 405), ("HEAD", 400)])
def test_a_handshake_with_another_method_is_refused(raw: RawConnection, app: TestApp, method: str, status: int) -> None:
    raw.send(handshake(app.key, "A").replace(b"GET", method.encode(), 1))
    assert raw.answer(method).status == status


def test_a_handshake_with_a_body_is_refused_and_what_follows_it_is_http(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    raw.send(handshake(app.key, "A", {"Content-Length": "2"}) + b"{}" + request("GET", "/healthz"))
    answer = raw.answer()
    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_handshake")
    assert answer.headers["Sec-WebSocket-Version"] == "13"
    assert raw.answer().json == {"status": "ok"}
    assert server.online(app) == []


def test_an_unknown_app_is_a_404_before_the_upgrade(raw: RawConnection) -> None:
    raw.send(handshake("0" * 32, "A"))
    answer = raw.answer()
    assert (answer.status, answer.json["error"]["code"]) == (404, "unknown_app")


@pytest.mark.parametrize(
    "tag",
    ["", "x" * 201, "%C3%A9" * 201, "%FF", "%ED%A0%80"],
    ids=["empty", "201 letters", "201 letters of two bytes", "no UTF-8", "surrogate"],
)
def test_a_tag_that_is_none_is_refused(raw: RawConnection, app: TestApp, tag: str) -> None:
    raw.send(handshake(app.key, tag))
    answer = raw.answer()
    assert (answer.status, answer.json["error"]["code"]) == (400, "malformed_parameter")
    assert answer.json["error"]["parameter"] == "user_tag"


@pytest.mark.parametrize(
    "tag", ["A:1", "a/b", "a\nb", "é" * 200, "50%", "a b+c", "..", "?&#", "\x00", "語"], ids=lambda tag: ascii(tag)[:20]
)
def test_a_tag_is_the_decoded_segment_of_the_path(server: ServerProcess, app: TestApp, tag: str) -> None:
    with RawConnection(server.port) as raw:
        raw.open_socket(app.key, tag)
        assert server.online(app) == [tag]
        assert server.push(app, "by pattern", ".") == (0 if tag == "\n" else 1)
        assert raw.text() == "by pattern"


def test_sockets_with_the_same_tag_all_receive_and_count_as_one_tag(server: ServerProcess, app: TestApp) -> None:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(server.client(app, "same")) for _ in range(3)]
        assert server.push(app, "hello", "^same$") == 3
        assert [socket.recv(20) for socket in sockets] == ["hello"] * 3
        assert server.online(app) == ["same"]
        sockets[0].close()
        assert server.push(app, "to those left") == 2
        assert server.online(app) == ["same"]


def test_there_is_no_greeting_and_what_clients_say_is_dropped(
    server: ServerProcess, joined: RawConnection, app: TestApp
) -> None:
    joined.send(client_frame(TEXT, b"hello?") + client_frame(BINARY, bytes(512)))
    joined.send(client_frame(TEXT, b"in", fin=False) + client_frame(CONTINUATION, b" two"))
    assert server.push(app, "the first that is said") == 1
    assert joined.text() == "the first that is said"


def test_what_comes_right_behind_the_handshake_is_heard(raw: RawConnection, app: TestApp) -> None:
    raw.send(handshake(app.key, "A") + client_frame(PING, b"early") + client_frame(TEXT, b"dropped")[:3])
    assert raw.answer().status == 101
    assert raw.frame() == (PONG, b"early", False)


def test_a_handshake_behind_pipelined_requests_keeps_its_place(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    fields = urlencode({"app_name": "n", "auth_account": "a", "auth_password": "p"}).encode()
    register = request("POST", "/api/register", fields, ("admin", "correct horse"))
    raw.send(request("GET", "/healthz") + register + handshake(app.key, "A") + client_frame(PING, b"?"))
    assert [raw.answer().status for _ in range(3)] == [200, 200, 101]
    assert raw.frame() == (PONG, b"?", False)
    assert server.push(app, "hello") == 1
    assert raw.text() == "hello"


def test_a_frame_may_come_byte_by_byte(joined: RawConnection) -> None:
    for byte in client_frame(PING, b"slowly" * 20):
        joined.send(bytes([byte]))
    assert joined.frame() == (PONG, b"slowly" * 20, False)


@pytest.mark.parametrize(
    "sent",
    [
        client_frame(TEXT, b"x" * 513),
        client_frame(TEXT, b"x" * 100_000)[:14],
        client_frame(BINARY, b"x" * 300, fin=False) + client_frame(CONTINUATION, b"x" * 213),
    ],
    ids=["whole", "announced", "fragmented"],
)
def test_a_message_over_the_limit_closes_with_1009(
    server: ServerProcess, joined: RawConnection, app: TestApp, sent: bytes
) -> None:
    joined.send(sent)
    assert_closed_with(joined, 1009)
    assert server.online(app) == []


@pytest.mark.parametrize(
    "sent",
    [
        client_frame(TEXT, b"x", masked=False),
        client_frame(0x3, b"x"),
        client_frame(0xB, b"x"),
        client_frame(TEXT, b"x", rsv=4),
        client_frame(CONTINUATION, b"x"),
        client_frame(PING, b"x", fin=False),
        client_frame(CLOSE, b"\x03"),
        client_frame(CLOSE, close_payload(1005)),
        client_frame(TEXT, b"x", fin=False) + client_frame(TEXT, b"y"),
    ],
    ids=["unmasked", "opcode 3", "opcode 11", "rsv", "continuation", "ping", "close 1", "close 1005", "interrupted"],
)
def test_a_broken_protocol_closes_with_1002(
    server: ServerProcess, joined: RawConnection, app: TestApp, sent: bytes
) -> None:
    joined.send(sent)
    assert_closed_with(joined, 1002)
    assert server.online(app) == []


@pytest.mark.parametrize(
    "sent", [client_frame(TEXT, b"\xff"), client_frame(CLOSE, b"\x03\xe8\xff")], ids=["text", "reason"]
)
def test_text_that_is_no_utf_8_closes_with_1007(joined: RawConnection, sent: bytes) -> None:
    joined.send(sent)
    assert_closed_with(joined, 1007)


def test_what_follows_a_failure_is_neither_read_nor_logged_again(server: ServerProcess, app: TestApp) -> None:
    before = len(server.logged("socket_failed"))
    with RawConnection(server.port) as raw:
        raw.open_socket(app.key, "A")
        for _ in range(50):
            raw.send(client_frame(TEXT, b"\xff"))
        assert_closed_with(raw, 1007)
    assert server.request("GET", "/healthz").status == 200
    assert len(server.logged("socket_failed")) == before + 1


def test_a_ping_is_answered_with_its_payload(joined: RawConnection) -> None:
    for payload in (b"", b"\x00" * 125):
        joined.send(client_frame(PING, payload))
        assert joined.frame() == (PONG, payload, False)
    joined.send(client_frame(PONG, b"asked by nobody") + client_frame(PING, b"still there?"))
    assert joined.frame() == (PONG, b"still there?", False)


@pytest.mark.parametrize(
    "payload", [b"", close_payload(1000), close_payload(1001, "going away"), close_payload(4321)], ids=repr
)
def test_a_clients_close_is_echoed_and_its_place_is_free(
    server: ServerProcess, joined: RawConnection, app: TestApp, payload: bytes
) -> None:
    joined.send(client_frame(CLOSE, payload) + client_frame(PING, b"too late"))
    assert joined.frame() == (CLOSE, payload[:2], False)
    assert server.online(app) == []
    assert joined.rest() == b""


def test_the_servers_close_waits_for_the_clients(server: ServerProcess, app: TestApp) -> None:
    with RawConnection(server.port) as raw:
        raw.open_socket(app.key, "A")
        assert server.request("DELETE", f"/api/{app.key}/unregister", auth=app.auth).status == 200
        assert raw.frame() == (CLOSE, close_payload(4001, "app unregistered"), False)
        raw.send(client_frame(PING, b"?") + client_frame(TEXT, b"not knowing yet"))
        raw.send(client_frame(CLOSE, close_payload(4001)))
        assert raw.rest() == b""


def test_a_client_that_just_goes_frees_its_place(server: ServerProcess, app: TestApp) -> None:
    with RawConnection(server.port) as raw:
        raw.open_socket(app.key, "A")
        assert server.online(app) == ["A"]
    wait_until(lambda: server.online(app) == [], "the place to be free")
    assert server.push(app, "to nobody") == 0


def test_an_idle_socket_is_pinged_and_stays_as_long_as_it_answers(pinging: ServerProcess) -> None:
    app = pinging.register()
    with RawConnection(pinging.port) as raw:
        raw.open_socket(app.key, "A")
        for _ in range(3):
            assert raw.frame() == (PING, b"", False)
            raw.send(client_frame(PONG))
        assert pinging.push(app, "still here") == 1
        while (frame := raw.frame()).opcode == PING:
            raw.send(client_frame(PONG))
        assert frame.payload == b"still here"


def test_a_socket_that_does_not_answer_a_ping_is_closed_and_its_place_is_free_at_once(pinging: ServerProcess) -> None:
    app = pinging.register()
    with RawConnection(pinging.port) as raw:
        raw.open_socket(app.key, "A")
        assert raw.frame() == (PING, b"", False)
        assert pinging.online(app) == ["A"]
        assert raw.frame() == (CLOSE, close_payload(1001, "no answer to a ping"), False)
        assert pinging.online(app) == []
        assert raw.rest() == b""


def test_a_socket_that_talks_is_not_pinged(pinging: ServerProcess) -> None:
    """Neither is it closed for not sending pongs."""
    app = pinging.register()
    with RawConnection(pinging.port) as quiet, RawConnection(pinging.port) as talking:
        quiet.open_socket(app.key, "quiet")
        talking.open_socket(app.key, "talking")
        quiet.socket.settimeout(0.05)
        received = b""
        while not received.endswith(b"ping"):  # the quiet one is pinged and closed meanwhile
            talking.send(client_frame(PING))
            with contextlib.suppress(TimeoutError):
                received += quiet.socket.recv(100)
        assert pinging.online(app) == ["talking"]


def test_compression_is_agreed_on_when_offered_and_not_forced_on_anybody(server: ServerProcess, app: TestApp) -> None:
    with RawConnection(server.port) as offering, RawConnection(server.port) as plain:
        agreed = offering.open_socket(app.key, "offering", dict(DEFLATE)).headers["Sec-WebSocket-Extensions"]
        assert agreed == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert plain.open_socket(app.key, "plain").headers["Sec-WebSocket-Extensions"] is None
        long, short = "again and again " * 1000, "short"
        assert server.push(app, long) == 2
        assert server.push(app, short) == 2
        assert [offering.frame(), offering.frame()] == [(TEXT, long.encode(), True), (TEXT, short.encode(), False)]
        assert [plain.frame(), plain.frame()] == [(TEXT, long.encode(), False), (TEXT, short.encode(), False)]


def test_receivers_with_and_without_compression_all_get_a_burst_intact(
    server: ServerProcess, raw: RawConnection, app: TestApp
) -> None:
    contents = [f"{number}:" + os.urandom(number * 40).hex() + "é" * number for number in range(100)]
    pushes = [
        request("POST", f"/api/push/{app.key}", urlencode({"content": content}).encode(), app.auth)
        for content in contents
    ]
    compressions = ("deflate", None, "deflate", None)
    with contextlib.ExitStack() as stack:
        sockets: list[ClientConnection] = [
            stack.enter_context(server.client(app, f"{number}", compression=compression))
            for number, compression in enumerate(compressions)
        ]
        with raw.sending(b"".join(pushes)):
            totals = [raw.answer().json["total"] for _ in contents]
        assert totals == ["4"] * len(contents)
        for socket in sockets:
            assert [socket.recv(20) for _ in contents] == contents


def test_a_large_push_arrives_intact_through_compression(server: ServerProcess, app: TestApp) -> None:
    content = "".join(f"{number:x} é {'-' * (number % 50)}" for number in range(12_000))
    with server.client(app, "A") as one, server.client(app, "A") as other:
        assert server.push(app, content, "^A$") == 2
        assert (one.recv(20), other.recv(20)) == (content, content)


def test_compressed_messages_from_clients_are_read(server: ServerProcess, app: TestApp) -> None:
    with server.client(app, "A") as socket:
        for size in range(0, 512, 37):
            socket.send("z" * size)
        assert server.push(app, "still here") == 1
        assert socket.recv(20) == "still here"
        socket.send("z" * 100_000)  # tiny when compressed
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
