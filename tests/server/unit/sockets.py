"""What a client on a WebSocket in memory is told, and sessions that talk with it.

Bytes are read strictly: what a helper does not expect fails the test.
"""

from collections.abc import Mapping, Sequence

from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, OpenSocket, Outcome, Route, Send, SocketEffect
from pushery.core.exchange import Request
from pushery.core.publications import Publication
from pushery.server.admission import Limits
from pushery.server.router import Router
from pushery.server.websocket import WebSocketPeer
from pushery.wire.websocket import encode_frame, payload_of, split_frames
from tests.server.unit.memory import CLOSE, KEY, PING, TEXT, TIMEOUTS, Scene

PING_FRAME = encode_frame(PING, b"")
IDLE, ANSWER, END = TIMEOUTS.ping_idle, TIMEOUTS.ping_timeout, TIMEOUTS.close


def texts(data: bytes) -> list[str]:
    """The text messages in what a client received; there must be nothing else."""
    frames = split_frames(data)
    assert {frame[0] for frame in frames} <= {0x80 | TEXT}
    return [bytes(payload_of(frame)).decode() for frame in frames]


def close_of(data: bytes) -> tuple[int, str]:
    """The one close frame that a client received."""
    [frame] = split_frames(data)
    assert frame[0] == 0x80 | CLOSE
    payload = bytes(payload_of(frame))
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def says(close: Close) -> tuple[int, str]:
    """A close as a client sees it."""
    return close.code, close.reason


def push(scene: Scene, text: str, pattern: str | None = None) -> int:
    """Push; returns the total."""
    total = scene.node.publish(Publication(KEY, text.encode(), pattern))
    assert isinstance(total, int)
    return total


def goodbye(peer: object) -> None:
    """The server stops."""
    assert isinstance(peer, WebSocketPeer)
    peer.drain()


class TalkingSession:
    """Answers each message with its name and the message, and has last words."""

    message_limit = 512

    def opened(self) -> Sequence[SocketEffect]:
        """It says hello."""
        return (Send(b"hello"),)

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """Says it again; after "bye" it closes and goes on talking."""
        assert isinstance(message, str)
        if message == "bye":
            return (CloseSocket(Close(4000, "as you wish", "")), Send(b"too late"))
        return (Send(b"you: " + message.encode()), Send(b"me too"))

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """Another code, and last words."""
        return Close(close.code + 1, close.reason, ""), b"last words"


def talking(rate: int = 0) -> Scene:
    """A server whose sessions speak, to clients that may send `rate` messages a second."""

    def connect(request: Request, params: Mapping[str, str]) -> Outcome:
        return OpenSocket(TalkingSession())

    route = Route("GET", "/ws/{app_key}/{user_tag}", connect, "Connect.")
    return Scene(router=lambda node: Router([route]), admit=Limits(client_messages_per_second=rate))
