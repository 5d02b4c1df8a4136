"""One Pusher connection, whatever carries it: takes the client's messages and says what is to be done.

A state machine without sockets or time. What it remembers is who has signed in; what is subscribed the node knows.
Source: Pusher Channels protocol, sections 2 to 9. Invariant: no message of a client makes it raise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from pushery.core import codes
from pushery.core.apps import App, Directory
from pushery.core.channelnames import MAX_CHANNEL_NAME, USER_CHANNEL, ChannelKind, is_channel_name, kind_of
from pushery.core.channels import Member
from pushery.core.codes import Close
from pushery.core.effects import CloseSocket, Enter, Relay, Send, SignIn, SocketEffect, Subscribe, Unsubscribe
from pushery.core.encoding import as_json
from pushery.core.publications import MAX_EVENT_NAME
from pushery.dialects.pusher import messages
from pushery.dialects.pusher.proofs import Unproved, check_sign_in, check_subscription

MAX_USER_ID: Final = 128
"""Characters of a user's id."""

MAX_WATCHLIST: Final = 100
"""Users that one connection can watch."""

MAX_FAULTS: Final = 100
"""Messages that make no sense after which a connection is closed."""

T = TypeVar("T")
Effects = Sequence[SocketEffect]

_INSTEAD: Final = {
    codes.RESTART: codes.RESTARTING,
    codes.HANDOVER: codes.MOVED,
    codes.NO_PONG: codes.PONG_MISSING,
    codes.APP_UNREGISTERED: codes.APP_UNKNOWN,
}
"""What this dialect closes with where others say something else."""


class _Incoming(msgspec.Struct):
    event: str
    channel: str | None = None
    data: Raw = Raw()


class _Subscription(msgspec.Struct):
    channel: str
    auth: str | None = None
    channel_data: str | None = None


class _Channel(msgspec.Struct):
    channel: str


class _SignIn(msgspec.Struct):
    auth: str
    user_data: str


class _ChannelData(msgspec.Struct):
    user_id: str | int | float
    user_info: Raw = Raw()


class _UserData(msgspec.Struct):
    id: str
    user_info: Raw = Raw()
    watchlist: list[str] = []


_incoming = msgspec.json.Decoder(_Incoming)
_text = msgspec.json.Decoder(str)
_subscription = msgspec.json.Decoder(_Subscription)
_channel = msgspec.json.Decoder(_Channel)
_sign_in = msgspec.json.Decoder(_SignIn)
_channel_data = msgspec.json.Decoder(_ChannelData)
_user_data = msgspec.json.Decoder(_UserData)


class _Fault(Exception):
    """A message that makes no sense; says why."""


