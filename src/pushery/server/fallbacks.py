"""A client that has no socket: what it sends comes with requests, what it gets goes out in replies to others.

The session behind it is the same as on a WebSocket, and so is what it may rely on. What is for it waits in an outbox
until the end of the turn, or until there is a reply to say it in. Invariant: a message is said in at most one reply,
in order, and none is dropped before one that is said.
Source: Pusher Channels protocol, section 11.
"""

from typing import Final

import structlog

from pushery.core import codes
from pushery.core.audience import Write
from pushery.core.codes import Close
from pushery.core.effects import OpenStream, Session, SessionName, Submit
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.outbox import Outbox
from pushery.core.rates import TokenBucket
from pushery.core.wheel import NEVER
from pushery.node import Place
from pushery.server.access import XHR_POLLING, XHR_STREAMING, Visit
from pushery.server.admission import RETRY_FULL_S
from pushery.server.receivers import PollReceiver, Receiver
from pushery.server.shared import Connection, Shared, stopping
from pushery.wire.websocket import TEXT, encode_frame, payload_of, split_frames
from pushery.wire.xhr import CLIENT_BUFFER, HEARTBEAT, OPEN, close_line, messages_line, messages_of

log = structlog.get_logger("pushery.server")

POLL_S: Final = 25.0
"""How long a poll waits for something to say; proxies give up on a silent server after 30 seconds or more."""

EXPIRY_S: Final = 10.0
"""How long a session lives without a reply to speak in: pusher-js asks again at once."""

REOPEN_S: Final = 30.0
"""How long a client may take to read a full reply to its end; as long as pusher-js waits for a sign of life."""

GRACE_S: Final = 2.0
"""How long after that it may take to ask anew."""

MAX_SESSIONS: Final = 100_000
"""Sessions at a time. They cost no descriptors, only 1.2 KB each when idle, so something else has to bound them."""

_POUR_AT: Final = 64 * 1024
"""Bytes that wait from which a stream does not wait for the turn to end: a burst need not fit the outbox."""


def _drop(frame: bytes) -> None:
    """Takes the frames of a session that is no more."""


