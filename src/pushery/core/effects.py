"""What a dialect wants done. The whole vocabulary between the dialects, which decide, and the node, which acts.

A dialect answers a request with a `Reply` or with one of the requests for action below, whose `answer` turns the
outcome into the reply. A session answers what happens on its socket with `SocketEffect`s, applied in order.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from pushery.core.apps import App
from pushery.core.appsettings import AppSettings
from pushery.core.channelnames import ChannelKind
from pushery.core.channels import Member
from pushery.core.codes import Close
from pushery.core.exchange import Reply, Request
from pushery.core.hub import Crowd
from pushery.core.patterns import PatternError
from pushery.core.publications import ChannelEvent, Publication


class Once(msgspec.Struct, frozen=True):
    """Do it once, however often it is asked for under this key: whoever asks again gets the first answer.

    `fingerprint` tells whether it is really the same that is asked for; where it is not, `reused` answers.
    """

    key: str
    fingerprint: bytes
    reused: Callable[[], Reply]
    repeated: Callable[[], object] = bool
    """Called when the answer is one that was given, or is on its way, already. `bool` does nothing."""


class Publish(msgspec.Struct, frozen=True):
    """Deliver; the outcome is the number of sockets it was handed to, or why the pattern is not one.

    `too_fast` answers, with the limit in a second, when more is published than may be.
    """

    publication: Publication
    answer: Callable[[int], Reply]
    bad_pattern: Callable[[PatternError], Reply]
    too_fast: Callable[[int], Reply]
    once: Once | None = None


class Later(msgspec.Struct, frozen=True):
    """Ask somebody who takes a while; `reply` is called once, and may raise `Refusal` and `StorageError`."""

    reply: Callable[[], Awaitable[Reply]]


class RegisterApp(msgspec.Struct, frozen=True):
    """Register an app for whoever asked from `request_ip` ("ip:port").

    Key, secret and id are drawn where none is given. `Refusal` (409) when the key or the id is taken.
    """

    name: str
    auth_account: str
    auth_password: str
    request_ip: str
    answer: Callable[[App], Reply]
    settings: AppSettings = AppSettings()
    app_key: str | None = None
    app_secret: str | None = None
    app_id: str | None = None


class UnregisterApp(msgspec.Struct, frozen=True):
    """Remove an app and close its sockets; the outcome is whether it was still there."""

    app_key: str
    answer: Callable[[bool], Reply]


class ListApps(msgspec.Struct, frozen=True):
    """All apps in order of registration."""

    answer: Callable[[Sequence[App]], Reply]


class ChangeApp(msgspec.Struct, frozen=True):
    """Make of an app what `edit` makes of it, for good; the outcome is what it is now, None when it is no more.

    `edit` may run on another thread, and may raise `Refusal`.
    """

    app_key: str
    edit: Callable[[App], App]
    answer: Callable[[App | None], Reply]


class Reloaded(msgspec.Struct, frozen=True):
    """What came of loading the settings anew: names of those that hold now, and of those that wait for a restart.

    With `problems`, one line each, nothing has changed; but where only the certificate cannot be used, the rest has.
    """

    applied: Sequence[str] = ()
    need_restart: Sequence[str] = ()
    problems: Sequence[str] = ()


class Reload(msgspec.Struct, frozen=True):
    """Load the server's settings anew and take over what may change while running."""

    answer: Callable[[Reloaded], Reply]


class Inspect(msgspec.Struct, frozen=True):
    """Look at who is online in an app. `answer` must not change anything."""

    app_key: str
    answer: Callable[[Crowd], Reply]


class PublishEvent(msgspec.Struct, frozen=True):
    """Deliver events to channels, in order; `answer` looks at the app's crowd right after.

    The outcome is the number of sockets that each was handed to. `bad_pattern` says why a pattern is not one: then
    nothing has been delivered. `too_fast` answers, with the limit in a second, when more is published than may be.
    """

    app_key: str
    events: Sequence[ChannelEvent]
    answer: Callable[[Crowd, Sequence[int]], Reply]
    bad_pattern: Callable[[PatternError], Reply]
    too_fast: Callable[[int], Reply]
    once: Once | None = None


class Disconnect(msgspec.Struct, frozen=True):
    """Close one of an app's sockets, which `socket` names as `Peer.name` does; the outcome is whether it was there."""

    app_key: str
    socket: str
    answer: Callable[[bool], Reply]


class TerminateUser(msgspec.Struct, frozen=True):
    """Close every socket that is signed in as this user; the outcome is how many those were."""

    app_key: str
    user_id: str
    answer: Callable[[int], Reply]