class PusherSession:
    """The dialect's side of a connection to an app that exists."""

    __slots__ = ("_app_key", "_directory", "_faults", "_greeting", "_user", "message_limit", "socket_id")
    _proven = False

    def __init__(
        self, directory: Directory, app: App, socket_id: str, *, activity_timeout_s: int, message_limit: int
    ) -> None:
        self._directory = directory
        self._app_key = app.key
        self.socket_id = socket_id
        self.message_limit = message_limit
        self._greeting = activity_timeout_s
        self._user: Member | None = None
        """As whom it has signed in; None until it has."""
        self._faults = 0

    def opened(self) -> Effects:
        """It is counted in, and greeted (protocol 3)."""
        greeting = messages.established(self.socket_id, self._greeting)
        return (Enter(self._app_key, self.socket_id, greeting, proven=self._proven),)

    def received(self, message: str | bytes) -> Effects:
        """One message of the client."""
        if isinstance(message, bytes):
            return (CloseSocket(codes.NOT_TEXT),)
        app = self._directory.all.get(self._app_key)
        if app is None:
            return ()
        try:
            return self._take(app, message)
        except _Fault as fault:
            return self._fault(str(fault))
        except RecursionError:  # reading it just went well, writing it anew is deeper by a call
            return self._fault("Invalid message format: it is nested too deep.")

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """Protocol 4: the error event and the close, for some libraries look at one and some at the other."""
        return farewell(_INSTEAD.get(close, close))

    def _take(self, app: App, message: str) -> Effects:
        try:
            incoming = _incoming.decode(message)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise _Fault("Invalid message format: send a JSON object with a string 'event'.") from None
        handler = _HANDLERS.get(incoming.event)
        if handler is not None:
            return handler(self, app, incoming.data)
        if incoming.event.startswith("client-"):
            return self._client_event(app, incoming)
        if incoming.event.startswith("pusher:"):
            raise _Fault(f"Unknown event: {incoming.event[:MAX_EVENT_NAME]}")
        return _errors("Client event rejected - client events must be prefixed by 'client-'")

    def _fault(self, message: str) -> Effects:
        self._faults += 1
        if self._faults > MAX_FAULTS:
            return (CloseSocket(codes.MALFORMED),)
        return _errors(message)

    def _ping(self, app: App, data: Raw) -> Effects:
        return (Send(messages.PONG),)

    def _pong(self, app: App, data: Raw) -> Effects:
        return ()

    def _subscribe(self, app: App, data: Raw) -> Effects:
        asked = _decode(_subscription, data, "pusher:subscribe needs a data object with a string 'channel'")
        name = asked.channel
        if not is_channel_name(name):
            return _refused(name, "InvalidChannel", _why_not_a_name(name), 4009)
        kind = kind_of(name)
        channel_data = asked.channel_data or None
        try:
            if kind.to_user:
                self._check_own(name)
            elif not self._is_granted(name, kind) and kind.private:
                check_subscription(app, asked.auth or "", self.socket_id, name, channel_data)
        except Unproved as error:
            return _refused(name, "AuthError", str(error), error.status)
        if not kind.presence:
            return (Subscribe(name, kind),)
        return self._subscribe_member(app, name, kind, channel_data)

    def _subscribe_member(self, app: App, name: str, kind: ChannelKind, channel_data: str | None) -> Effects:
        """Protocol 7.1: who the member is, its channel_data says, or else the sign-in."""
        try:
            member = self._user if channel_data is None else _member(channel_data)
        except _Fault as fault:
            return _refused(name, "AuthError", str(fault), 401)
        if member is None:
            message = f"Presence channels need channel_data with a user_id, or a sign-in: {name}"
            return _refused(name, "AuthError", message, 401)
        limit = app.settings.max_member_bytes
        if len(member.info) > limit:
            return _refused(name, "LimitReached", f"The user_info of a member has at most {limit} bytes.", 4301)
        return (Subscribe(name, kind, member),)

    def _is_granted(self, name: str, kind: ChannelKind) -> bool:
        """Whether it may subscribe without a signature. Raises Unproved when it may not even with one."""
        return False

    def _check_own(self, name: str) -> None:
        user_id = name.removeprefix(USER_CHANNEL)
        if self._user is None or self._user.user_id != user_id:
            raise Unproved(f"Only a connection that is signed in as {user_id} can subscribe to {name}")

    def _unsubscribe(self, app: App, data: Raw) -> Effects:
        asked = _decode(_channel, data, "pusher:unsubscribe needs a data object with a string 'channel'")
        return (Unsubscribe(asked.channel[:MAX_CHANNEL_NAME]),)

    def _client_event(self, app: App, incoming: _Incoming) -> Effects:
        """Protocol 8."""
        event, channel = incoming.event, incoming.channel or ""
        if not is_channel_name(channel):
            raise _Fault("Client event rejected - name the channel that it is for")
        refusal = _why_not_relayed(app, event, channel)
        if refusal:
            return _rejected(channel, event[:MAX_EVENT_NAME], refusal)
        data, limit = _event_data(incoming.data), app.settings.max_client_event_bytes
        if len(data) > limit or len(data.encode()) > limit:
            return _rejected(channel, event, f"Client event rejected - its data has more than {limit} bytes")
        return (Relay(channel, event, data),)

    def _sign_in(self, app: App, data: Raw) -> Effects:
        """Protocol 9."""
        asked = _decode(_sign_in, data, "pusher:signin needs a data object with strings 'auth' and 'user_data'")
        settings = app.settings
        if not settings.user_authentication:
            return _errors("To sign in, user authentication must be enabled for the app: user_authentication=true.")
        try:
            check_sign_in(app, asked.auth, self.socket_id, asked.user_data)
            user, watchlist = _user(asked.user_data)
            if self._user is not None and self._user.user_id != user.user_id:
                raise Unproved(f"This connection is signed in as {self._user.user_id} already.")
        except Unproved as error:
            return (Send(messages.error(codes.UNAUTHORIZED.code, str(error)), str(error)),)
        self._user = user
        success = Send(messages.signin_success(asked.user_data))
        if not settings.watchlist:
            return (success, SignIn(user.user_id, ()))
        signed_in = SignIn(user.user_id, tuple(dict.fromkeys(watchlist[:MAX_WATCHLIST])))
        if len(watchlist) <= MAX_WATCHLIST:
            return (success, signed_in)
        message = f"The watchlist is too long: only its first {MAX_WATCHLIST} users are watched."
        return (success, signed_in, Send(messages.error(messages.WATCHLIST_TOO_LONG, message)))