class HttpPeer(Connection):
    """A `node.Peer` that its client reaches with requests."""

    __slots__ = (
        "_asked",
        "_closing",
        "_full",
        "_heard",
        "_name",
        "_outbox",
        "_pinged",
        "_rate",
        "_receiver",
        "_scheduled",
        "_session",
        "_shared",
        "_source",
        "entry",
        "is_new",
        "place",
        "visit",
        "wheel_slot",
    )

    def __init__(self, shared: Shared, name: SessionName, session: Session, source: str) -> None:
        self._shared = shared
        self._source = source
        """What `Admission` has called where it comes from."""
        self._name = name
        self._session = session
        self._outbox = Outbox(shared.outbox_limit, self._overflow, shared.backlog)
        self.entry: Write = self._put
        self.place: Place | None = None
        self._receiver: Receiver | None = None
        """The reply that is open at the moment; None between two of them."""
        self.is_new = True
        """Whether nothing has been said yet."""
        self._scheduled = False
        """Whether the outbox is looked at when the turn ends."""
        self._asked = False
        """Whether the client waits for a sign of life."""
        self._full = False
        """Whether the reply has as much as pusher-js takes in one: the rest is for the next, or nobody may read it."""
        self._heard = shared.wheel.now
        self._pinged: float | None = None
        """When it got a heartbeat that it has not answered; None when there is none."""
        self._closing: Close | None = None
        """What is still to be said at the end; nothing more is taken in or handed out."""
        self._rate = TokenBucket()
        self.wheel_slot = NEVER
        self.visit: Visit | None = None
        """What the access log will say of it; None when there is none."""

    def listen(self, receiver: Receiver) -> None:
        """Speak in this reply from now on, and no longer in an earlier one."""
        earlier, self._receiver = self._receiver, receiver
        receiver.speaker = self
        if earlier is not None:
            earlier.end()
        wheel = self._shared.wheel
        self._full, self._pinged, self._heard = False, None, wheel.now
        poll = isinstance(receiver, PollReceiver)
        wheel.arm(self, wheel.now + (POLL_S if poll else self._shared.timeouts.ping_idle))
        if self.is_new:
            self._open(receiver)
        self._schedule()

    def _open(self, receiver: Receiver) -> None:
        shared = self._shared
        self.is_new = False
        shared.sessions[self._name] = self
        shared.stats.connections += 1
        shared.stats.connections_opened += 1
        if shared.verbose:
            log.debug("session_opened", connections=shared.stats.connections)
        receiver.say(OPEN)
        try:
            shared.node.apply(self, self._session.opened())
        except Exception:
            self._give_up()

    def may_send(self, count: int, rate: int) -> bool:
        """Whether the client may send so many messages now, at `rate` a second."""
        return self._rate.take(count, rate, self._shared.loop.time())

    def take(self, messages: list[str]) -> None:
        """What the client sends. Nothing at all is a heartbeat: the answer to ours, or to be answered."""
        shared, limit = self._shared, self._session.message_limit
        self._heard = shared.wheel.now
        if not messages:
            self._take_heartbeat()
        elif not self._full:
            self._pinged = None
        for message in messages:
            if self._closing is not None:
                return
            shared.stats.messages_in += 1
            if self.visit is not None:
                self.visit.messages += 1
            if len(message) > limit or len(message.encode()) > limit:
                log.info("session_failed", code=codes.TOO_BIG.code, reason=codes.TOO_BIG.reason)
                self.close(codes.TOO_BIG)
                return
            try:
                shared.node.apply(self, self._session.received(message))
            except Exception:
                self._give_up()

    def _take_heartbeat(self) -> None:
        if self._pinged is None:
            self._asked = True
            self._schedule()
            return
        self._pinged = None
        if self._full:
            self._shared.wheel.arm(self, self._heard + GRACE_S)

    def _give_up(self) -> None:
        """The session has a defect."""
        log.exception("session_failed")
        self.close(codes.INTERNAL_ERROR)

    @property
    def address(self) -> str:
        """A client without a socket asks from where it likes."""
        return ""

    @property
    def waiting(self) -> int:
        """What is kept for its next reply, in bytes."""
        return self._outbox.size

    def send(self, text: bytes) -> None:
        """Give it one text message, after what it has been given before."""
        if self._closing is None:
            self.entry(encode_frame(TEXT, text))

    def close(self, close: Close) -> None:
        """Count it out and say goodbye: at the end of the turn, or in the next reply if that comes soon."""
        if self._closing is not None:
            return
        shared = self._shared
        shared.node.leave(self, close)
        goodbye, last_words = self._session.farewell(close)
        if last_words is not None:
            self.send(last_words)
        self._closing = goodbye
        if self.visit is not None:
            self.visit.code = goodbye.code
        if close in (codes.TOO_BIG, codes.NO_PONG):
            shared.stats.errors[f"close_{goodbye.code}"] += 1
        self._schedule()

    def _put(self, data: bytes) -> None:
        """Take frames, one or several. Often called within a fan-out."""
        outbox, receiver = self._outbox, self._receiver
        outbox.put(data)
        if outbox.size > _POUR_AT and receiver is not None and not isinstance(receiver, PollReceiver):
            self._pour(receiver)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._shared.unsent.add(self, self._flush)

    def _flush(self) -> None:
        """Say what there is to say, if somebody listens."""
        self._scheduled = False
        receiver = self._receiver
        if receiver is None:
            return
        if self._closing is not None:
            if not self._full:  # else the client is about to drop this reply, and the goodbye with it
                self._say_goodbye(receiver, self._closing)
            return
        self._pour(receiver)
        if self._asked:
            self._asked = False
            receiver.say(messages_line(()))
        if isinstance(receiver, PollReceiver):
            if receiver.has_said:
                self._end_poll(receiver)
        elif receiver.room <= 0 and not self._full:
            self._full = True
            self._ping(receiver, REOPEN_S)

    def _pour(self, receiver: Receiver) -> None:
        """Say what waits, as far as there is room."""
        while self._outbox.size and receiver.ready and receiver.room > 0:
            receiver.say(self._next_line(receiver.room))
            if isinstance(receiver, PollReceiver):
                return

    def _next_line(self, room: int) -> bytes:
        """What has waited longest, in a line of about `room` bytes or a single piece."""
        waiting, count, size = self._outbox.drain(), 0, 0
        for piece in waiting:
            size += len(piece)
            if count and size > room:
                break
            count += 1
        self._outbox.refill(waiting[count:])
        return _line(waiting[:count])

    def _say_goodbye(self, receiver: Receiver, close: Close) -> None:
        """Say all that is left; where the client no longer listens, the next reply may still come."""
        if receiver.gone:
            return
        waiting = self._outbox.drain()
        if waiting:
            receiver.say(_line(waiting))
        receiver.say(close_line(close))
        self._receiver = None
        receiver.end()
        self._forget()

    def _end_poll(self, receiver: PollReceiver) -> None:
        receiver.end()
        self._rest()

    def _rest(self) -> None:
        """Wait for the client to ask again."""
        self._receiver = None
        self._shared.wheel.arm(self, self._shared.wheel.now + EXPIRY_S)

    def _ping(self, receiver: Receiver, patience_s: float) -> None:
        self._pinged = self._shared.wheel.now
        receiver.say(HEARTBEAT)
        self._shared.wheel.arm(self, self._pinged + patience_s)

    def resumed(self) -> None:
        """The client reads again."""
        self.guarded(self._flush)  # a transport would go on behind a failure, and what was taken out be lost

    def lost(self, receiver: Receiver) -> None:
        """The client has gone away from this reply, perhaps to ask for another."""
        if receiver is self._receiver:
            self._rest()

    def _overflow(self, frame: bytes) -> None:
        """The outbox is full. A fan-out is under way, whose audiences must not change: close behind it."""
        self._shared.loop.call_soon(self.guarded, self._close_slow)

    def _close_slow(self) -> None:
        if self._closing is not None:
            return
        self._shared.stats.slow_clients += 1
        log.info("slow_client_closed", outbox_limit=self._shared.outbox_limit)
        self._outbox = Outbox(self._shared.outbox_limit, _drop, self._shared.backlog)
        self.close(codes.SLOW_CLIENT)

    def due(self) -> None:
        """Show a waiting client that we are there, and see whether one that had been shown is."""
        shared, receiver = self._shared, self._receiver
        now, ping_idle = shared.wheel.now, shared.timeouts.ping_idle
        if receiver is None:
            shared.node.leave(self)
            self._forget()
        elif isinstance(receiver, PollReceiver):
            receiver.say(HEARTBEAT)
            self._end_poll(receiver)
        elif self._closing is not None:
            self._say_goodbye(receiver, self._closing)
        elif self._pinged is not None:
            if self._heard > self._pinged:  # of a full reply it has not read the end, but it is there
                shared.wheel.arm(self, self._heard + REOPEN_S)
                return
            log.info("ping_unanswered")
            self._full = False
            self.close(codes.NO_PONG)
        elif self._full:  # it has read the end, and does not ask anew as pusher-js would: let it have the rest here
            self._full = False
            receiver.room = CLIENT_BUFFER
            shared.wheel.arm(self, self._heard + ping_idle)
            self._flush()
        elif now - self._heard >= ping_idle:
            self._ping(receiver, shared.timeouts.ping_timeout)
        else:
            shared.wheel.arm(self, self._heard + ping_idle)

    def drain(self) -> None:
        """The server is stopping."""
        self._full = False
        self.close(self._shared.goodbye)
        self._schedule()
        if self._receiver is None:
            self._forget()

    def abort(self) -> None:
        """Let go of the client at once."""
        try:
            self._shared.node.leave(self)
        finally:
            receiver, self._receiver = self._receiver, None
            if receiver is not None:
                receiver.abort()
            self._forget()

    def _forget(self) -> None:
        """The session is over: who asks for it again opens another."""
        shared = self._shared
        shared.wheel.cancel(self)
        if shared.sessions.pop(self._name, None) is None:
            return
        shared.stats.connections -= 1
        shared.admission.left(self._source)
        if shared.verbose:
            log.debug("session_closed", connections=shared.stats.connections)
        if self.visit is not None:
            self.visit.end()
        self._closing = self._closing or codes.NORMAL
        self.entry = _drop
        self._outbox.discard()
        self._outbox = Outbox(0, _drop, shared.backlog)  # the old one knows us: a cycle


