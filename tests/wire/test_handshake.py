"""The opening handshake: what is accepted, and what each refusal says."""

import base64
import json
from collections.abc import Mapping

import pytest
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from pushery.core.exchange import Refusal, Request
from pushery.wire.deflate import negotiate
from pushery.wire.handshake import check_handshake, handshake_answer
from pushery.wire.websocket import PING, FrameReader, Message, encode_frame

SAMPLE = {
    b"host": b"server.example.com",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
    b"sec-websocket-version": b"13",
}
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def request(changed: Mapping[bytes, bytes | None], *, method: str = "GET", version: str = "1.1") -> Request:
    """The sample request of RFC 6455 1.3 with other headers; None takes one away."""
    headers = {name: value for name, value in {**SAMPLE, **changed}.items() if value is not None}
    return Request(method, "/ws/key/tag", "", headers, b"", version=version)


def refusal(request: Request) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check_handshake(request)
    return caught.value


def test_the_sample_of_rfc_6455_1_3_is_accepted() -> None:
    assert check_handshake(request({})) == ACCEPT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"connection", b"keep-alive, Upgrade"),
        (b"connection", b"Upgrade,keep-alive"),
        (b"connection", b"keep-alive ,\tUPGRADE , x"),
        (b"connection", b"upgrade"),
        (b"upgrade", b"WebSocket"),
        (b"upgrade", b"h2c, websocket"),
        (b"sec-websocket-key", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[:20] + b"AA=="),
        (b"sec-websocket-protocol", b"chat"),
    ],
)
def test_lists_of_tokens_are_read_in_any_case_and_spacing(name: bytes, value: bytes) -> None:
    assert len(base64.b64decode(check_handshake(request({name: value})))) == 20


NOT_GET = "A WebSocket handshake is a GET request."
OLD_HTTP = "A WebSocket handshake needs HTTP/1.1."
NO_UPGRADE = "This address is a WebSocket: send 'Upgrade: websocket'."
NO_CONNECTION = "The handshake lacks 'Connection: Upgrade'."
VERSION = "Only WebSocket version 13 is spoken here: send 'Sec-WebSocket-Version: 13'."
BAD_KEY = "Sec-WebSocket-Key must be 16 bytes in base64."

REFUSED = {
    "POST": (request({}, method="POST"), NOT_GET),
    "HEAD": (request({}, method="HEAD"), NOT_GET),
    "HTTP/1.0": (request({}, version="1.0"), OLD_HTTP),
    "no Upgrade": (request({b"upgrade": None}), NO_UPGRADE),
    "an empty Upgrade": (request({b"upgrade": b""}), NO_UPGRADE),
    "another Upgrade": (request({b"upgrade": b"h2c"}), NO_UPGRADE),
    "a longer Upgrade": (request({b"upgrade": b"websockets"}), NO_UPGRADE),
    "no Connection": (request({b"connection": None}), NO_CONNECTION),
    "another Connection": (request({b"connection": b"keep-alive, upgraded"}), NO_CONNECTION),
    "Connection without commas": (request({b"connection": b"keep-alive Upgrade"}), NO_CONNECTION),
    "no version": (request({b"sec-websocket-version": None}), VERSION),
    "an old version": (request({b"sec-websocket-version": b"8"}), VERSION),
    "a list of versions": (request({b"sec-websocket-version": b"13, 8"}), VERSION),
    "a version spelt otherwise": (request({b"sec-websocket-version": b"013"}), VERSION),
    "no key": (request({b"sec-websocket-key": None}), BAD_KEY),
    "an empty key": (request({b"sec-websocket-key": b""}), BAD_KEY),
    "a key of 15 bytes": (request({b"sec-websocket-key": base64.b64encode(bytes(15))}), BAD_KEY),
    "a key of 17 bytes": (request({b"sec-websocket-key": base64.b64encode(bytes(17))}), BAD_KEY),
    "a key without padding": (request({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ"}), BAD_KEY),
    "a key with too much padding": (request({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ===="}), BAD_KEY),
    "a key with padding inside": (request({b"sec-websocket-key": b"dGhl==IHNhbXBsZSBub25jZQ"}), BAD_KEY),
    "a key in the alphabet of URLs": (request({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25j-_=="}), BAD_KEY),
    "a key with a space": (request({b"sec-websocket-key": b"dGhlIHNhbXBs ZSBub25jZQ=="}), BAD_KEY),
    "a key beyond ASCII": (request({b"sec-websocket-key": b"\xff" * 24}), BAD_KEY),
    "two keys": (request({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="}), BAD_KEY),
}


@pytest.mark.parametrize(("bad", "message"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
def test_a_bad_handshake_is_refused_with_the_reason_and_the_version_we_speak(bad: Request, message: str) -> None:
    reply = refusal(bad).reply()
    assert reply.status == 400
    assert reply.headers == (("Sec-WebSocket-Version", "13"),)  # RFC 6455 4.4
    assert json.loads(reply.body) == {"error": {"code": "bad_handshake", "message": message}}


def test_the_answer_is_a_101_that_names_the_extension_only_when_one_was_agreed_on() -> None:
    plain = (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    )
    assert handshake_answer(ACCEPT) == plain + b"\r\n"
    assert handshake_answer(ACCEPT, b"x; y") == plain + b"Sec-WebSocket-Extensions: x; y\r\n\r\n"


@pytest.mark.parametrize("offers_deflate", [False, True])
def test_the_websockets_client_and_we_shake_hands_and_talk(offers_deflate: bool) -> None:
    client = ClientProtocol(
        parse_uri("ws://localhost/ws/key/tag"),
        extensions=[ClientPerMessageDeflateFactory()] if offers_deflate else None,
    )
    sent = client.connect()
    client.send_request(sent)
    client.data_to_send()
    headers = {name.lower().encode(): value.encode() for name, value in sent.headers.raw_items()}
    asked = Request("GET", sent.path, "", headers, b"")
    extension = negotiate(asked.header(b"sec-websocket-extensions"))
    # The first frame may come in the same segment as the answer.
    client.receive_data(handshake_answer(check_handshake(asked), extension) + encode_frame(PING, b"hi"))
    assert client.handshake_exc is None
    assert client.state is State.OPEN
    assert [type(one) for one in client.extensions] == [PerMessageDeflate] * offers_deflate
    assert [one.data for one in client.events_received() if isinstance(one, Frame)] == [b"hi"]
    client.send_text(b"Hello")
    reader = FrameReader(100, deflate=bool(extension))
    assert reader.feed(b"".join(client.data_to_send())) == [Message(0xA, b"hi"), Message(0x1, "Hello")]