_HANDLERS: Final[Mapping[str, Callable[[PusherSession, App, Raw], Effects]]] = {
    "pusher:ping": PusherSession._ping,
    "pusher:pong": PusherSession._pong,
    "pusher:subscribe": PusherSession._subscribe,
    "pusher:unsubscribe": PusherSession._unsubscribe,
    "pusher:signin": PusherSession._sign_in,
}


class RefusedSession:
    """A connection that is accepted only to be told why it cannot be (protocol 1)."""

    __slots__ = ("_close", "_message", "message_limit")

    def __init__(self, close: Close, message: str) -> None:
        self._close = close
        self._message = message
        self.message_limit = 64 * 1024

    def opened(self) -> Effects:
        """Goodbye."""
        return (CloseSocket(self._close),)

    def received(self, message: str | bytes) -> Effects:
        """Nothing it says matters."""
        return ()

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """With the reason in words."""
        return farewell(close, self._message)


def farewell(close: Close, message: str = "") -> tuple[Close, bytes | None]:
    """The error event goes before every close with a code of the protocol's own."""
    return close, messages.error(close.code, message or close.reason) if close.code >= 4000 else None


def _decode(decoder: msgspec.json.Decoder[T], data: Raw, otherwise: str) -> T:
    """`data` as an object, or as a string that holds one (protocol 2). Raises _Fault."""
    try:
        content = bytes(data)
        return decoder.decode(_text.decode(content) if content.startswith(b'"') else content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _Fault(f"{otherwise}.") from None


def _member(channel_data: str) -> Member:
    """Who a presence channel's `channel_data` says it is. Raises _Fault."""
    try:
        data = _channel_data.decode(channel_data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _Fault("channel_data must be a JSON object with a user_id, a string or a number.") from None
    sent = data.user_id
    if isinstance(sent, float) and sent.is_integer():
        sent = int(sent)  # 1.0 is 1 to JavaScript, which looks for its own id among the members
    user_id = sent if isinstance(sent, str) else as_json(sent).decode()
    if not 0 < len(user_id) <= MAX_USER_ID:
        raise _Fault(f"A user_id has 1 to {MAX_USER_ID} characters.")
    return Member(user_id, as_json(sent), _info(data.user_info))


def _user(user_data: str) -> tuple[Member, list[str]]:
    """Who `user_data` says it is, and whom it watches. Raises Unproved."""
    try:
        data = _user_data.decode(user_data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Unproved(
            "user_data must be a JSON object with a string 'id'; 'watchlist' is a list of strings."
        ) from None
    if not 0 < len(data.id) <= MAX_USER_ID:
        raise Unproved(f"The id of a user has 1 to {MAX_USER_ID} characters.")
    return Member(data.id, as_json(data.id), _info(data.user_info)), data.watchlist


def _info(raw: Raw) -> bytes:
    """A member's user_info as compact JSON, {} when there is none."""
    info = msgspec.json.format(bytes(raw), indent=-1) if raw else b"null"
    return b"{}" if info == b"null" else info


def _event_data(raw: Raw) -> str:
    """A client event's data as the receivers get it: the string that was sent, or else the JSON text of what was."""
    content = bytes(raw)
    if not content:
        return "null"
    if content.startswith(b'"'):
        return _text.decode(content)
    return msgspec.json.format(content, indent=-1).decode()


def _why_not_relayed(app: App, event: str, channel: str) -> str:
    """Why a client event is rejected whoever sends it; empty when it is not."""
    if not app.settings.client_events:
        return "To send client events, you must enable this feature in the Settings page of your dashboard."
    if not kind_of(channel).client_events:
        return "Client event rejected - only supported on private and presence channels"
    if len(event) > MAX_EVENT_NAME:
        return f"Client event rejected - its name has more than {MAX_EVENT_NAME} characters"
    return ""


def _why_not_a_name(name: str) -> str:
    if len(name) > MAX_CHANNEL_NAME:
        return f"A channel name has at most {MAX_CHANNEL_NAME} characters."
    return f"Invalid channel name: {name!r}. A name has letters, digits and any of _ - = @ , . ;"


def _errors(message: str) -> Effects:
    return (Send(messages.error(None, message), message),)


def _refused(channel: str, kind: str, message: str, status: int) -> Effects:
    return _all(messages.subscription_error(channel, kind, message, status), message)


def _rejected(channel: str, event: str, message: str) -> Effects:
    return _all(messages.event_rejected(channel, event, message), message)


def _all(texts: tuple[bytes, ...], refusal: str) -> Effects:
    """A refusal in one message or several, and told of once."""
    return (Send(texts[0], refusal), *map(Send, texts[1:]))
