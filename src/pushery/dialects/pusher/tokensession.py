"""A Pusher connection that came with a connect token: it stays as long, and gets as far, as the token says.

A class of its own, so that connections without a token need not remember that they have none.
"""

from collections.abc import Sequence

from pushery.core import codes
from pushery.core.apps import App, Directory
from pushery.core.channelnames import ChannelKind
from pushery.core.effects import CloseLater, SocketEffect
from pushery.core.tokens import Grant
from pushery.dialects.pusher.proofs import Unproved
from pushery.dialects.pusher.session import PusherSession


class TokenSession(PusherSession):
    """A connection with a valid token, which `grant` was read from."""

    __slots__ = ("_grant",)
    _proven = True

    def __init__(
        self,
        directory: Directory,
        app: App,
        socket_id: str,
        grant: Grant,
        *,
        activity_timeout_s: int,
        message_limit: int,
    ) -> None:
        super().__init__(directory, app, socket_id, activity_timeout_s=activity_timeout_s, message_limit=message_limit)
        self._grant = grant

    def opened(self) -> Sequence[SocketEffect]:
        """The token has proved already what others must prove in time; it is closed when the token expires."""
        entering, left_s = super().opened(), self._grant.expires_in_s
        return entering if left_s is None else (*entering, CloseLater(left_s, codes.TOKEN_EXPIRED))

    def _is_granted(self, name: str, kind: ChannelKind) -> bool:
        """A private channel that the token names needs no signature: the same backend has signed the token. Presence
        channels do, for it says who somebody is; encrypted ones do, for the client gets their key with it."""
        grant = self._grant
        if not grant.allows_channel(name):
            raise Unproved(f"The connect token does not allow subscribing to {name}", 403)
        return not kind.presence and not kind.encrypted and grant.names_channel(name)