class JoinTag(msgspec.Struct, frozen=True):
    """Let this socket receive what is pushed to all of the app and to `tag`."""

    app_key: str
    tag: str


class Enter(msgspec.Struct, frozen=True):
    """Count this socket in under its `socket_id`, greet it, and let it use channels from now on."""

    app_key: str
    socket_id: str
    greeting: bytes
    """The text it gets once it is in."""
    proven: bool = False
    """Whether it has said who it is, so that it need not prove that within `authorization_timeout`."""


class Send(msgspec.Struct, frozen=True):
    """Give this socket a text message (UTF-8)."""

    text: bytes
    refusal: str = ""
    """Why what the client asked for is refused, where the message says that; for whoever watches the app."""


class Subscribe(msgspec.Struct, frozen=True):
    """Subscribe this socket to a channel that it may subscribe to; as a `member` where the channel has presence."""

    channel: str
    kind: ChannelKind
    member: Member | None = None


class Unsubscribe(msgspec.Struct, frozen=True):
    """End a subscription."""

    channel: str


class Relay(msgspec.Struct, frozen=True):
    """Deliver a client event to all other subscribers of a channel to which this socket is subscribed."""

    channel: str
    event: str
    data: str


class SignIn(msgspec.Struct, frozen=True):
    """This socket has proved to be `user_id`'s, who watches some others."""

    user_id: str
    watchlist: tuple[str, ...]


class CloseSocket(msgspec.Struct, frozen=True):
    """Say goodbye to this socket."""

    close: Close


class CloseLater(msgspec.Struct, frozen=True):
    """Say goodbye to this socket in so many seconds, unless it has left by then; not when it was not let in."""

    after_s: float
    close: Close


SocketEffect: TypeAlias = JoinTag | Enter | Send | Subscribe | Unsubscribe | Relay | SignIn | CloseSocket | CloseLater


class Session(Protocol):
    """The dialect's side of one socket: told what happens, it answers with what to do."""

    message_limit: int
    """Bytes one message from the client may have."""

    def opened(self) -> Sequence[SocketEffect]:
        """The handshake has been answered."""

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """The client sent a text (str) or binary (bytes) message."""

    def farewell(self, close: Close) -> tuple[Close, bytes | None]:
        """How this dialect closes where the server wants to: with which code, and after which last text message."""


class OpenSocket(msgspec.Struct, frozen=True):
    """Upgrade this request to a WebSocket for `session`."""

    session: Session


class AskHook(msgspec.Struct, frozen=True):
    """Ask an app's backend, at `url`, whether whoever sends `token` may have the tag: the socket follows from that.

    `answer` may raise `Refusal`: what was so when it was asked need not be so any more.
    """

    app_key: str
    url: str
    token: str
    tag: str
    answer: Callable[[bool], OpenSocket]


SessionName: TypeAlias = tuple[str, str, str]
"""What a client without a socket calls its session: the app's key, and two names that the client has made up."""


class OpenStream(msgspec.Struct, frozen=True):
    """Let the session of this name say in the reply what it has to say; where there is none, open the one `session` is.

    A `lasting` reply goes on as long as the session; others end when something has been said. `headers` go with it.
    """

    name: SessionName
    session: Callable[[], Session]
    lasting: bool
    headers: tuple[tuple[str, str], ...]


class Submit(msgspec.Struct, frozen=True):
    """What the client of a session sends; the outcome is whether there is a session of this name.

    `malformed` answers, with the reason, when `body` does not hold messages; `too_fast`, with the limit in a second,
    when they are too many.
    """

    name: SessionName
    body: bytes
    answer: Callable[[bool], Reply]
    malformed: Callable[[str], Reply]
    too_fast: Callable[[int], Reply]


Effect: TypeAlias = (
    Publish
    | PublishEvent
    | RegisterApp
    | UnregisterApp
    | ChangeApp
    | ListApps
    | Reload
    | Inspect
    | Disconnect
    | TerminateUser
)
Outcome: TypeAlias = Reply | Effect | Later | OpenSocket | OpenStream | AskHook | Submit
Handler: TypeAlias = Callable[[Request, Mapping[str, str]], Outcome]


class Route(msgspec.Struct, frozen=True):
    """One entry of the route table. In `path` a segment `{name}` takes any one segment, percent-decoded; `{name*}`
    takes one or more, slashes included.

    `handle` may raise `Refusal`. `summary` is one line for the docs. `prefixed` lets any segments stand before `path`.
    `door` says where it is found, if clients and backends have an address each.
    """

    method: str
    path: str
    handle: Handler
    summary: str
    prefixed: bool = False
    door: Literal["clients", "backends", "both"] = "backends"