def _line(pieces: list[bytes]) -> bytes:
    frames = split_frames(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    return messages_line([str(payload_of(frame), "utf-8", "replace") for frame in frames])


def peer_for(shared: Shared, outcome: OpenStream, request: Request) -> HttpPeer:
    """The session that is asked for, or a new one for the client that asks. Raises Refusal."""
    peer = shared.sessions.get(outcome.name)
    if peer is not None:
        return peer
    try:
        if shared.draining and not shared.last_call:
            raise stopping()
        if len(shared.sessions) >= MAX_SESSIONS:
            message = f"There are {MAX_SESSIONS} sessions without a socket, and no room for more: try again later."
            raise Refusal(503, "too_many_sessions", message, headers=(("Retry-After", str(RETRY_FULL_S)),))
        session = outcome.session()
        source = shared.admission.admit(request.peer)
    except Refusal as refusal:
        refusal.headers += outcome.headers  # or a page could not read why
        raise
    peer = HttpPeer(shared, outcome.name, session, source)
    if shared.logs_access:
        peer.visit = Visit(request, XHR_STREAMING if outcome.lasting else XHR_POLLING)
    return peer


def submit(shared: Shared, outcome: Submit) -> Reply:
    """Hand what a client sends to its session."""
    try:
        messages = messages_of(outcome.body)
    except ValueError as error:
        return outcome.malformed(str(error))
    peer = shared.sessions.get(outcome.name)
    if peer is not None:
        rate = shared.limits.client_messages_per_second
        if rate and not peer.may_send(len(messages), rate):
            return outcome.too_fast(rate)
        peer.take(messages)
    return outcome.answer(peer is not None)
