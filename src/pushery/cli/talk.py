"""A client's side of the Pusher protocol: what it answers to what the server says. Knows no sockets; is fed frames.

Invariant: it subscribes to everything that is wanted before anything counts as heard, or says why it cannot.
Source: Pusher Channels protocol, sections 3 to 9; names of events that the protocol keeps for itself are told as client
libraries tell them ("pusher:member_added").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pushery.cli.credentials import Credentials
from pushery.cli.encryption import unseal
from pushery.cli.sockets import Refused
from pushery.core.channelnames import USER_CHANNEL, kind_of

_INTERNAL: Final = "pusher_internal:"


class _Frame(msgspec.Struct):
    event: str
    channel: str = ""
    data: Any = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client is to hear. `credentials` is None when no channel needs a proof.

    `member` is what it says about itself on presence channels, `user` what it signs in with: JSON texts, or "".
    """

    channels: Sequence[str]
    credentials: Credentials | None = None
    member: str = ""
    user: str = ""
    encryption_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a channel. `data` is decoded when it is JSON; `sealed`: it could not be decrypted."""

    channel: str
    event: str
    data: Any
    user_id: str | None = None
    sealed: bool = False

    def json(self) -> dict[str, Any]:
        """For programs; members that say nothing are left out, but for the first three."""
        told: dict[str, Any] = {"channel": self.channel, "event": self.event, "data": self.data}
        if self.user_id is not None:
            told["user_id"] = self.user_id
        if self.sealed:
            told["encrypted"] = True
        return told


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from a frame: what is sent, what was heard, and what is told beside it."""

    replies: Sequence[str] = ()
    events: Sequence[Event] = ()
    notes: Sequence[str] = ()


@dataclass(slots=True)
class Talk:
    """One connection's talk with the server."""

    wanted: Wanted
    _socket_id: str = ""
    _pending: set[str] = field(default_factory=set)
    """What the server has not answered yet: channels, and "" for the sign-in."""

    def hear(self, text: str | bytes) -> Step:
        """Take in a frame. Raises Refused."""
        try:
            frame = msgspec.json.decode(text, type=_Frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused("what answers there does not speak the Pusher protocol") from None
        known = _ANSWERS.get(frame.event)
        return known(self, frame) if known else Step(events=[self._event(frame)])

    def _established(self, frame: _Frame) -> Step:
        greeting = _decoded(frame.data)
        self._socket_id = str(greeting.get("socket_id", "")) if isinstance(greeting, dict) else ""
        note = f"connected as {self._socket_id}"
        proves = self.wanted.credentials
        if not self.wanted.user or proves is None:
            return Step(self._subscribe(), notes=[note])
        self._pending.add("")
        data = {"auth": proves.sign_in_proof(self._socket_id, self.wanted.user), "user_data": self.wanted.user}
        return Step([_say("pusher:signin", data)], notes=[note])

    def _signed_in(self, frame: _Frame) -> Step:
        self._pending.discard("")
        return Step(self._subscribe(), notes=["signed in"])

    def _subscribe(self) -> list[str]:
        self._pending.update(self.wanted.channels)
        return [_say("pusher:subscribe", self._subscription(channel)) for channel in self.wanted.channels]

    def _subscription(self, channel: str) -> Mapping[str, str]:
        kind, proves = kind_of(channel), self.wanted.credentials
        if not kind.private or proves is None:
            return {"channel": channel}
        member = (self.wanted.member or None) if kind.presence else None
        proof = {"channel": channel, "auth": proves.subscription_proof(self._socket_id, channel, member)}
        return proof if member is None else {**proof, "channel_data": member}

    def _subscribed(self, frame: _Frame) -> Step:
        self._pending.discard(frame.channel)
        told = _decoded(frame.data)
        present = told.get("presence") if isinstance(told, dict) else None
        count = present.get("count") if isinstance(present, dict) else None
        note = f"subscribed to {frame.channel}"
        return Step(notes=[note if count is None else f"{note} ({count} present)"])

    def _ping(self, frame: _Frame) -> Step:
        return Step([_say("pusher:pong", {})])

    def _pong(self, frame: _Frame) -> Step:
        return Step()

    def _error(self, frame: _Frame) -> Step:
        """Before all is subscribed it is the end of it; later the connection goes on."""
        told = _decoded(frame.data)
        told = told if isinstance(told, dict) else {}
        if not self._socket_id and isinstance(told.get("code"), int):
            return (
                Step()
            )  # no greeting will come, but a close with this code, and whoever hears that says what it means
        message = str(told.get("message") or told.get("error") or "it gives no reason")
        if self._socket_id and not self._pending:
            return Step(notes=[f"the server says: {message}"])
        raise Refused(f"refused: {message}")

    def _event(self, frame: _Frame) -> Event:
        name, data, sealed = frame.event, frame.data, False
        if name.startswith(_INTERNAL):
            name = f"pusher:{name.removeprefix(_INTERNAL)}"
        elif frame.channel and kind_of(frame.channel).encrypted and not name.startswith("pusher:"):
            key = self.wanted.encryption_key
            opened = unseal(key, frame.channel, data) if key is not None and isinstance(data, str) else None
            data, sealed = (data, True) if opened is None else (opened, False)
        return Event(frame.channel, name, _decoded(data), frame.user_id, sealed)


_ANSWERS: Final[Mapping[str, Callable[[Talk, _Frame], Step]]] = {
    "pusher:connection_established": Talk._established,
    "pusher:signin_success": Talk._signed_in,
    "pusher_internal:subscription_succeeded": Talk._subscribed,
    "pusher:subscription_error": Talk._error,
    "pusher:error": Talk._error,
    "pusher:ping": Talk._ping,
    "pusher:pong": Talk._pong,
}


def needs_proof(channels: Sequence[str]) -> bool:
    """Whether any of the channels takes a signature."""
    return any(kind_of(channel).private for channel in channels)


def user_channel(user_id: str) -> str:
    """The channel on which a user who has signed in is reached."""
    return f"{USER_CHANNEL}{user_id}"


def json_text(value: object) -> str:
    """Compact JSON: the exact text that is signed and sent."""
    return msgspec.json.encode(value).decode()


def _say(event: str, data: Mapping[str, str]) -> str:
    return json_text({"event": event, "data": data})


def _decoded(data: Any) -> Any:
    """Data as client libraries hand it over: JSON in a string is decoded, other strings stay."""
    if not isinstance(data, str):
        return data
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return data
