"""What a dialect wants done. The whole vocabulary between the dialects, which decide, and the node, which acts.

A dialect answers a request with a `Reply` or with one of the requests for action below, whose `answer` turns the
outcome into the reply. A session answers what happens on its socket with `SocketEffect`s, applied in order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from pushery.core.apps import App
from pushery.core.codes import Close
from pushery.core.exchange import Reply, Request
from pushery.core.patterns import PatternError
from pushery.core.publications import Publication


class Publish(msgspec.Struct, frozen=True):
    """Deliver; the outcome is the number of sockets it was handed to, or why the pattern is not one."""

    publication: Publication
    answer: Callable[[int], Reply]
    bad_pattern: Callable[[PatternError], Reply]


class RegisterApp(msgspec.Struct, frozen=True):
    """Register an app for whoever asked from `request_ip` ("ip:port")."""

    name: str
    auth_account: str
    auth_password: str
    request_ip: str
    answer: Callable[[App], Reply]


class UnregisterApp(msgspec.Struct, frozen=True):
    """Remove an app and close its sockets; the outcome is whether it was still there."""

    app_key: str
    answer: Callable[[bool], Reply]


class ListApps(msgspec.Struct, frozen=True):
    """All apps in order of registration."""

    answer: Callable[[Sequence[App]], Reply]


class ListTags(msgspec.Struct, frozen=True):
    """The distinct tags online in an app, sorted."""

    app_key: str
    answer: Callable[[Sequence[str]], Reply]


class JoinTag(msgspec.Struct, frozen=True):
    """Let this socket receive what is pushed to all of the app and to `tag`."""

    app_key: str
    tag: str


class CloseSocket(msgspec.Struct, frozen=True):
    """Say goodbye to this socket."""

    close: Close


SocketEffect: TypeAlias = JoinTag | CloseSocket


class Session(Protocol):
    """The dialect's side of one socket: told what happens, it answers with what to do."""

    message_limit: int
    """Bytes one message from the client may have."""

    def opened(self) -> Sequence[SocketEffect]:
        """The handshake has been answered."""

    def received(self, message: str | bytes) -> Sequence[SocketEffect]:
        """The client sent a text (str) or binary (bytes) message."""


class OpenSocket(msgspec.Struct, frozen=True):
    """Upgrade this request to a WebSocket for `session`."""

    session: Session


Effect: TypeAlias = Publish | RegisterApp | UnregisterApp | ListApps | ListTags
Outcome: TypeAlias = Reply | Effect | OpenSocket
Handler: TypeAlias = Callable[[Request, Mapping[str, str]], Outcome]


class Route(msgspec.Struct, frozen=True):
    """One entry of the route table. In `path` a segment `{name}` takes any one segment, percent-decoded.

    `handle` may raise `Refusal`. `summary` is one line for the docs.
    """

    method: str
    path: str
    handle: Handler
    summary: str
