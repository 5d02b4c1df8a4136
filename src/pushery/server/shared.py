"""What all connections of one server share, so that each of them stays small."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

import structlog

from pushery.config.settings import ForwardedHeader
from pushery.core import codes
from pushery.core.backlog import Backlog
from pushery.core.codes import Close
from pushery.core.effects import SessionName
from pushery.core.exchange import Refusal
from pushery.core.ports import ConnectHooks
from pushery.core.stats import Stats
from pushery.core.wheel import Timed, Wheel
from pushery.node import Node
from pushery.server.admission import Admission, Limits
from pushery.server.compression import SharedDeflater
from pushery.wire.http import HttpLimits
from pushery.wire.replies import ReplyEncoder

if TYPE_CHECKING:
    from pushery.server.fallbacks import HttpPeer

log = structlog.get_logger("pushery.server")

TICK_S: Final = 0.5
"""How exact deadlines are, in seconds."""

LINGER_S: Final = 2.0
"""How long whoever has got its last reply may go on sending before it is cut: closing at once would destroy that reply
on its way."""

LARGE_PIECE: Final = 64 * 1024
"""Bytes read at once from which a connection is not read again before the others had their turn."""


class Connection(Timed):
    """A client's connection, as the server keeps it on the wheel."""

    __slots__ = ()

    def due(self) -> None:
        """Its deadline has come: see whether it has really been idle."""
        raise NotImplementedError

    def drain(self) -> None:
        """The server is stopping: finish what is under way, then close."""
        raise NotImplementedError

    def abort(self) -> None:
        """Let go of the client at once."""
        raise NotImplementedError

    def guarded(self, call: Callable[[], None]) -> None:
        """Make a call of its own that nobody above would miss: a defect, or no memory, ends this connection only.

        Without that its client would wait for ever, for what has been read and is not answered.
        """
        try:
            call()
        except Exception as error:
            # Neither may find memory. That is no reason to forget the other, or the calls behind this one.
            with suppress(Exception):
                self.abort()
            with suppress(Exception):
                log.error("connection_failed", exc_info=error)


class TurnEnd:
    """Calls to be made when all that the present turn of the event loop has brought is dealt with."""

    __slots__ = ("_calls", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[tuple[Connection, Callable[[], None]]] = []

    def add(self, connection: Connection, call: Callable[[], None]) -> None:
        """Make this call of the connection's then, after those added before."""
        if not self._calls:
            self._loop.call_soon(self._run)
        self._calls.append((connection, call))

    def _run(self) -> None:
        calls, self._calls = self._calls, []
        for connection, call in calls:
            connection.guarded(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """All in seconds. `ping_timeout` runs from the ping, `close` from our close frame."""

    header: float
    body: float
    keepalive: float
    ping_idle: float
    ping_timeout: float
    close: float


@dataclass(slots=True, kw_only=True)
class Shared:
    """References, and the little that changes: settings on reload, `draining`, what is under way."""

    loop: asyncio.AbstractEventLoop
    node: Node
    stats: Stats
    admission: Admission
    backlog: Backlog
    wheel: Wheel[Connection]
    replies: ReplyEncoder
    http_limits: HttpLimits
    timeouts: Timeouts
    outbox_limit: int
    deflater: SharedDeflater | None
    """Compresses what goes out to whoever agreed; None switches compression off."""
    cors_origins: frozenset[str]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    connect_hooks: ConnectHooks
    forwarded_header: ForwardedHeader = "x-forwarded-for"
    """Where trusted proxies tell who is asking."""
    verbose: bool = False
    """Whether requests and sockets are logged one by one; asked before the logger is, which costs more."""
    logs_access: bool = False
    """Whether the log gets a line for every request and every socket."""
    draining: bool = False
    """Set once, when the server begins to stop."""
    last_call: bool = False
    """While it drains its sockets: whoever was connected before, and asks for a socket now, still gets one."""
    goodbye: Close = codes.RESTART
    """How sockets are closed then."""
    queueing: int = 0
    """HTTP connections with requests that wait for their turn of the loop."""
    exchanges: set[object] = field(default_factory=set)
    """HTTP connections whose request is still being worked on."""
    sessions: "dict[SessionName, HttpPeer]" = field(default_factory=dict)
    """Of clients that have no socket."""
    unsent: TurnEnd = field(init=False)
    """Takes the `send` of every connection that has replies to write."""

    def __post_init__(self) -> None:
        self.unsent = TurnEnd(self.loop)

    @property
    def limits(self) -> Limits:
        """What clients may."""
        return self.admission.limits


def stopping() -> Refusal:
    """What newcomers are told by a server that stops."""
    message = "The server is stopping: connect again in a moment."
    return Refusal(503, "stopping", message, headers=(("Retry-After", "1"),))
